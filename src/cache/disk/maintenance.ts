import { access } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { askHolder } from '../../files/folder-lock.ts';
import type { IdentityStats, Maintenance } from '../maintenance.ts';
import { DiskStore, vectorsFolder } from './store.ts';

interface Request {
  readonly ask: 'stats' | 'clear';
  readonly model: string | undefined;
}

/** Milliseconds that a server may take: it rewrites what it keeps of others. */
const answerMs = 120_000;

/** How often to try where the folder changes hands at this very moment, and milliseconds in between. */
const attempts = 20;
const pauseMs = 250;

/**
 * Looks after the vectors in a folder: itself, or through the server that has the folder.
 * @param dir the folder that was configured
 */
export function openDiskMaintenance(dir: string): Maintenance {
  const folder = vectorsFolder(dir);

  async function ask<Result>(request: Request, here: (store: DiskStore) => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      const answer = await askHolder(folder, JSON.stringify(request), answerMs);
      if (answer !== undefined) return JSON.parse(answer) as Result;
      const store = await DiskStore.open({
        folder,
        // Nothing is written here, so nothing has to go.
        maxBytes: Number.MAX_SAFE_INTEGER,
        ttlSeconds: 0,
        isInUse: () => false,
        answer: () => Promise.reject(new Error('this is no server')),
      });
      if (store) return here(store).finally(() => store.close());
      if (attempt === attempts) throw new Error('the process that has the folder does not answer');
      await sleep(pauseMs);
    }
  }

  const isThere = () =>
    access(folder).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false;
        throw error;
      },
    );

  return {
    async stats(model) {
      if (!(await isThere())) return [];
      return ask<IdentityStats[]>({ ask: 'stats', model }, (store) => store.stats(model));
    },
    async clear(model) {
      if (!(await isThere())) return 0;
      return ask<number>({ ask: 'clear', model }, (store) => store.clear(model));
    },
    close() {},
  };
}

/** What the process that has the folder answers. @throws Error for a request that is none */
export async function answerMaintenance(store: DiskStore, request: string): Promise<string> {
  const { ask, model } = JSON.parse(request) as { ask?: unknown; model?: unknown };
  if (model !== undefined && typeof model !== 'string') throw new Error('model is no name');
  if (ask === 'stats') return JSON.stringify(await store.stats(model));
  if (ask === 'clear') return JSON.stringify(await store.clear(model));
  throw new Error('ask is neither stats nor clear');
}
