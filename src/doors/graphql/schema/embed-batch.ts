import { gathered } from '@embedql/look-ahead';
import { badUserInput, describeError, type EmbedQLError } from '../../../core/errors.ts';
import type { TextKind } from '../../../core/model.ts';
import type { Answer } from '../../../core/request.ts';
import { shortenVector } from '../../../core/vectors.ts';
import { isEmptyText, readWish } from '../../../core/wish.ts';
import type { Context } from '../context.ts';
import { type EmbeddingArguments, embeddingArguments, type LongTextRef } from './arguments.ts';
import { type Builder, toInt } from './builder.ts';

interface BatchArguments extends EmbeddingArguments {
  texts: readonly string[];
  kind?: TextKind | null;
  batchSize?: number | null;
}

/** What the resolvers of `EmbeddingBatch` start from. */
interface BatchSource {
  model: string;
  dimension: number;
  /** An answer or what went wrong, for each text. */
  outcomes: ReadonlyArray<Answer | EmbedQLError>;
}

export interface FailureSource {
  index: number;
  error: EmbedQLError;
}

/** `embedBatch`: a list of texts in one field. @returns types that others use, too. */
export function addEmbedBatch(builder: Builder, LongText: LongTextRef) {
  const { BatchFailure, EmbeddingBatch } = addTypes(builder);
  const TextKindEnum = builder.enumType('TextKind', {
    description: 'How a text is used. Some models embed queries differently from documents.',
    values: {
      DOCUMENT: { value: 'doc', description: 'A text that is searched.' },
      QUERY: { value: 'query', description: 'A text to search with.' },
    } as const,
  });
  builder.mutationField('embedBatch', (t) =>
    t.field({
      type: EmbeddingBatch,
      nullable: true,
      description:
        'Embeds a list of texts. A text that fails has null in its place and an entry in `failures`; it does not ' +
        'affect the others. Texts of other fields may share the same provider calls.',
      args: {
        texts: t.arg.stringList({
          required: true,
          description: 'The texts to embed. Empty texts are not sent; they appear in `failures`.',
        }),
        kind: t.arg({
          type: TextKindEnum,
          defaultValue: 'doc',
          description: 'Whether the texts are documents or queries.',
        }),
        batchSize: t.arg.int({
          description:
            "The maximum number of texts in one provider call for this field, from 1 to the model's `maxBatchSize`.",
        }),
        ...embeddingArguments(builder, LongText),
      },
      gather: read,
      resolve: async (_root, args, context, info) => {
        const { model, dimension, nonEmpty, requests } = gathered(read, args, context, info);
        // A model that cannot be used at all is an error of the field, not of every text.
        await model.identity();
        const outcomes: Array<Answer | EmbedQLError> = new Array(args.texts.length).fill(emptyText);
        const loaded = await context.loader.loadEach(requests);
        for (const [n, index] of nonEmpty.entries()) outcomes[index] = loaded[n]!;
        context.record.entriesFailed(outcomes);
        return { model: model.spec.name, dimension, outcomes };
      },
    }),
  );
  return { BatchFailure, TextKindEnum };
}

/** The enum `TextKind`. */
export type TextKindRef = ReturnType<typeof addEmbedBatch>['TextKindEnum'];

/** Why an empty text of a list has no embedding. */
export const emptyText = badUserInput('The text is empty; pass a text to embed.');

/** Checks the arguments. @throws EmbedQLError where nothing of the field can succeed. */
function read(args: BatchArguments, context: Context) {
  // Empty ones, too, and before anything is built from the list.
  context.operation.announce(args.texts);
  const { model, dimension, request } = readWish(args, context.catalogue);
  const { name, maxBatchSize } = model.spec;
  const batchSize = args.batchSize ?? undefined;
  if (batchSize !== undefined && (batchSize < 1 || batchSize > maxBatchSize)) {
    throw badUserInput(`batchSize must be from 1 to ${maxBatchSize} for ${name}.`);
  }
  const nonEmpty = [...args.texts.keys()].filter((index) => !isEmptyText(args.texts[index]!));
  if (nonEmpty.length === 0)
    throw badUserInput('texts has no text to embed; pass at least one that is not empty.');
  const requests = nonEmpty.map((index) => request(args.texts[index]!, args.kind ?? 'doc', batchSize));
  return {
    model,
    dimension,
    nonEmpty,
    requests,
    scale: { items: args.texts.length, dimension, textBytes: 0 },
  };
}

