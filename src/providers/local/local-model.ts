import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { Piscina } from 'piscina';
import { EmbedQLError } from '../../core/errors.ts';
import type { EmbeddedText, FittedText, ModelStatus } from '../../core/model.ts';
import type { ProviderContext, ProviderModel } from '../provider.ts';
import { Attempts } from './attempts.ts';
import type { ComputingDevice, Encoded, EncoderOptions, LoadedOn, LocalFit } from './encoder.ts';
import type { Device, LocalSpec } from './options.ts';
import { missingRuntime } from './runtime.ts';
import { shares } from './shares.ts';
import { folderFault } from './weights/check.ts';
import { findWeights, onnxFileName } from './weights/folder.ts';
import { inspectWeights, type WeightsFacts } from './weights/inspect.ts';
import { provisionWeights } from './weights/provision.ts';
import type { Weights, WeightsSource } from './weights/source.ts';
import type { CountTask, Reply } from './worker.ts';

/**
 * Workers for each model, each with a session of its own. Two sessions of one thread compute more than one session of two,
 * whose threads wait for each other; each keeps the weights in memory once more, so there are not many, and all but one
 * come when there is more to compute than that one can, and go when there has not been for a while.
 */
const workers = Math.min(4, availableParallelism());
const threads = Math.max(1, Math.floor(availableParallelism() / workers));

const idleWorkerMs = 300_000;

/** Where the short-lived objects of a worker lie; without a limit it takes 48 MB for them, and computes no faster. */
const workerLimits = { maxYoungGenerationSizeMb: 6 };

/** [CLS] and [SEP], which every text gets. */
const specialTokens = 2;

/** Always the built one: worker threads do not read TypeScript, whatever runs this file. */
const workerFile = () => createRequire(import.meta.url).resolve('#local-worker');

/**
 * ONNX Runtime writes a device id into the home folder and sends events to its maker, unless this variable is there before
 * it starts. Workers have copies of the environment that it does not read, so it is set here.
 */
function forbidTelemetry(): void {
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
}

/**
 * A sentence-transformers model that runs in this process, in worker threads of its own, so that the event
 * loop stays free. Weights are looked for, and the model is loaded, at the first use; where that failed it is tried again
 * after a pause, and until then everybody gets the same error at once.
 */
export class LocalModel implements ProviderModel {
  readonly spec: LocalSpec;
  readonly remote = false;

  readonly #context: ProviderContext;
  readonly #sources: readonly WeightsSource[];
  readonly #attempts = new Attempts();
  readonly #missingRuntime = missingRuntime();
  #weights: Promise<Weights & WeightsFacts> | undefined;
  #loading: Promise<Piscina> | undefined;
  #pool: Piscina | undefined;

  constructor(spec: LocalSpec, context: ProviderContext, sources: readonly WeightsSource[]) {
    this.spec = spec;
    this.#context = context;
    this.#sources = sources;
  }

  status(): ModelStatus {
    const loaded = this.#pool !== undefined;
    const reason = this.#missingRuntime ?? this.#attempts.failure?.message;
    // Available again as soon as the next request will try, or nobody would send one to a server that is not ready.
    return reason === undefined ? { available: true, loaded } : { available: false, loaded, reason };
  }

