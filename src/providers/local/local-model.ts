import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { EmbedQLError, toEmbedQLError } from '../../core/errors.ts';
import type { EmbeddedText, FittedText, ModelStatus } from '../../core/model.ts';
import type { ProviderContext, ProviderModel } from '../provider.ts';
import type { Encoded, EncoderOptions, LocalFit } from './encoder.ts';
import type { LocalSpec } from './options.ts';
import { missingRuntime } from './runtime.ts';
import { shares } from './shares.ts';
import { findWeights, type Weights, weightsRevision } from './weights/folder.ts';
import { provisionWeights } from './weights/provision.ts';
import type { WeightsSource } from './weights/source.ts';

/**
 * Workers for each model, each with a session of its own. Two sessions of one thread compute more than one session of two,
 * whose threads wait for each other; each keeps the weights in memory once more, so there are not many.
 */
const workers = Math.min(4, availableParallelism());
const threads = Math.max(1, Math.floor(availableParallelism() / workers));

/** [CLS] and [SEP], which every text gets. */
const specialTokens = 2;

/** Always the built one: worker threads do not read TypeScript, whatever runs this file. */
const workerFile = () => createRequire(import.meta.url).resolve('#local-worker');

/**
 * A sentence-transformers model that runs in this process, in worker threads of its own, so that the event
 * loop stays free. Weights are looked for, and the model is loaded, at the first use; both are tried again at
 * the next one where they failed.
 */
export class LocalModel implements ProviderModel {
  readonly spec: LocalSpec;
  readonly remote = false;

  readonly #context: ProviderContext;
  readonly #sources: readonly WeightsSource[];
  readonly #weights = retryable(() => this.#provision());
  readonly #worker = retryable(() => this.#load());
  readonly #identity = retryable(() => this.#identify());
  #loadedWorker: Piscina | undefined;
  #lastFailure = missingRuntime();

  constructor(spec: LocalSpec, context: ProviderContext, sources: readonly WeightsSource[]) {
    this.spec = spec;
    this.#context = context;
    this.#sources = sources;
  }

