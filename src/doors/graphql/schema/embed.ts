import { gathered } from '@embedql/look-ahead';
import type { TextKind } from '../../../core/model.ts';
import { readWish, requireText } from '../../../core/wish.ts';
import type { Context } from '../context.ts';
import { type EmbeddingArguments, embeddingArguments, type LongTextRef } from './arguments.ts';
import type { Builder } from './builder.ts';
import { type addEmbedding, type EmbeddingSource, embeddingSource } from './embedding.ts';

/** `embed` and `embedQuery`: one text, one vector. */
export function addEmbed(
  builder: Builder,
  Embedding: ReturnType<typeof addEmbedding>,
  LongText: LongTextRef,
): void {
  const shared = embeddingArguments(builder, LongText);

  builder.mutationField('embed', (t) =>
    t.field({
      type: Embedding,
      nullable: true,
      description:
        'Embeds one text as a document. Use as many aliases as you need: together they make one provider call for ' +
        'each full batch.',
      args: {
        text: t.arg.string({ required: true, description: 'The text to embed. Must not be empty.' }),
        ...shared,
      },
      gather: readText,
      resolve: (_root, args, context, info) => answer(gathered(readText, args, context, info), context),
    }),
  );

  builder.mutationField('embedQuery', (t) =>
    t.field({
      type: Embedding,
      nullable: true,
      description:
        'Embeds one text as a search query. Some models embed queries differently from documents; for the others ' +
        'this is the same as `embed`.',
      args: {
        query: t.arg.string({ required: true, description: 'The query to embed. Must not be empty.' }),
        ...shared,
      },
      gather: readQuery,
      resolve: (_root, args, context, info) => answer(gathered(readQuery, args, context, info), context),
    }),
  );
}

function readText(args: EmbeddingArguments & { text: string }, context: Context) {
  context.operation.announce([args.text]);
  return read(args, requireText(args.text, 'text'), 'doc', context);
}

function readQuery(args: EmbeddingArguments & { query: string }, context: Context) {
  context.operation.announce([args.query]);
  return read(args, requireText(args.query, 'query'), 'query', context);
}

function read(args: EmbeddingArguments, text: string, kind: TextKind, context: Context) {
  const { model, dimension, request } = readWish(args, context.catalogue);
  const scale = { items: 1, dimension, textBytes: 0 };
  return { model: model.spec.name, dimension, requests: [request(text, kind)] as const, scale };
}

/** At once where the answer is here already: of a hundred fields only the first has to wait. */
function answer(
  { model, dimension, requests: [request] }: ReturnType<typeof read>,
  { loader }: Context,
): EmbeddingSource | Promise<EmbeddingSource> {
  const loaded = loader.load(request);
  if (loaded instanceof Promise) return loaded.then((found) => embeddingSource(found, model, dimension));
  return embeddingSource(loaded, model, dimension);
}