  async inspect(): Promise<ModelStatus> {
    const weights = await findWeights(this.#context.modelsDir, this.spec);
    const note = weights
      ? `weights are here (${weights.dtype})`
      : `not fetched yet: embedql pull ${this.spec.name}`;
    return { ...this.status(), note };
  }

  async pull(): Promise<string> {
    const { directory, dtype } = await this.#findWeights();
    return `is in ${directory} (${dtype})`;
  }

  async identity(): Promise<string> {
    const { dtype, revision } = await this.#findWeights();
    return `${this.spec.name}@${dtype}-${revision}`;
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

  countTokens(texts: readonly string[], atMost?: number): Promise<number[]> {
    return this.#run<number[], CountTask>('count', { texts, atMost });
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
    const pool = await this.#loading?.catch(() => undefined);
    this.#loading = undefined;
    this.#pool = undefined;
    await pool?.destroy();
  }

  #checkDimension(actual: number): void {
    const { dimension, name } = this.spec;
    if (actual === dimension) return;
    throw new EmbedQLError(
      'PROVIDER_ERROR',
      `${name} returned vectors of ${actual} numbers, but its entry says ${dimension}; correct its "dimension".`,
    );
  }

  /** Looks for the weights once. @throws EmbedQLError */
  #findWeights(): Promise<Weights & WeightsFacts> {
    this.#attempts.check();
    this.#weights ??= this.#provision().catch((error: unknown) => {
      throw this.#failed(error);
    });
    return this.#weights;
  }

  async #provision(): Promise<Weights & WeightsFacts> {
    const { modelsDir, log, progress } = this.#context;
    const missing = this.#missingRuntime;
    if (missing !== undefined) throw new EmbedQLError('PROVIDER_NOT_CONFIGURED', missing);
    const weights = await provisionWeights(this.spec, { modelsDir, sources: this.#sources, log, progress });
    return { ...weights, ...(await inspectWeights(weights, this.spec)) };
  }

  /** Begins a pause, after which all is looked at anew: somebody may have mended the folder. */
  #failed(error: unknown): EmbedQLError {
    this.#weights = undefined;
    this.#loading = undefined;
    this.#pool = undefined;
    return this.#attempts.failed(error);
  }

  /** Loads the model once. @throws EmbedQLError */
  #open(): Promise<Piscina> {
    this.#attempts.check();
    this.#loading ??= this.#load().catch((error: unknown) => {
      throw error instanceof EmbedQLError ? error : this.#failed(error);
    });
    return this.#loading;
  }

  async #load(): Promise<Piscina> {
    const weights = await this.#findWeights();
    const { dtype, batchDependent } = weights;
    const { name } = this.spec;
    const { device = 'cpu' } = this.spec.options;
    const { log } = this.#context;
    const fault = await folderFault(weights);
    if (fault !== undefined) throw this.#failed(this.#unusable(weights, fault));
    forbidTelemetry();
    const started = performance.now();
    let { pool, loaded } = await this.#start(weights, devicesOf(device));
    if ('result' in loaded && loaded.result.reason !== undefined) {
      log.warn(
        { model: name, device, reason: loaded.result.reason },
        `${device} cannot be used here, so the CPU computes`,
      );
      // As many workers as for the CPU.
      await pool.destroy();
      ({ pool, loaded } = await this.#start(weights, []));
    }
    if ('loadError' in loaded) throw await this.#giveUp(pool, weights, loaded.loadError);
    const { device: used } = loaded.result;
    log.info(
      { model: name, dtype, device: used, ms: Math.round(performance.now() - started) },
      'model loaded',
    );
    if (batchDependent) {
      log.warn(
        { model: name, dtype },
        'with these weights a vector depends on the other texts of a batch, so texts are computed one at a time; other weights are faster',
      );
    }
    this.#attempts.succeeded();
    this.#pool = pool;
    return pool;
  }

  /** Starts workers, and waits for the first to load the model. @param devices to be tried before the CPU */
  async #start(
    { directory, dtype, batchDependent }: Weights & WeightsFacts,
    devices: readonly ComputingDevice[],
  ): Promise<{ pool: Piscina; loaded: Reply<LoadedOn> }> {
    const { name, maxInputTokens, options } = this.spec;
    const { pooling = 'mean' } = options;
    const pool = new Piscina({
      filename: workerFile(),
      minThreads: 1,
      // A device computes for one as fast as for many.
      maxThreads: devices.length > 0 ? 1 : workers,
      idleTimeout: idleWorkerMs,
      // One more would only wait for a thread that computes, while another could be started.
      concurrentTasksPerWorker: 1,
      resourceLimits: workerLimits,
      workerData: {
        directory,
        dtype,
        maxInputTokens,
        pooling,
        threads,
        devices,
        oneByOne: batchDependent,
      } satisfies EncoderOptions,
    });
    // A worker that dies fails its tasks, and they tell; without a listener it would take the process along.
    pool.on('error', (error: unknown) =>
      this.#context.log.error({ err: error, model: name }, 'worker failed'),
    );
    try {
      return { pool, loaded: (await pool.run(undefined, { name: 'load' })) as Reply<LoadedOn> };
    } catch (error) {
      return { pool, loaded: { loadError: error instanceof Error ? error.message : String(error) } };
    }
  }

  /** Ends the workers of a model that could not be loaded. */
  async #giveUp(pool: Piscina, weights: Weights, reason: string): Promise<EmbedQLError> {
    const failure = this.#failed(
      this.#unusable(
        weights,
        `${path.join('onnx', onnxFileName(weights.dtype)!)} or what belongs to it may be damaged; the log says more. ` +
          `Delete the folder, run "embedql pull ${this.spec.name}" and ask again.`,
        reason,
      ),
    );
    await pool.destroy();
    return failure;
  }

  #unusable({ directory, dtype }: Weights, fault: string, cause?: string): EmbedQLError {
    const { name } = this.spec;
    this.#context.log.error(
      { model: name, directory, dtype, reason: cause ?? fault },
      'model could not be loaded',
    );
    const message = `The weights of ${name} (${dtype}) cannot be used: ${fault}`;
    return new EmbedQLError('PROVIDER_ERROR', message, { retryable: true, cause });
  }

  async #run<Result, Task = readonly string[]>(
    name: 'encode' | 'fit' | 'count',
    task: Task,
  ): Promise<Result> {
    const pool = await this.#open();
    let reply: Reply<Result>;
    try {
      reply = (await pool.run(task, { name })) as Reply<Result>;
    } catch (error) {
      this.#context.log.error({ err: error, model: this.spec.name }, 'local inference failed');
      throw new EmbedQLError('PROVIDER_ERROR', `${this.spec.name} failed to compute; try again.`, {
        retryable: true,
        cause: error,
      });
    }
    if ('result' in reply) return reply.result;
    // One worker could not load what another could, or one that died could not be replaced.
    if (this.#pool === pool) throw await this.#giveUp(pool, await this.#weights!, reply.loadError);
    this.#attempts.check();
    throw new EmbedQLError('PROVIDER_ERROR', `${this.spec.name} failed to compute; try again.`, {
      retryable: true,
    });
  }
}

/** What is tried, in this order. Whether it is there, is found out by trying. */
function devicesOf(device: Device): readonly ComputingDevice[] {
  if (device === 'cpu') return [];
  if (device !== 'auto') return [device];
  if (process.platform === 'darwin') return ['coreml', 'webgpu'];
  return process.platform === 'win32' ? ['dml', 'webgpu'] : ['cuda', 'webgpu'];
}
