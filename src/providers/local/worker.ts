import { setPriority } from 'node:os';
import { workerData } from 'node:worker_threads';
import { type Encoded, Encoder, type EncoderOptions, type LocalFit } from './encoder.ts';

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
    // A sandbox that does not know of priorities.
  }
}

yieldToTheEventLoop();
const loading = Encoder.load(workerData as EncoderOptions);

/** Resolves once the model is in memory. */
export async function load(): Promise<void> {
  await loading;
}

export async function encode(texts: readonly string[]): Promise<Encoded> {
  return (await loading).encode(texts);
}

export async function fit(texts: readonly string[]): Promise<LocalFit[]> {
  const encoder = await loading;
  return texts.map((text) => encoder.fit(text));
}
