import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import lockfile from 'proper-lockfile';
import { EmbedQLError } from '../../../core/errors.ts';

import type { Log, Progress } from '../../../core/surroundings.ts';
import type { LocalSpec } from '../options.ts';
import { findWeights, targetFolder } from './folder.ts';
import type { Weights, WeightsSource } from './source.ts';

export interface ProvisionOptions {
  modelsDir: string;
  /** Asked in order. */
  sources: readonly WeightsSource[];
  log: Log;
  progress: Progress;
}

/**
 * The weights of a model: those in the models folder or in an installed package, else fetched into the folder from the
 * first source that can.
 * Processes that need the same weights at the same time fetch them once, and a folder is there whole or not
 * at all.
 * @throws EmbedQLError that says what was tried and what to do.
 */
export async function provisionWeights(spec: LocalSpec, options: ProvisionOptions): Promise<Weights> {
  const found = await findWeights(options.modelsDir, spec);
  if (found) return found;
  const target = targetFolder(options.modelsDir, spec);
  await mkdir(path.dirname(target), { recursive: true });
  const release = await lockfile.lock(target, {
    realpath: false,
    stale: 20_000,
    retries: { retries: 600, minTimeout: 200, maxTimeout: 1_000 },
  });
  try {
    // Whoever held the lock before may have fetched them.
    return (await findWeights(options.modelsDir, spec)) ?? (await fetchWeights(spec, target, options));
  } finally {
    await release();
  }
}

async function fetchWeights(spec: LocalSpec, target: string, options: ProvisionOptions): Promise<Weights> {
  const failures: string[] = [];
  // Leftovers of a process that was killed; whoever holds the lock is the only one at work on this target.
  const unfinishedPrefix = path.join(path.dirname(target), `.unfinished-${path.basename(target)}-`);
  await removeAll(unfinishedPrefix);
  for (const source of options.sources.filter((candidate) => candidate.offers(spec))) {
    const unfinished = await mkdtemp(unfinishedPrefix);
    try {
      const label = `${spec.name} from ${source.name}`;
      await source.fetch(spec, unfinished, (totalBytes) => options.progress.start(label, totalBytes));
      await moveIn(unfinished, target);
      const weights = await findWeights(options.modelsDir, spec);
      if (weights) return weights;
      failures.push(`${source.name}: what it gave is not complete`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      options.log.warn({ model: spec.name, source: source.name, reason }, 'weights could not be fetched');
      failures.push(`${source.name}: ${reason}`);
    } finally {
      await removeAll(unfinishedPrefix);
    }
  }
  throw new EmbedQLError('PROVIDER_ERROR', missingWeights(spec, failures), { retryable: true });
}

async function removeAll(prefix: string): Promise<void> {
  const folder = path.dirname(prefix);
  const names = (await readdir(folder)).filter((name) => name.startsWith(path.basename(prefix)));
  await Promise.all(names.map((name) => rm(path.join(folder, name), { recursive: true, force: true })));
}

/**
 * Puts fetched files in place: as one rename, or file by file where the folder holds other weights already.
 * Then the ONNX graph comes last, because its presence is what makes weights count as there.
 */
async function moveIn(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    const entries = await readdir(from, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(from, path.join(entry.parentPath, entry.name)))
      .sort((a, b) => Number(a.endsWith('.onnx')) - Number(b.endsWith('.onnx')));
    for (const file of files) {
      await mkdir(path.dirname(path.join(to, file)), { recursive: true });
      await rename(path.join(from, file), path.join(to, file));
    }
  }
}

function missingWeights(spec: LocalSpec, failures: readonly string[]): string {
  const tried = failures.length > 0 ? ` Tried ${failures.join('; ')}.` : '';
  return (
    `The weights of ${spec.name} are not on this machine and could not be fetched.${tried} ` +
    `Run "embedql pull ${spec.name}" where the network allows it, or copy them to ` +
    `<EMBEDQL_MODELS_DIR>/${spec.id ?? spec.name}, then ask again.`
  );
}
