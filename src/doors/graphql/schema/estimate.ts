import { gathered } from '@embedql/look-ahead';
import type { TextKind } from '../../../core/model.ts';
import { isEmptyText, type LongText, readWish } from '../../../core/wish.ts';
import { type Estimate, Estimator } from '../../../jobs/estimate.ts';
import type { Context } from '../context.ts';
import type { LongTextRef } from './arguments.ts';
import { type Builder, toInt } from './builder.ts';
import type { TextKindRef } from './embed-batch.ts';

interface EstimateArguments {
  texts: readonly string[];
  kind?: TextKind | null;
  model?: string | null;
  longText?: LongText | null;
}

/** `estimate`: what a list of texts would cost. */
export function addEstimate(builder: Builder, TextKindEnum: TextKindRef, LongTextEnum: LongTextRef): void {
  const EstimateType = builder.objectRef<Estimate>('Estimate').implement({
    description: 'The cost of a list of texts if they were embedded now.',
    fields: (t) => ({
      texts: t.int({ description: 'The number of texts given.', resolve: ({ texts }) => toInt(texts) }),
      distinct: t.int({
        description:
          'Different texts that are not empty. With `longText: AVERAGE`, each piece of a long text is a text.',
        resolve: ({ distinct }) => toInt(distinct),
      }),
      empty: t.int({
        description: 'Texts with nothing in them; they are never sent.',
        resolve: ({ empty }) => toInt(empty),
      }),
      tooLong: t.int({
        description:
          'Distinct texts over the token limit of the model; they would be cut, refused, or read in pieces, as `longText` says.',
        resolve: ({ tooLong }) => toInt(tooLong),
      }),
      cached: t.int({
        description: 'Distinct texts that are in the cache and cost nothing.',
        resolve: ({ cached }) => toInt(cached),
      }),
      tokens: t.exposeFloat('tokens', {
        description:
          'Tokens that the provider would charge for: of distinct texts that are not cached. Exact if the tokenizer of ' +
          'the model is known, else the most it can be.',
      }),
      costUsd: t.exposeFloat('costUsd', {
        nullable: true,
        description: 'USD for these tokens; null if the price is unknown.',
      }),
      costUsdWithinDay: t.exposeFloat('costUsdWithinDay', {
        nullable: true,
        description: 'USD with `deadline: DAY`; null if the provider has no batches.',
      }),
    }),
  });

  builder.queryField('estimate', (t) =>
    t.field({
      type: EstimateType,
      description:
        'The cost of a list of texts. Computes and pays nothing. The texts count towards the limits of the operation.',
      args: {
        texts: t.arg.stringList({ required: true, description: 'The texts.' }),
        kind: t.arg({
          type: TextKindEnum,
          defaultValue: 'doc',
          description: 'Whether the texts are documents or queries.',
        }),
        model: t.arg.string({ description: 'The name of a model. Default: the default model.' }),
        longText: t.arg({
          type: LongTextEnum,
          defaultValue: 'truncate',
          description: 'How a text over the limit of the model would be handled.',
        }),
      },
      gather: read,
      resolve: async (_root, args, context, info) => {
        const { wish, kind, requests } = gathered(read, args, context, info);
        await context.operation.draw(requests.map(({ possible }) => possible));
        const estimator = new Estimator(
          context.embedder,
          wish.model,
          (text) => wish.request(text, kind),
          context.operation.payer,
        );
        await estimator.add(args.texts, context.operation);
        return estimator.result();
      },
    }),
  );
}

/** The texts are admitted like any others, though nothing is computed of them. */
function read(args: EstimateArguments, context: Context) {
  context.operation.announce(args.texts);
  const wish = readWish({ model: args.model, longText: args.longText }, context.catalogue);
  const kind = args.kind ?? 'doc';
  const full = args.texts.filter((text) => !isEmptyText(text));
  const requests = full.map((text) => ({ possible: wish.request(text, kind) }));
  return { wish, kind, requests, scale: { items: 0, dimension: 0, textBytes: 0 } };
}
