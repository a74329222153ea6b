import { type GraphQLResolveInfo, Kind } from 'graphql';
import type { EmbedQLError } from '../../../core/errors.ts';
import type { Answer } from '../../../core/request.ts';
import { type EmbeddingWish, isEmptyText, readWish } from '../../../core/wish.ts';
import { answerLimits, checkAnswerSize } from '../answer-size.ts';
import type { Context } from '../context.ts';
import { embeddingArguments, type LongTextRef } from './arguments.ts';
import type { Builder } from './builder.ts';
import { type addEmbedBatch, emptyText, type FailureSource } from './embed-batch.ts';
import { type addEmbedding, type EmbeddingSource, embeddingSource } from './embedding.ts';

/** What one event of the stream carries. */
interface ChunkSource {
  embeddings: Array<{ index: number; embedding: EmbeddingSource }>;
  failures: FailureSource[];
  done: number;
  total: number;
}

/** `embedStream`: a long list of texts, whose results come as they are ready. */
export function addEmbedStream(
  builder: Builder,
  Embedding: ReturnType<typeof addEmbedding>,
  BatchFailure: ReturnType<typeof addEmbedBatch>['BatchFailure'],
  LongText: LongTextRef,
): void {
  const IndexedEmbedding = builder
    .objectRef<ChunkSource['embeddings'][number]>('IndexedEmbedding')
    .implement({
      description: 'The embedding of one text of a list.',
      fields: (t) => ({
        index: t.exposeInt('index', { description: 'The index of the text in `texts`, from 0.' }),
        embedding: t.field({
          type: Embedding,
          description: 'The embedding of the text.',
          resolve: ({ embedding }) => embedding,
        }),
      }),
    });
  const EmbeddingChunk = builder.objectRef<ChunkSource>('EmbeddingChunk').implement({
    description: 'A part of the results of `embedStream`, with its progress.',
    fields: (t) => ({
      embeddings: t.field({
        type: [IndexedEmbedding],
        description: 'The embeddings of this chunk.',
        resolve: ({ embeddings }) => embeddings,
      }),
      failures: t.field({
        type: [BatchFailure],
        description: 'The texts of this chunk that failed.',
        resolve: ({ failures }) => failures,
      }),
      done: t.exposeInt('done', { description: 'The number of texts done so far, in all chunks.' }),
      total: t.exposeInt('total', { description: 'The number of texts requested.' }),
    }),
  });

  builder.subscriptionField('embedStream', (t) =>
    t.field({
      type: EmbeddingChunk,
      description:
        'Embeds a long list of texts. Results arrive in chunks as soon as they are ready, in any order. The server ' +
        'computes the next chunks only as the client reads.',
      args: {
        texts: t.arg.stringList({ required: true, description: 'The texts to embed.' }),
        ...embeddingArguments(builder, LongText),
      },
      subscribe: (_root, args, context, info) => {
        const wish = readWish(args, context.catalogue);
        checkEventSize(info, wish, args.texts.length, context);
        return chunks(args.texts, wish, context);
      },
      resolve: (chunk) => chunk,
    }),
  );
}

/** @throws EmbedQLError COST_LIMIT_EXCEEDED where one event could be too large to be sent */
function checkEventSize(
  { schema, operation, fragments }: GraphQLResolveInfo,
  { model, dimension }: EmbeddingWish,
  texts: number,
  { limits }: Context,
): void {
  const definitions = [operation, ...Object.values(fragments)];
  const scale = { items: Math.min(model.spec.maxBatchSize, texts), dimension, textBytes: 0 };
  const document = { kind: Kind.DOCUMENT, definitions } as const;
  const operationName = operation.name?.value;
  checkAnswerSize({ schema, document, operationName }, () => scale, answerLimits(limits), false);
}

/** Chunks are as large as a provider call, and as many are under way as calls may be in flight. */
async function* chunks(
  texts: readonly string[],
  wish: EmbeddingWish,
  context: Context,
): AsyncGenerator<ChunkSource> {
  const { operation } = context;
  operation.announce(texts);
  const nonEmpty = texts.filter((text) => !isEmptyText(text));
  await operation.admitAnnounced(nonEmpty.map((text) => wish.request(text, 'doc')));
  await wish.model.identity();
  const { maxBatchSize } = wish.model.spec;
  const gone = new AbortController();
  const { signal: left } = operation;
  const signal = left ? AbortSignal.any([gone.signal, left]) : gone.signal;
  const underWay = new Map<number, Promise<ChunkSource & { from: number }>>();
  let next = 0;
  let done = 0;
  const begin = () => {
    const from = next;
    next = Math.min(texts.length, from + maxBatchSize);
    underWay.set(from, embedChunk(texts, from, next, wish, context, signal));
  };
  try {
    while (!signal.aborted && (next < texts.length || underWay.size > 0)) {
      while (next < texts.length && underWay.size < wish.model.concurrency) begin();
      const { from, ...chunk } = await Promise.race(underWay.values());
      underWay.delete(from);
      done += chunk.embeddings.length + chunk.failures.length;
      yield { ...chunk, done };
    }
  } finally {
    // The client has gone, or all is done: nobody waits for the rest.
    gone.abort();
  }
}

async function embedChunk(
  texts: readonly string[],
  from: number,
  to: number,
  { model, dimension, request }: EmbeddingWish,
  { embedder, operation, record }: Context,
  signal: AbortSignal,
): Promise<ChunkSource & { from: number }> {
  const nonEmpty = Array.from({ length: to - from }, (_, i) => from + i).filter(
    (index) => !isEmptyText(texts[index]!),
  );
  const answers = await embedder.embedMany(
    nonEmpty.map((index) => request(texts[index]!, 'doc')),
    operation.until(signal),
  );
  record.answered(answers);
  const outcomes = new Map<number, Answer | EmbedQLError>(nonEmpty.map((index, i) => [index, answers[i]!]));
  const chunk: ChunkSource = { embeddings: [], failures: [], done: 0, total: texts.length };
  for (let index = from; index < to; index++) {
    const outcome = outcomes.get(index) ?? emptyText;
    if (outcome instanceof Error) chunk.failures.push({ index, error: outcome });
    else chunk.embeddings.push({ index, embedding: embeddingSource(outcome, model.spec.name, dimension) });
  }
  record.entriesFailed(chunk.failures.map(({ error }) => error));
  return { ...chunk, from };
}
