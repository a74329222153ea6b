import { vectorFromBase64 } from '../../core/vectors.ts';
import { jsonLines } from '../../jobs/lines.ts';
import type { ResultLine } from '../../jobs/results.ts';
import { longestNumber, writeFloat32 } from '../../wire/float32-text.ts';
import type { RequestLayout } from './batch-input.ts';

/** What is needed to write the answers of a batch. */
export interface BatchResults {
  /** Names the answers. */
  readonly batchId: string;
  readonly model: string;
  /** What was kept of each request, in order. */
  readonly layout: AsyncIterable<Buffer>;
  /** The results of each text, in order, as far as they are complete. */
  readonly results: AsyncIterable<Buffer>;
}

/** Answers that are handed on together. */
const together = 16;

/**
 * The answers of a batch as OpenAI's files have them: those that succeeded, or those that failed. A request fails where one of
 * its texts does.
 */
export async function* writeOutput(
  { batchId, model, layout, results }: BatchResults,
  kind: 'output' | 'error',
): AsyncGenerator<Buffer, void, void> {
  let lines: string[] = [];
  for await (const { request, number, texts } of requestsOf(layout, results)) {
    const failed = texts.some((text) => 'error' in text);
    if (failed !== (kind === 'error')) continue;
    lines.push(writeAnswer(`${batchId}-${number}`, request, texts, model));
    if (lines.length < together) continue;
    yield Buffer.from(lines.join(''));
    lines = [];
  }
  if (lines.length > 0) yield Buffer.from(lines.join(''));
}

/** How many requests have all of their texts done, and how many of these failed. */
export async function countRequests({
  layout,
  results,
}: Pick<BatchResults, 'layout' | 'results'>): Promise<{ completed: number; failed: number }> {
  const counts = { completed: 0, failed: 0 };
  for await (const { texts } of requestsOf(layout, results))
    counts[texts.some((text) => 'error' in text) ? 'failed' : 'completed'] += 1;
  return counts;
}

/** Requests with the results of their texts, as far as all of these are there. */
async function* requestsOf(
  layout: AsyncIterable<Buffer>,
  results: AsyncIterable<Buffer>,
): AsyncGenerator<{ request: RequestLayout; number: number; texts: ResultLine[] }, void, void> {
  const next = jsonLines(results);
  try {
    for await (const { number, value } of jsonLines(layout)) {
      const request = value as RequestLayout;
      const texts: ResultLine[] = [];
      while (texts.length < request[1]) {
        const line = await next.next();
        if (line.done) return;
        texts.push(line.value.value as ResultLine);
      }
      yield { request, number, texts };
    }
  } finally {
    await next.return();
  }
}

function writeAnswer(
  id: string,
  [customId, , encoding]: RequestLayout,
  texts: readonly ResultLine[],
  model: string,
): string {
  const failed = texts.findIndex((text) => 'error' in text);
  const head = `{"id":${JSON.stringify(id)},"custom_id":${JSON.stringify(customId)},"response":`;
  const request = `"request_id":${JSON.stringify(id)},"body":`;
  if (failed >= 0) {
    const { code, message } = (texts[failed] as { error: { code: string; message: string } }).error;
    const param = texts.length > 1 ? `input[${failed}]` : 'input';
    const status = code === 'BAD_USER_INPUT' || code === 'TEXT_TOO_LONG' ? 400 : 502;
    const type = status === 400 ? 'invalid_request_error' : 'server_error';
    const body = { error: { message, type, param, code: code.toLowerCase() } };
    return `${head}{"status_code":${status},${request}${JSON.stringify(body)}},"error":null}\n`;
  }
  const full = texts as ReadonlyArray<{ embeddingBase64: string; tokens: number }>;
  const tokens = full.reduce((sum, text) => sum + text.tokens, 0);
  const data = full.map(
    ({ embeddingBase64 }, index) =>
      `{"object":"embedding","index":${index},"embedding":${encoding === 'base64' ? `"${embeddingBase64}"` : numbersOf(embeddingBase64)}}`,
  );
  const usage = `{"prompt_tokens":${tokens},"total_tokens":${tokens}}`;
  const body = `{"object":"list","data":[${data.join(',')}],"model":${JSON.stringify(model)},"usage":${usage}}`;
  return `${head}{"status_code":200,${request}${body}},"error":null}\n`;
}

function numbersOf(base64: string): string {
  const vector = vectorFromBase64(base64);
  const text = Buffer.allocUnsafe(2 + vector.length * (longestNumber + 1));
  let at = text.write('[');
  for (const [i, value] of vector.entries()) {
    if (i > 0) at += text.write(',', at);
    at = writeFloat32(value, text, at);
  }
  at += text.write(']', at);
  return text.toString('latin1', 0, at);
}
