import type { Cache } from '../core/cache.ts';

/** A cache that keeps nothing. */
export const noCache: Cache = {
  backend: 'none',
  degraded: false,
  peeksEverything: true,
  peek: () => undefined,
  getMany: async (keys) => keys.map(() => undefined),
  setMany: () => {},
  flush: async () => {},
  close: async () => {},
};