function addTypes(builder: Builder) {
  const BatchFailure = builder.objectRef<FailureSource>('BatchFailure').implement({
    description: 'The reason why a text has no embedding.',
    fields: (t) => ({
      index: t.exposeInt('index', { description: 'The index of the text in `texts`, from 0.' }),
      code: t.string({
        description: 'The error code, as in `extensions.code` of an error.',
        resolve: ({ error }) => error.code,
      }),
      message: t.string({
        description: 'The error message: the problem, and what to do.',
        resolve: ({ error }, _args, { nameOption }) => describeError(error, nameOption),
      }),
      retryable: t.boolean({
        description: 'Whether the same text may succeed later.',
        resolve: ({ error }) => error.retryable,
      }),
      retryAfterMs: t.int({
        nullable: true,
        description: 'Milliseconds to wait before a retry, if known.',
        resolve: ({ error: { retryAfterMs } }) => (retryAfterMs === undefined ? null : toInt(retryAfterMs)),
      }),
    }),
  });

  const EmbeddingBatch = builder.objectRef<BatchSource>('EmbeddingBatch').implement({
    description: 'The embeddings of a list of texts, with their cost.',
    fields: (t) => ({
      embeddings: t.field({
        type: ['Vector'],
        nullable: { list: false, items: true },
        description: 'The vectors, in the order of `texts`; null where a text failed.',
        resolve: (batch, _args, { vectors }) => eachVector(batch, (vector) => vectors.numbers(vector)),
      }),
      embeddingsBase64: t.stringList({
        nullable: { list: false, items: true },
        description: 'The vectors as base64 of little-endian float32: smaller and faster than numbers.',
        resolve: (batch, _args, { vectors }) => eachVector(batch, (vector) => vectors.base64(vector)),
      }),
      embeddingsInt8: t.stringList({
        nullable: { list: false, items: true },
        description: 'The vectors as `embeddingInt8` of `Embedding`; null where a text failed.',
        resolve: (batch, _args, { vectors }) => eachVector(batch, (vector) => vectors.int8(vector)),
      }),
      embeddingsBinary: t.stringList({
        nullable: { list: false, items: true },
        description: 'The vectors as `embeddingBinary` of `Embedding`; null where a text failed.',
        resolve: (batch, _args, { vectors }) => eachVector(batch, (vector) => vectors.binary(vector)),
      }),
      tokens: t.field({
        type: ['Int'],
        nullable: { list: false, items: true },
        description: 'Tokens of each text, as in `Embedding`; null where it failed.',
        resolve: ({ outcomes }) => each(outcomes, ({ tokens }) => toInt(tokens)),
      }),
      costs: t.field({
        type: ['Float'],
        nullable: { list: false, items: true },
        description: 'USD for each text, as in `Embedding`; null where it failed.',
        resolve: ({ outcomes }) => each(outcomes, ({ costUsd }) => costUsd),
      }),
      cached: t.field({
        type: ['Boolean'],
        nullable: { list: false, items: true },
        description: 'Whether the vector of each text came from the cache; null where it failed.',
        resolve: ({ outcomes }) => each(outcomes, isCached),
      }),
      truncated: t.field({
        type: ['Boolean'],
        nullable: { list: false, items: true },
        description: 'Whether each text was over the limit of the model and was cut; null where it failed.',
        resolve: ({ outcomes }) => each(outcomes, ({ truncated }) => truncated),
      }),
      chunks: t.field({
        type: ['Int'],
        nullable: { list: false, items: true },
        description: 'The pieces that each text was read in, as in `Embedding`; null where it failed.',
        resolve: ({ outcomes }) => each(outcomes, ({ pieces }) => pieces?.length ?? 1),
      }),
      dimension: t.exposeInt('dimension', { description: 'The length of each vector.' }),
      model: t.exposeString('model', { description: 'The name of the model.' }),
      totalEmbeddings: t.int({
        description: 'The number of vectors returned.',
        resolve: ({ outcomes }) => answersOf(outcomes).length,
      }),
      cachedCount: t.int({
        description: 'The number of vectors that came from the cache.',
        resolve: ({ outcomes }) => answersOf(outcomes).filter(isCached).length,
      }),
      totalCost: t.float({
        description: 'USD that this field cost.',
        resolve: ({ outcomes }) => answersOf(outcomes).reduce((sum, { costUsd }) => sum + costUsd, 0),
      }),
      totalTokens: t.int({
        description: 'Tokens of all returned vectors, including cached ones.',
        resolve: ({ outcomes }) => toInt(answersOf(outcomes).reduce((sum, { tokens }) => sum + tokens, 0)),
      }),
      failures: t.field({
        type: [BatchFailure],
        description: 'The texts that have no embedding, in the order of `texts`.',
        resolve: ({ outcomes }) =>
          outcomes.flatMap((error, index) => (error instanceof Error ? [{ index, error }] : [])),
      }),
    }),
  });
  return { BatchFailure, EmbeddingBatch };
}

function answersOf(outcomes: BatchSource['outcomes']): Answer[] {
  return outcomes.filter((outcome) => !(outcome instanceof Error)) as Answer[];
}

function isCached({ source }: Answer): boolean {
  return source !== 'provider';
}

/** A figure of each answer, and null for each failure. */
function each<Figure>(
  outcomes: BatchSource['outcomes'],
  figure: (answer: Answer) => Figure,
): Array<Figure | null> {
  return outcomes.map((outcome) => (outcome instanceof Error ? null : figure(outcome)));
}

function eachVector<Form>(
  { outcomes, dimension }: BatchSource,
  form: (vector: Float32Array) => Form,
): Array<Form | null> {
  return outcomes.map((outcome) => {
    if (outcome instanceof Error) return null;
    return form(shortenVector(outcome.vector, dimension));
  });
}
