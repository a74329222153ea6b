import type { CutText, TokenCounter } from './counter.ts';

const encoder = new TextEncoder();

/**
 * For a model whose tokens nobody here can count: a token is at least one byte of UTF-8, so a text has at most as many as it
 * has bytes. A text that is cut by this is cut sooner than it has to be; a limit is never passed.
 */
export const bytesCounter: TokenCounter = {
  exact: false,
  count: async (texts, atMost = Number.POSITIVE_INFINITY) =>
    texts.map((text) => (text.length >= atMost ? text.length : Buffer.byteLength(text))),
  cut: async (texts, limit) => texts.map((text) => cut(text, limit)),
};

function cut(text: string, limit: number): CutText {
  const bytes = text.length > limit ? Number.POSITIVE_INFINITY : Buffer.byteLength(text);
  if (bytes <= limit) return { text, tokens: bytes, truncated: false };
  // A UTF-16 unit is at least one byte, so what stands behind as many units as there may be bytes does not matter.
  const { read, written } = encoder.encodeInto(text.slice(0, limit), new Uint8Array(limit));
  return { text: text.slice(0, read), tokens: written, truncated: true };
}
