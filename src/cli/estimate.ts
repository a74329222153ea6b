import type { Readable } from 'node:stream';
import { createApp } from '../app.ts';
import type { Config } from '../config/config.ts';
import type { Environment } from '../core/surroundings.ts';
import { readWish } from '../core/wish.ts';
import { type Estimate, Estimator } from '../jobs/estimate.ts';
import { createLog } from '../telemetry/pino.ts';
import { keyOfCache } from './key-of-cache.ts';
import { createProgress } from './progress.ts';
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

/** Nobody waits for an answer here, and what is taken for missing counts as paid: Redis may take its time. */
const cacheWaitMs = 30_000;

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
  const key = keyOfCache(named, config);
  const log = createLog(config.logLevel);
  const app = await createApp({
    config,
    env,
    log,
    progress: createProgress(log),
    cacheWaitMs,
    runsJobs: false,
  });
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
      cacheWaitMs,
    );
    const source = await openTexts(file, stdin);
    const progress = createProgress(log).start(`reading ${file}`, source.totalBytes);
    let bytes = 0;
    let chunk: string[] = [];
    const flush = async () => {
      await estimator.add(chunk);
      chunk = [];
      progress.update(bytes);
    };
    for await (const line of source.lines) {
      bytes += line.bytes;
      if (line.problem) err(`line ${line.number} ${line.problem}; skipped\n`);
      if (line.text !== undefined) chunk.push(line.text);
      if (chunk.length === chunkSize) await flush();
    }
    await flush();
    progress.end();
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
