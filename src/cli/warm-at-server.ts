import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '../config/config.ts';
import { EmbedQLError } from '../core/errors.ts';
import type { Log } from '../core/surroundings.ts';
import { createProgress } from './progress.ts';
import { openTexts, type TextLine } from './text-lines.ts';

export interface WarmAtServerOptions {
  file: string;
  /** Where the server is, such as `http://127.0.0.1:4000`, with the prefix that it is mounted at. */
  server: string;
  /** Default: the server's default model. */
  model: string | undefined;
  /** Whether the provider may take a day, for less. */
  withinADay: boolean;
  /** The server's API key, where it requires one. */
  apiKey: string | undefined;
  stdin: Readable;
  log: Log;
  err(text: string): void;
}

interface Job {
  id: string;
  status: string;
  total: number;
  done: number;
  cached: number;
  failed: number;
  costUsd: number;
}

const jobFields = 'id status total done cached failed costUsd';

/** Milliseconds between two looks at the job. */
const lookMs = 500;

/**
 * Has a running server embed the texts of a file, as one of its jobs: that goes on when this command is interrupted, and
 * when the server is restarted.
 * @returns a summary. @throws ConfigError, EmbedQLError.
 */
export async function warmAtServer(options: WarmAtServerOptions): Promise<string> {
  const { file, model, withinADay, log } = options;
  const server = new Server(options.server, options.apiKey);
  const source = await openTexts(file, options.stdin);
  const sent = await server.upload(textsOf(source.lines, options.err));
  const input = { file: sent, deadline: withinADay ? 'DAY' : 'NOW', ...(model ? { model } : {}) };
  const { createEmbeddingJob: created } = await server.graphql<{ createEmbeddingJob: Job }>(
    `mutation($input: EmbeddingJobInput!) { createEmbeddingJob(input: $input) { ${jobFields} } }`,
    { input },
  );
  const progress = createProgress(log).start(`job ${created.id}`, source.totalBytes);
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  process.once('SIGINT', interrupt);
  try {
    let job = created;
    while (job.status === 'QUEUED' || job.status === 'RUNNING') {
      await sleep(lookMs, undefined, { signal: interrupted.signal }).catch(() => {});
      if (interrupted.signal.aborted)
        return `job ${job.id} goes on at the server; cancelEmbeddingJob(id: "${job.id}") ends it\n`;
      const { embeddingJob } = await server.graphql<{ embeddingJob: Job | null }>(
        `query($id: ID!) { embeddingJob(id: $id) { ${jobFields} } }`,
        { id: job.id },
      );
      if (!embeddingJob)
        throw new EmbedQLError('PROVIDER_ERROR', `The server no longer knows job ${job.id}.`);
      job = embeddingJob;
      const share = job.total === 0 ? 0 : job.done / job.total;
      progress.update(
        source.totalBytes * share,
        `${job.done} of ${job.total} texts | ${job.cached} hits | $${job.costUsd.toFixed(6)}`,
      );
    }
    progress.end(job.status === 'DONE');
    const { total, cached, failed, costUsd } = job;
    const summary = `${total} texts: ${cached} were there, ${job.done - cached - failed} computed, ${failed} failed, $${costUsd.toFixed(6)} paid`;
    if (job.status === 'DONE') return `${summary}\n`;
    throw new EmbedQLError(
      'PROVIDER_ERROR',
      `Job ${job.id} is ${job.status}. ${summary}; start it again to go on.`,
    );
  } finally {
    process.off('SIGINT', interrupt);
  }
}

/** The texts as a file of a job: a JSON string a line. */
async function* textsOf(
  lines: AsyncIterable<TextLine>,
  err: (text: string) => void,
): AsyncGenerator<string, void, void> {
  for await (const { number, text, problem } of lines) {
    if (problem) err(`line ${number} ${problem}; skipped\n`);
    if (text !== undefined) yield `${JSON.stringify(text)}\n`;
  }
}

class Server {
  readonly #url: string;
  readonly #headers: Record<string, string>;

  constructor(url: string, apiKey: string | undefined) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new ConfigError(`--server: expected an address such as http://127.0.0.1:4000, got ${url}`);
    this.#url = url.replace(/\/(?:graphql\/?)?$/, '');
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  }

  /** @returns the id of the file. */
  async upload(pieces: AsyncIterable<string>): Promise<string> {
    const boundary = randomUUID();
    const part = (name: string, more = '') =>
      `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n`;
    async function* form() {
      yield Buffer.from(`${part('purpose')}batch\r\n${part('file', '; filename="texts.jsonl"')}`);
      for await (const piece of pieces) yield Buffer.from(piece);
      yield Buffer.from(`\r\n--${boundary}--\r\n`);
    }
    const { id } = await this.#post<{ id?: unknown }>(
      '/v1/files',
      `multipart/form-data; boundary=${boundary}`,
      form(),
    );
    if (typeof id === 'string') return id;
    throw this.#isNoServer();
  }

  async graphql<Data>(query: string, variables: object): Promise<Data> {
    const { data, errors } = await this.#post<{
      data?: Data | null;
      errors?: Array<{ message: string }>;
    }>('/graphql', 'application/json', JSON.stringify({ query, variables }));
    if (errors?.[0]) throw new EmbedQLError('PROVIDER_ERROR', errors[0].message);
    if (!data) throw this.#isNoServer();
    return data;
  }

  async #post<Answer>(path: string, type: string, body: string | AsyncIterable<Uint8Array>): Promise<Answer> {
    const response = await fetch(this.#url + path, {
      method: 'POST',
      headers: { ...this.#headers, 'content-type': type },
      body: body as BodyInit,
      ...(typeof body === 'string' ? {} : { duplex: 'half' }),
    }).catch((error: unknown) => {
      const { cause } = error as { cause?: { code?: string } };
      throw new ConfigError(
        `--server: ${this.#url} cannot be reached (${cause?.code ?? (error as Error).message}); start the server, or correct the address`,
      );
    });
    const answer = (await response.json().catch(() => undefined)) as
      | (Answer & { error?: { message?: unknown } | null })
      | undefined;
    if (answer === undefined) throw this.#isNoServer();
    const refused = answer.error?.message;
    if (typeof refused === 'string') throw new EmbedQLError('PROVIDER_ERROR', refused);
    return answer;
  }

  #isNoServer(): ConfigError {
    return new ConfigError(`--server: ${this.#url} does not answer as EmbedQL; correct the address`);
  }
}
