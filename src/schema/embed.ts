import type { GraphQLResolveInfo } from 'graphql';
import type { TextKind } from '../embedder/model.ts';
import { type EmbeddingArguments, embeddingArguments, readArguments, requireText } from './arguments.ts';
import type { Builder } from './builder.ts';
import type { Context } from './context.ts';
import { type addEmbedding, type EmbeddingSource, embeddingSource } from './embedding.ts';
import { gathered } from './gathered.ts';

/** `embed` and `embedQuery`: one text, one vector. */
export function addEmbed(builder: Builder, Embedding: ReturnType<typeof addEmbedding>): void {
  const shared = embeddingArguments(builder);

  builder.mutationField('embed', (t) =>
    t.field({
      type: Embedding,
      nullable: true,
      description:
        'Embeds one text: a document, something to be found. Ask for it under as many aliases as you like; ' +
        'all of them together take one provider call for every full batch.',
      args: {
        text: t.arg.string({ required: true, description: 'The text to embed. Must not be empty.' }),
        ...shared,
      },
      extensions: gathered<EmbeddingArguments & { text: string }>((args, context) => [
        document.read(args.text, args, context).request,
      ]),
      resolve: (_root, args, context, info) => document.resolve(args.text, args, context, info),
    }),
  );

  builder.mutationField('embedQuery', (t) =>
    t.field({
      type: Embedding,
      nullable: true,
      description:
        'Embeds one search query: something to find documents with. Some models embed queries differently from ' +
        'documents; for the others it is the same as `embed`.',
      args: {
        query: t.arg.string({ required: true, description: 'The query to embed. Must not be empty.' }),
        ...shared,
      },
      extensions: gathered<EmbeddingArguments & { query: string }>((args, context) => [
        query.read(args.query, args, context).request,
      ]),
      resolve: (_root, args, context, info) => query.resolve(args.query, args, context, info),
    }),
  );
}

const document = oneText('text', 'doc');
const query = oneText('query', 'query');

function oneText(argument: string, kind: TextKind) {
  function read(text: string, args: EmbeddingArguments, context: Context) {
    const { model, dimension, request } = readArguments(args, context);
    return { model, dimension, request: request(requireText(text, argument), kind) };
  }
  return {
    read,
    async resolve(
      text: string,
      args: EmbeddingArguments,
      context: Context,
      info: GraphQLResolveInfo,
    ): Promise<EmbeddingSource> {
      context.lookAhead.reach(info.path.key);
      const { model, dimension, request } = read(text, args, context);
      return embeddingSource(await context.loader.load(request), model.spec.name, dimension);
    },
  };
}
