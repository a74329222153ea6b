import type { Readable } from 'node:stream';
import type { App } from '../app.ts';
import { type Config, ConfigError, variableOf } from '../config/config.ts';
import { describeError, EmbedQLError } from '../core/errors.ts';
import type { EmbeddingModel } from '../core/model.ts';
import type { ModelRequest } from '../core/request.ts';
import { unlimited } from '../core/request.ts';
import type { Environment } from '../core/surroundings.ts';
import { openApp } from './open-app.ts';
import { openTexts, type TextLine } from './text-lines.ts';

export interface WarmOptions {
  file: string;
  model: string | undefined;
  /** Whose cache it is, where each key has its own. */
  key: string | undefined;
  config: Config;
  env: Environment;
  stdin: Readable;
  err(text: string): void;
}

interface Tally {
  texts: number;
  hits: number;
  computed: number;
  failed: number;
  costUsd: number;
}

/** Texts that are asked for together, and how many such chunks are under way: enough to keep a provider busy. */
const chunkSize = 500;
const chunksUnderWay = 4;

/**
 * Reads texts and makes the cache have them. What has been computed is in Redis or on the disk at once, so it can be
 * interrupted and started again without paying twice.
 * @returns a summary. @throws ConfigError, EmbedQLError.
 */
export async function warmCache({
  file,
  model: name,
  key: named,
  config,
  env,
  stdin,
  err,
}: WarmOptions): Promise<string> {
  if ((config.redisUrls.length === 0 && config.cacheDir === undefined) || !config.cache) {
    throw new ConfigError(
      'REDIS_URL: must be set, or EMBEDQL_CACHE_DIR, because warming fills them; for example REDIS_URL=redis://127.0.0.1:6379',
    );
  }
  const { app, key, progress } = await openApp(named, config, env);
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  process.once('SIGINT', interrupt);
  try {
    await app.prepare();
    if (app.services.cache.degraded) throw new EmbedQLError('PROVIDER_ERROR', unreachable(config));
    const model = app.services.catalogue.get(name);
    await model.identity();
    const source = await openTexts(file, stdin);
    const bar = progress.start(`warming ${model.spec.name}`, source.totalBytes);
    const tally = await warm(app, model, source.lines, {
      err,
      stopped: interrupted.signal,
      queueLimit: config.queueLimit,
      key,
      update: (bytes, { hits, costUsd }, rate) =>
        bar.update(bytes, `${Math.round(rate)} texts/s | ${hits} hits | $${costUsd.toFixed(6)}`),
    });
    bar.end();
    return summary(tally, interrupted.signal.aborted);
  } finally {
    process.off('SIGINT', interrupt);
    await app.close();
  }
}

function unreachable({ redisUrls, cacheDir }: Config): string {
  const folder = 'EMBEDQL_CACHE_DIR cannot be used; check the folder, and stop the server that has it.';
  if (redisUrls.length === 0) return folder;
  return cacheDir === undefined
    ? 'Redis cannot be reached; check REDIS_URL.'
    : `Redis cannot be reached, or ${folder}`;
}

interface WarmHooks {
  err(text: string): void;
  stopped: AbortSignal;
  queueLimit: number;
  /** The name of the key that it is booked on. */
  key: string;
  update(bytes: number, tally: Tally, textsPerSecond: number): void;
}

async function warm(
  app: App,
  model: EmbeddingModel,
  lines: AsyncIterable<TextLine>,
  hooks: WarmHooks,
): Promise<Tally> {
  const tally: Tally = { texts: 0, hits: 0, computed: 0, failed: 0, costUsd: 0 };
  const started = performance.now();
  const underWay = new Set<Promise<void>>();
  let bytes = 0;
  let chunk: TextLine[] = [];
  // All that is under way may have to wait in the queue at once.
  const size = Math.max(1, Math.min(chunkSize, Math.floor(hooks.queueLimit / chunksUnderWay)));

  const send = async (texts: TextLine[]) => {
    await warmChunk(app, model, texts, tally, hooks);
    for (const line of texts) bytes += line.bytes;
    hooks.update(bytes, tally, (tally.texts * 1_000) / (performance.now() - started));
  };
  const start = async () => {
    const sending = send(chunk).finally(() => underWay.delete(sending));
    underWay.add(sending);
    chunk = [];
    if (underWay.size >= chunksUnderWay) await Promise.race(underWay);
  };
  for await (const line of lines) {
    if (hooks.stopped.aborted) break;
    if (line.problem) hooks.err(`line ${line.number} ${line.problem}; skipped\n`);
    if (line.problem) tally.failed += 1;
    if (line.text === undefined) bytes += line.bytes;
    else chunk.push(line);
    if (chunk.length === size) await start();
  }
  if (chunk.length > 0 && !hooks.stopped.aborted) await start();
  await Promise.all(underWay);
  return tally;
}

async function warmChunk(
  app: App,
  model: EmbeddingModel,
  lines: TextLine[],
  tally: Tally,
  hooks: WarmHooks,
): Promise<void> {
  const { embedder, cache, ledger } = app.services;
  const requests = lines.map(
    ({ text }): ModelRequest => ({ model, text: text!, kind: 'doc', useCache: true, truncate: true }),
  );
  const answers = await embedder.embedMany(requests, { ...unlimited, payer: ledger.account(hooks.key) });
  // Not before it is written is it safe from being paid again.
  await cache.flush();
  for (const [i, answer] of answers.entries()) {
    tally.texts += 1;
    if (answer instanceof Error) {
      tally.failed += 1;
      hooks.err(`line ${lines[i]!.number} failed: ${answer.code}: ${describeError(answer, variableOf)}\n`);
    } else if (answer.source === 'provider') {
      tally.computed += 1;
      tally.costUsd += answer.costUsd;
    } else tally.hits += 1;
  }
}

function summary({ texts, hits, computed, failed, costUsd }: Tally, interrupted: boolean): string {
  const head = interrupted ? 'interrupted; start it again to go on: ' : '';
  return `${head}${texts} texts: ${hits} were there, ${computed} computed, ${failed} failed, $${costUsd.toFixed(6)} paid\n`;
}
