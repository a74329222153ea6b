import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type OpenAI from 'openai';
import { z } from 'zod';
import type { Batches, BatchLine, BatchMark, BatchState, BatchText } from '../../core/batches.ts';
import { EmbedQLError, InputRefusedError, toEmbedQLError } from '../../core/errors.ts';
import type { ModelSpec } from '../../core/model.ts';
import { readResponse } from './response.ts';

/** Milliseconds that one call may take, and one that carries a file. */
const callMs = 60_000;
const fileMs = 600_000;

/** Batches of a page of the list, and pages that are looked through however old they are, and at the most. */
const pageSize = 100;
const leastPages = 5;
const mostPages = 100;

/** Clocks differ: batches are looked for that are so much older, in milliseconds. */
const clockMs = 3_600_000;

/** A batch that nothing more comes of. */
const endStates = new Set(['completed', 'failed', 'expired', 'cancelled']);

const lineSchema = z.object({
  custom_id: z.string(),
  response: z.object({ status_code: z.number(), body: z.unknown() }).nullish(),
  error: z.object({ code: z.string().nullish() }).nullish(),
});

/** OpenAI's Batch API: files of requests, which come back as files of answers (its guide "Batch API"). */
export class OpenAIBatches implements Batches {
  // "up to 50,000 requests"; embeddings are further limited to 50,000 inputs in all. A file may have 200 MB.
  readonly maxTexts = 50_000;
  readonly maxBytes = 40_000_000;
  readonly #client: OpenAI;
  readonly #spec: ModelSpec;
  readonly #explain: (error: unknown) => EmbedQLError;

  /** @param explain turns an error of the SDK into one of ours */
  constructor(client: OpenAI, spec: ModelSpec, explain: (error: unknown) => EmbedQLError) {
    this.#client = client;
    this.#spec = spec;
    this.#explain = explain;
  }

  submit(
    texts: readonly BatchText[],
    { mark, signal }: { readonly mark: BatchMark; readonly signal: AbortSignal },
  ): Promise<string> {
    const { id: ownName, name } = this.#spec;
    const lines = texts.map(({ id, text }) =>
      JSON.stringify({
        custom_id: id,
        method: 'POST',
        url: '/v1/embeddings',
        body: { model: ownName ?? name, input: text, encoding_format: 'base64' },
      }),
    );
    return this.#explained(async () => {
      const file = new File([`${lines.join('\n')}\n`], `${Object.values(mark).join('-')}.jsonl`);
      const input = await this.#client.files.create({ file, purpose: 'batch' }, { signal, timeout: fileMs });
      const batch = await this.#client.batches.create(
        {
          input_file_id: input.id,
          endpoint: '/v1/embeddings',
          completion_window: '24h',
          metadata: { ...mark },
        },
        { signal, timeout: callMs },
      );
      return requireId(batch.id, this.#spec);
    });
  }

  find(mark: BatchMark, since: number, signal: AbortSignal): Promise<string | undefined> {
    const words = Object.entries(mark);
    return this.#explained(async () => {
      let page = await this.#client.batches.list({ limit: pageSize }, { signal, timeout: callMs });
      for (let pages = 1; ; pages++) {
        const found = page.data.find(({ metadata }) =>
          words.every(([name, value]) => metadata?.[name] === value),
        );
        if (found) return found.id;
        const oldest = page.data.at(-1)?.created_at ?? 0;
        const isOld = pages >= leastPages && oldest * 1_000 < since - clockMs;
        if (isOld || pages >= mostPages || !page.hasNextPage()) return undefined;
        page = await page.getNextPage();
      }
    });
  }

  look(id: string, signal: AbortSignal): Promise<BatchState> {
    return this.#explained(async () => {
      const batch = await this.#client.batches.retrieve(id, { signal, timeout: callMs });
      const outputs = [batch.output_file_id, batch.error_file_id].filter(
        (output): output is string => typeof output === 'string' && output !== '',
      );
      if (!endStates.has(batch.status)) return { state: 'running', outputs };
      return { state: 'ended', outputs, problem: batch.status === 'completed' ? undefined : batch.status };
    });
  }

  async *read(outputs: readonly string[], signal: AbortSignal): AsyncGenerator<BatchLine, void, void> {
    for (const output of outputs) {
      try {
        const response = await this.#client.files.content(output, { signal, timeout: fileMs });
        if (!response.body) continue;
        const input = Readable.fromWeb(response.body as ReadableStream);
        // A connection that breaks off is told by the loop.
        input.on('error', () => {});
        let broken: unknown;
        input.once('error', (error) => {
          broken = error;
        });
        for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
          const read = this.#readLine(line);
          if (read) yield read;
        }
        if (broken) throw broken;
      } catch (error) {
        throw this.#explain(error);
      }
    }
  }

  async cancel(id: string, signal: AbortSignal): Promise<void> {
    await this.#explained(() => this.#client.batches.cancel(id, { signal, timeout: callMs }));
  }

  async forget(id: string, signal: AbortSignal): Promise<void> {
    await this.#explained(async () => {
      const batch = await this.#client.batches.retrieve(id, { signal, timeout: callMs });
      for (const file of [batch.input_file_id, batch.output_file_id, batch.error_file_id])
        if (file) await this.#client.files.delete(file, { signal, timeout: callMs });
    });
  }

  /** @returns undefined for what is no line of an output: it is as if it were missing */
  #readLine(line: string): BatchLine | undefined {
    let json: unknown;
    try {
      json = JSON.parse(line);
    } catch {
      return undefined;
    }
    const parsed = lineSchema.safeParse(json);
    if (!parsed.success) return undefined;
    const { custom_id: id, response } = parsed.data;
    if (response?.status_code !== 200) return { id, error: this.#lineError(response?.status_code) };
    try {
      const { vectors, tokens } = readResponse(response.body, 1, this.#spec);
      return { id, vector: vectors[0]!, tokens };
    } catch (error) {
      return { id, error: toEmbedQLError(error) };
    }
  }

  #lineError(status: number | undefined): EmbedQLError {
    const provider = `The provider of ${this.#spec.name}`;
    if (status === 400 || status === 413 || status === 422)
      return new InputRefusedError(
        `${provider} refuses this text (HTTP ${status}); change it, or leave it out.`,
      );
    const why = status === undefined ? '' : ` (HTTP ${status})`;
    return new EmbedQLError('PROVIDER_ERROR', `${provider} did not compute this text in its batch${why}.`, {
      retryable: true,
    });
  }

  async #explained<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw this.#explain(error);
    }
  }
}

function requireId(id: unknown, { name }: ModelSpec): string {
  if (typeof id === 'string' && /^[\w-]{1,200}$/.test(id)) return id;
  throw new EmbedQLError('PROVIDER_ERROR', `The provider of ${name} gave a batch no id; check its base URL.`);
}
