import { workerData } from 'node:worker_threads';
import { type Encoded, Encoder, type EncoderOptions, type LocalFit } from './encoder.ts';

// Runs in a worker thread of its own, one for each loaded model.
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
