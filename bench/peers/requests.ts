// The texts that every server is asked for.
const words =
  'the server turns many small questions into few large calls and gives every answer back to those who asked'.split(
    ' ',
  );
/** With [CLS] and [SEP] 18 tokens, for each word is one. */
const wordCount = 16;
let made = 0;

/** A sentence of 18 tokens that was never given before: the words are the digits of a number. */
export function sentence(): string {
  let rest = ++made;
  return Array.from({ length: wordCount }, (_, place) => {
    const word = words[(rest + place) % words.length]!;
    rest = Math.floor(rest / words.length);
    return word;
  }).join(' ');
}

export function request(model: string, input: string | readonly string[]): string {
  return JSON.stringify({ model, input, encoding_format: 'base64' });
}

/** Requests with one new text each. */
export function newTexts(model: string): () => string {
  return () => request(model, sentence());
}

/** Requests for the same few texts, in turns. */
export function hits(model: string): () => string {
  let next = 0;
  return () => request(model, `cached text ${next++ % hits.texts}`);
}
/** Within what every cache holds by default: LiteLLM's keeps 200. */
hits.texts = 100;
