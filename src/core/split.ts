import { InputRefusedError, toEmbedQLError } from './errors.ts';

/**
 * Sends a batch; where the provider refuses it for one of its texts, sends its halves, and so on until the
 * culprit is alone: 2·log₂(n) further calls for one among n. Outcomes are in the order of `texts`.
 */
export async function sendSplitting<Value>(
  texts: readonly string[],
  send: (texts: readonly string[]) => Promise<Value[]>,
): Promise<Array<Value | Error>> {
  try {
    return await send(texts);
  } catch (error) {
    if (!(error instanceof InputRefusedError) || texts.length === 1) {
      const shown = toEmbedQLError(error);
      return texts.map(() => shown);
    }
    const middle = Math.ceil(texts.length / 2);
    const halves = [texts.slice(0, middle), texts.slice(middle)];
    return (await Promise.all(halves.map((half) => sendSplitting(half, send)))).flat();
  }
}
