import type { Cache, CacheTier as Tier } from '../../../core/cache.ts';
import type { Catalogue } from '../../../core/catalogue.ts';
import type { RequestLimits, Services } from '../../services.ts';
import type { Builder } from './builder.ts';

/** The name by which the service introduces itself. */
const serviceName = 'embedql';

export function addHealth(builder: Builder): void {
  const HealthStatus = builder.enumType('HealthStatus', {
    description: 'The status of the server.',
    values: {
      OK: { description: 'Everything works.' },
      DEGRADED: { description: 'The server answers, but something is unavailable, such as Redis.' },
    } as const,
  });

  const CacheTier = builder.objectRef<Tier>('CacheTier').implement({
    description: 'A place where vectors are kept.',
    fields: (t) => ({
      name: t.exposeString('name', { description: '`memory`, `disk` or `redis`.' }),
      healthy: t.boolean({
        description: 'Whether it can be read and written.',
        resolve: ({ problem }) => problem === undefined,
      }),
      problem: t.string({
        nullable: true,
        description: 'What is wrong with it, and what to do; null if nothing is.',
        resolve: ({ problem }) => problem ?? null,
      }),
    }),
  });

  const Health = builder.objectRef<Services>('Health').implement({
    description: 'The status and the configuration of the server.',
    fields: (t) => ({
      status: t.field({
        type: HealthStatus,
        description:
          'DEGRADED if Redis or the disk cache is configured but cannot be used, if the default model is unavailable, or if this server has another EMBEDQL_JOB_SECRET than the jobs in Redis; else OK.',
        resolve: ({ cache, catalogue, jobs }) =>
          cache.degraded || !catalogue.defaultModel.status().available || jobs.problem !== undefined
            ? 'DEGRADED'
            : 'OK',
      }),
      problems: t.stringList({
        description: 'What is wrong where `status` is DEGRADED, and what to do.',
        resolve: ({ cache, catalogue, jobs }) => {
          const { available, reason } = catalogue.defaultModel.status();
          const ofModel = available ? [] : [reason ?? 'The default model is unavailable.'];
          const ofCache = tiersOf(cache).flatMap(({ problem }) => problem ?? []);
          return [...ofModel, ...ofCache, ...(jobs.problem === undefined ? [] : [jobs.problem])];
        },
      }),
      service: t.string({ description: 'Always `embedql`.', resolve: () => serviceName }),
      version: t.exposeString('version', { description: 'The version of EmbedQL.' }),
      defaultModel: t.string({
        description: 'The model of requests that name none.',
        resolve: ({ catalogue }) => catalogue.defaultModel.spec.name,
      }),
      cachingEnabled: t.boolean({
        description: 'Whether the server caches embeddings.',
        resolve: ({ cache }) => cache.backend !== 'none',
      }),
      cacheBackend: t.string({
        description: '`redis`, `memory` (also with a disk cache, and while Redis is unreachable) or `none`.',
        resolve: ({ cache }) => cache.backend,
      }),
      cacheTiers: t.field({
        type: [CacheTier],
        description: 'Where vectors are kept, in the order in which it is looked for them.',
        resolve: ({ cache }) => tiersOf(cache),
      }),
      modelsLoaded: t.stringList({
        description: 'Models that are ready without loading.',
        resolve: ({ catalogue }) => loadedModels(catalogue),
      }),
    }),
  });

  builder.queryField('health', (t) =>
    t.field({
      type: Health,
      description: 'The status of the server. Probes use `/health` and `/ready` over plain HTTP.',
      resolve: (_root, _args, context) => context,
    }),
  );
}

/** `limits`: what one request may ask for, so that a client can split its texts before it is refused. */
export function addLimits(builder: Builder): void {
  const Limits = builder.objectRef<RequestLimits>('Limits').implement({
    description: 'The limits of one request.',
    fields: (t) => ({
      maxTexts: t.exposeInt('maxTexts', { description: 'Texts in one operation, over all its fields.' }),
      maxTokens: t.exposeFloat('maxTokens', { description: 'Tokens of all texts in one operation.' }),
      maxBodyBytes: t.exposeFloat('maxBodyBytes', { description: 'Bytes of one request body.' }),
    }),
  });

  builder.queryField('limits', (t) =>
    t.field({
      type: Limits,
      description: 'The limits of one request. Split larger requests.',
      resolve: (_root, _args, { limits }) => limits,
    }),
  );
}

function tiersOf({ backend, tiers }: Cache): readonly Tier[] {
  if (backend === 'none') return [];
  return tiers ?? [{ name: backend }];
}

export function loadedModels(catalogue: Catalogue): string[] {
  return catalogue
    .all()
    .filter((model) => model.status().loaded)
    .map((model) => model.spec.name);
}
