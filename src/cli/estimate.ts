import type { Readable } from 'node:stream';
import type { Config } from '../config/config.ts';
import type { Environment } from '../core/surroundings.ts';
import { readWish } from '../core/wish.ts';
import { type Estimate, Estimator } from '../jobs/estimate.ts';
import { openApp, patientWaitMs } from './open-app.ts';
import { openTexts } from './text-lines.ts';

export interface EstimateOptions {
  file: string;
  model: string | undefined;
  /** Whose cache it is, where each key has its own. */
  key: string | undefined;
  config: Config;
  env: Environment;
  stdin: Readable;
  err(text: string): void;
}

const chunkSize = 500;

/**
 * Reads texts as `embedql warm` does, and says what they would cost.
 * @returns one line for each figure. @throws ConfigError, EmbedQLError
 */
export async function estimateFile({
  file,
  model: name,
  key: named,
  config,
  env,
  stdin,
  err,
}: EstimateOptions): Promise<string> {
  const { app, key, progress } = await openApp(named, config, env);
  try {
    await app.prepare();
    const { catalogue, embedder, cache } = app.services;
    if (cache.degraded) err('a tier of the cache cannot be reached; what it has counts as not cached\n');
    const wish = readWish({ model: name }, catalogue);
    const estimator = new Estimator(
      embedder,
      wish.model,
      (text) => wish.request(text, 'doc'),
      { key },
      patientWaitMs,
    );
    const source = await openTexts(file, stdin);
    const bar = progress.start(`reading ${file}`, source.totalBytes);
    let bytes = 0;
    let chunk: string[] = [];
    const flush = async () => {
      await estimator.add(chunk);
      chunk = [];
      bar.update(bytes);
    };
    for await (const line of source.lines) {
      bytes += line.bytes;
      if (line.problem) err(`line ${line.number} ${line.problem}; skipped\n`);
      if (line.text !== undefined) chunk.push(line.text);
      if (chunk.length === chunkSize) await flush();
    }
    await flush();
    bar.end();
    return describe(wish.model.spec.name, estimator.result());
  } finally {
    await app.close();
  }
}

function describe(model: string, estimate: Estimate): string {
  const usd = (cost: number | null, otherwise: string) => (cost === null ? otherwise : `$${cost.toFixed(6)}`);
  const rows: Array<[name: string, value: string]> = [
    ['model', model],
    ['texts', String(estimate.texts)],
    ['distinct', String(estimate.distinct)],
    ['cached', String(estimate.cached)],
    ['too long', String(estimate.tooLong)],
    ['tokens to pay', String(estimate.tokens)],
    ['now', usd(estimate.costUsd, 'the price is not known')],
    ['within a day', usd(estimate.costUsdWithinDay, 'its provider has no batches')],
  ];
  return rows.map(([name, value]) => `${name.padEnd(13)}  ${value}\n`).join('');
}
