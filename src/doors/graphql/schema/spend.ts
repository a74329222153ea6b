import type { Spend, SpendDimension } from '../../../ledger/spend.ts';
import type { Builder } from './builder.ts';

/** `spend`: the books, over all replicas and restarts. */
export function addSpend(builder: Builder): void {
  const Dimension = builder.enumType('SpendDimension', {
    description: 'What figures are added up by.',
    values: {
      DAY: { description: 'The UTC day.' },
      MODEL: { description: 'The model.' },
      KEY: { description: 'The name of the API key.' },
      TAG: { description: 'The header `x-embedql-tag` of the request.' },
    } as const,
  });

  const Row = builder.objectRef<Spend>('Spend').implement({
    description:
      'What was requested, computed and paid. A dimension that was not in `groupBy` is null, and so is a tag that was not given.',
    fields: (t) => ({
      day: t.string({ nullable: true, description: 'YYYY-MM-DD, UTC.', resolve: ({ day }) => day }),
      model: t.string({
        nullable: true,
        description: 'The name of the model.',
        resolve: ({ model }) => model,
      }),
      key: t.string({
        nullable: true,
        description:
          'The name of the API key; `anonymous` without one, `warm` for `embedql warm`, `canary` for checks of endpoints.',
        resolve: ({ key }) => key,
      }),
      tag: t.string({
        nullable: true,
        description: 'The tag; `other` once a key has used 100 tags on a day.',
        resolve: ({ tag }) => tag,
      }),
      texts: t.float({
        description: 'Texts requested. A text that is in an operation twice counts once.',
        resolve: ({ texts }) => texts,
      }),
      hits: t.float({ description: 'Texts answered from the cache.', resolve: ({ hits }) => hits }),
      computed: t.float({
        description: 'Texts that a provider charged for.',
        resolve: ({ computed }) => computed,
      }),
      tokens: t.float({ description: 'Tokens charged by providers.', resolve: ({ tokens }) => tokens }),
      tokensEstimated: t.float({
        description: 'The part of `tokens` that is an estimate, because the provider does not report tokens.',
        resolve: ({ tokensEstimated }) => tokensEstimated,
      }),
      costUsd: t.float({ description: 'USD charged by providers.', resolve: ({ costUsd }) => costUsd }),
      costSavedUsd: t.float({
        description: 'USD that the cache saved.',
        resolve: ({ costSavedUsd }) => costSavedUsd,
      }),
      lostSeconds: t.float({
        description:
          'Seconds of bookkeeping that crashed processes may have lost on these days, over all rows.',
        resolve: ({ lostSeconds }) => lostSeconds,
      }),
      lossy: t.boolean({
        description:
          'Whether figures may be missing: they are kept in memory only, in a Redis that may evict, or were damaged or out ' +
          'of reach.',
        resolve: ({ lossy }) => lossy,
      }),
    }),
  });

  builder.queryField('spend', (t) =>
    t.field({
      type: [Row],
      description:
        'What was requested, computed, paid and saved on these days, over all replicas. A key sees its own figures, an ' +
        'admin key all of them; without any keys everybody does. Kept for 400 days; `resetMetrics` does not change it.',
      args: {
        from: t.arg.string({ required: true, description: 'The first day, YYYY-MM-DD, UTC.' }),
        to: t.arg.string({ required: true, description: 'The last day, included.' }),
        groupBy: t.arg({
          type: [Dimension],
          required: true,
          defaultValue: ['DAY'],
          description: 'What to add up by. An empty list gives one row.',
        }),
      },
      resolve: (_root, { from, to, groupBy }, { ledger, key, seesAll }) =>
        ledger.spend({
          from,
          to,
          groupBy: groupBy as readonly SpendDimension[],
          key: seesAll ? undefined : key,
        }),
    }),
  );
}