  status(): ModelStatus {
    const loaded = this.#loadedWorker !== undefined;
    if (this.#lastFailure === undefined) return { available: true, loaded };
    return { available: false, loaded, reason: this.#lastFailure };
  }

  async inspect(): Promise<ModelStatus> {
    const weights = await findWeights(this.#context.modelsDir, this.spec);
    const note = weights
      ? `weights are here (${weights.dtype})`
      : `not fetched yet: embedql pull ${this.spec.name}`;
    return { ...this.status(), note };
  }

  async pull(): Promise<string> {
    const { directory, dtype } = await this.#weights();
    return `is in ${directory} (${dtype})`;
  }

  async identity(): Promise<string> {
    return this.#identity();
  }

  async fit(texts: readonly string[]): Promise<FittedText[]> {
    // A token is at least one byte long, so a short text fits without being counted.
    const mostTokens = texts.map((text) => Buffer.byteLength(text) + specialTokens);
    const { maxInputTokens } = this.spec;
    const long = texts.filter((_, i) => mostTokens[i]! > maxInputTokens);
    const fits = (long.length > 0 ? await this.#run<LocalFit[]>('fit', long) : []).values();
    return texts.map((text, i) => {
      if (mostTokens[i]! <= maxInputTokens) return { text, maxTokens: mostTokens[i]!, truncated: false };
      return { ...fits.next().value!, maxTokens: maxInputTokens };
    });
  }

  async embed(texts: readonly string[]): Promise<EmbeddedText[]> {
    const { dimension } = this.spec;
    const embedded: EmbeddedText[] = new Array(texts.length);
    await Promise.all(
      shares(texts, workers).map(async (share) => {
        const some = share.map((i) => texts[i]!);
        const { vectors, tokens } = await this.#run<Encoded>('encode', some);
        this.#checkDimension(vectors.length / some.length);
        for (const [n, i] of share.entries()) {
          embedded[i] = { vector: vectors.slice(n * dimension, (n + 1) * dimension), tokens: tokens[n]! };
        }
      }),
    );
    return embedded;
  }

  async close(): Promise<void> {
    const worker = this.#loadedWorker;
    this.#loadedWorker = undefined;
    await worker?.destroy();
  }

  #checkDimension(actual: number): void {
    const { dimension, name } = this.spec;
    if (actual === dimension) return;
    throw new EmbedQLError(
      'PROVIDER_ERROR',
      `${name} gave vectors of ${actual} numbers where its entry says ${dimension}; correct its "dimension".`,
    );
  }

  async #provision(): Promise<Weights> {
    const { modelsDir, log, progress } = this.#context;
    const missing = missingRuntime();
    if (missing) throw new EmbedQLError('PROVIDER_NOT_CONFIGURED', missing);
    try {
      const weights = await provisionWeights(this.spec, { modelsDir, sources: this.#sources, log, progress });
      this.#lastFailure = undefined;
      return weights;
    } catch (error) {
      this.#lastFailure = toEmbedQLError(error).message;
      throw error;
    }
  }

  async #identify(): Promise<string> {
    const weights = await this.#weights();
    return `${this.spec.name}@${weights.dtype}-${await weightsRevision(weights, this.spec)}`;
  }

  async #load(): Promise<Piscina> {
    const { directory, dtype } = await this.#weights();
    const { name, maxInputTokens } = this.spec;
    const { pooling = 'mean' } = this.spec.options;
    const started = performance.now();
    const worker = new Piscina({
      filename: workerFile(),
      minThreads: workers,
      maxThreads: workers,
      // Computation blocks the thread, so a second task only waits there; it saves the way back and forth.
      concurrentTasksPerWorker: 2,
      workerData: { directory, dtype, maxInputTokens, pooling, threads } satisfies EncoderOptions,
    });
    // A worker that dies fails its tasks, and they tell; without a listener it would take the process along.
    worker.on('error', (error: unknown) =>
      this.#context.log.error({ err: error, model: name }, 'worker failed'),
    );
    try {
      await worker.run(undefined, { name: 'load' });
    } catch (error) {
      await worker.destroy();
      this.#context.log.error({ err: error, model: name, directory }, 'model could not be loaded');
      this.#lastFailure =
        `The weights of ${name} could not be loaded; they may be damaged. ` +
        `Delete their folder in EMBEDQL_MODELS_DIR, run "embedql pull ${name}" and ask again.`;
      this.#weights.forget();
      this.#identity.forget();
      throw new EmbedQLError('PROVIDER_ERROR', this.#lastFailure, { retryable: true, cause: error });
    }
    this.#context.log.info(
      { model: name, dtype, ms: Math.round(performance.now() - started) },
      'model loaded',
    );
    this.#lastFailure = undefined;
    this.#loadedWorker = worker;
    return worker;
  }

  async #run<Result>(name: 'encode' | 'fit', texts: readonly string[]): Promise<Result> {
    const worker = await this.#worker();
    try {
      return (await worker.run(texts, { name })) as Result;
    } catch (error) {
      this.#context.log.error({ err: error, model: this.spec.name }, 'local inference failed');
      throw new EmbedQLError('PROVIDER_ERROR', `${this.spec.name} failed to compute; try again.`, {
        retryable: true,
        cause: error,
      });
    }
  }
}

/** Runs `work` once and remembers its result; a failure is forgotten, so that the next call tries again. */
function retryable<Value>(work: () => Promise<Value>): { (): Promise<Value>; forget(): void } {
  let running: Promise<Value> | undefined;
  const run = () => {
    running ??= work().catch((error: unknown) => {
      running = undefined;
      throw error;
    });
    return running;
  };
  const forget = () => {
    running = undefined;
  };
  return Object.assign(run, { forget });
}
