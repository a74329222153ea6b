import { setPriority } from 'node:os';
import { workerData } from 'node:worker_threads';
import { type Encoded, Encoder, type EncoderOptions, type LoadedOn, type LocalFit } from './encoder.ts';

// Runs in worker threads of its own, as many for each loaded model as share the cores.

const behindTheEventLoop = 10;

/**
 * On Linux the priority is that of this thread alone, and of those that ONNX Runtime starts from it: whoever waits for a
 * cached answer does not wait for the cores as well. Where that is forbidden it computes all the same.
 */
function yieldToTheEventLoop(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(0, behindTheEventLoop);
  } catch {
    // Some sandboxes do not permit priorities; harmless.
  }
}

/** What a task comes back with. A model that could not be loaded is an answer: this thread lives until it is ended. */
export type Reply<Result> = { readonly result: Result } | { readonly loadError: string };

yieldToTheEventLoop();
const loading = Encoder.load(workerData as EncoderOptions);
// Every request reports the failure; an unhandled rejection would end the thread, and the pool would start another.
loading.catch(() => {});

async function withEncoder<Result>(
  work: (encoder: Encoder) => Result | Promise<Result>,
): Promise<Reply<Result>> {
  let encoder: Encoder;
  try {
    encoder = await loading;
  } catch (error) {
    return { loadError: error instanceof Error ? error.message : String(error) };
  }
  return { result: await work(encoder) };
}

/** Resolves once the model is in memory. */
export async function load(): Promise<Reply<LoadedOn>> {
  return withEncoder(({ loadedOn }) => loadedOn);
}

export async function encode(texts: readonly string[]): Promise<Reply<Encoded>> {
  return withEncoder((encoder) => encoder.encode(texts));
}

export interface CountTask {
  readonly texts: readonly string[];
  readonly atMost: number | undefined;
}

export async function count({ texts, atMost }: CountTask): Promise<Reply<number[]>> {
  return withEncoder((encoder) => texts.map((text) => encoder.count(text, atMost)));
}

export async function fit(texts: readonly string[]): Promise<Reply<LocalFit[]>> {
  return withEncoder((encoder) => texts.map((text) => encoder.fit(text)));
}
