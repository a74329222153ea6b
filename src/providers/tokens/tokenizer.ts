import { createRequire } from 'node:module';
import type { Piscina } from 'piscina';
import { EmbedQLError } from '../../core/errors.ts';
import type { ModelSpec } from '../../core/model.ts';
import type { Log, Progress } from '../../core/surroundings.ts';
import type { HubOptions } from '../hub.ts';
import type { CutText, TokenCounter } from './counter.ts';
import { findTokenizer } from './tokenizer-files.ts';
import type { CountTask, CutTask, TokenizerReply } from './tokenizer-worker.ts';

export interface TokenizerOptions {
  readonly spec: ModelSpec;
  /** A file, or a name of the hub. */
  readonly source: string;
  readonly modelsDir: string;
  readonly hub: HubOptions;
  readonly log: Log;
  readonly progress: Progress;
}

/** Characters that a normaliser may make of three bytes (U+FDFA becomes a phrase of eighteen). */
const expansion = 6;
/** Special tokens that a text gets, at the most. */
const specialTokens = 8;

/** Always the built one: worker threads do not read TypeScript, whatever runs this file. */
const workerFile = () => createRequire(import.meta.url).resolve('#tokenizer-worker');

/**
 * Counts and cuts as the model itself does, with its `tokenizer.json`. That is looked for, and read, at the first text that
 * has to be counted; where that failed, it is tried again with the next.
 */
export class TokenizerCounter implements TokenCounter {
  readonly exact = true;
  readonly #options: TokenizerOptions;
  #opening: Promise<Piscina> | undefined;

  constructor(options: TokenizerOptions) {
    this.#options = options;
  }

  async count(texts: readonly string[], atMost?: number): Promise<number[]> {
    return this.#run<number[], CountTask>('count', { texts, atMost });
  }

  async cut(texts: readonly string[], limit: number): Promise<CutText[]> {
    return this.#run<CutText[], CutTask>('cut', { texts, limit });
  }

  most(bytes: number, isAscii: boolean): number {
    return (isAscii ? bytes : bytes * expansion) + specialTokens;
  }

  async close(): Promise<void> {
    const pool = await this.#opening?.catch(() => undefined);
    this.#opening = undefined;
    await pool?.destroy();
  }

  #open(): Promise<Piscina> {
    this.#opening ??= this.#load().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #load(): Promise<Piscina> {
    const { spec, source, modelsDir, hub, log, progress } = this.#options;
    const started = performance.now();
    let pool: Piscina | undefined;
    try {
      const files = await findTokenizer(source, { modelsDir, hub, progress });
      // Most models have none: programs that import the library do not load what makes workers.
      const { Piscina } = await import('piscina');
      pool = new Piscina({ filename: workerFile(), minThreads: 1, maxThreads: 1, workerData: files });
      pool.on('error', (error: unknown) => log.error({ err: error, model: spec.name }, 'worker failed'));
      const reply = (await pool.run(undefined, { name: 'load' })) as TokenizerReply<number>;
      if ('loadError' in reply) throw new Error(`${files.tokenizer} cannot be read (${reply.loadError})`);
    } catch (error) {
      await pool?.destroy();
      throw this.#unusable(error instanceof Error ? error.message : String(error));
    }
    log.info({ model: spec.name, ms: Math.round(performance.now() - started) }, 'tokenizer loaded');
    return pool;
  }

  async #run<Result, Task>(name: 'count' | 'cut', task: Task): Promise<Result> {
    const pool = await this.#open();
    let reply: TokenizerReply<Result>;
    try {
      reply = (await pool.run(task, { name })) as TokenizerReply<Result>;
    } catch (error) {
      const { spec, log } = this.#options;
      log.error({ err: error, model: spec.name }, 'tokenizer failed');
      throw new EmbedQLError('PROVIDER_ERROR', `The tokenizer of ${spec.name} failed; try again.`, {
        retryable: true,
        cause: error,
      });
    }
    if ('result' in reply) return reply.result;
    throw this.#unusable(reply.loadError);
  }

  #unusable(reason: string): EmbedQLError {
    const { spec, source, log } = this.#options;
    log.warn({ model: spec.name, tokenizer: source, reason }, 'tokenizer could not be loaded');
    return new EmbedQLError(
      'PROVIDER_NOT_CONFIGURED',
      `The tokenizer of ${spec.name}, ${source}, cannot be used: ${reason.slice(0, 300)}. ` +
        'Correct the "tokenizer" of its entry, or put the file there, and ask again.',
    );
  }
}
