import type { Catalogue } from '../../../core/catalogue.ts';
import type { RequestLimits, Services } from '../../services.ts';
import type { Builder } from './builder.ts';

/** The name by which the service introduces itself. */
const serviceName = 'embedql';

export function addHealth(builder: Builder): void {
  const HealthStatus = builder.enumType('HealthStatus', {
    description: 'How the server is.',
    values: {
      OK: { description: 'Everything that is configured works.' },
      DEGRADED: { description: 'It serves, but something that is configured is away, such as Redis.' },
    } as const,
  });

  const Health = builder.objectRef<Services>('Health').implement({
    description: 'How the server is, and what it runs with.',
    fields: (t) => ({
      status: t.field({
        type: HealthStatus,
        description:
          'OK, or DEGRADED where Redis is configured and away or the default model cannot be asked.',
        resolve: ({ cache, catalogue }) =>
          cache.degraded || !catalogue.defaultModel.status().available ? 'DEGRADED' : 'OK',
      }),
      service: t.string({ description: 'Always `embedql`.', resolve: () => serviceName }),
      version: t.exposeString('version', { description: 'The version of EmbedQL.' }),
      defaultModel: t.string({
        description: 'The model that is used where none is named.',
        resolve: ({ catalogue }) => catalogue.defaultModel.spec.name,
      }),
      cachingEnabled: t.boolean({
        description: 'Whether answers are cached at all.',
        resolve: ({ cache }) => cache.backend !== 'none',
      }),
      cacheBackend: t.string({
        description: '`redis`, `memory` (also while Redis is away) or `none`.',
        resolve: ({ cache }) => cache.backend,
      }),
      modelsLoaded: t.stringList({
        description: 'Models that answer without being loaded first.',
        resolve: ({ catalogue }) => loadedModels(catalogue),
      }),
    }),
  });

  builder.queryField('health', (t) =>
    t.field({
      type: Health,
      description: 'How the server is. Over plain HTTP there are `/health` and `/ready`.',
      resolve: (_root, _args, context) => context,
    }),
  );
}

/** `limits`: what one request may ask for, so that a client can split its texts before it is refused. */
export function addLimits(builder: Builder): void {
  const Limits = builder.objectRef<RequestLimits>('Limits').implement({
    description: 'What one request may ask for.',
    fields: (t) => ({
      maxTexts: t.exposeInt('maxTexts', { description: 'Texts of one operation, over all its fields.' }),
      maxTokens: t.exposeFloat('maxTokens', { description: 'Tokens of all texts of one operation.' }),
      maxBodyBytes: t.exposeFloat('maxBodyBytes', { description: "Bytes of one request's body." }),
    }),
  });

  builder.queryField('limits', (t) =>
    t.field({
      type: Limits,
      description: 'What one request may ask for. What is more has to be split into several.',
      resolve: (_root, _args, { limits }) => limits,
    }),
  );
}

export function loadedModels(catalogue: Catalogue): string[] {
  return catalogue
    .all()
    .filter((model) => model.status().loaded)
    .map((model) => model.spec.name);
}
