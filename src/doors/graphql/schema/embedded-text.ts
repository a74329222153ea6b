import { gather } from '@embedql/look-ahead';
import type { GraphQLSchema } from 'graphql';
import { readWish, requireText } from '../../../core/wish.ts';
import type { Context } from '../context.ts';
import type { Builder } from './builder.ts';
import { type addEmbedding, embeddingSource } from './embedding.ts';

/** What another subgraph says of a text: the fields of one of the keys. */
interface EmbeddedTextReference {
  text: string;
  /** Without it: the default model. */
  model?: string | null;
}

const typeName = 'EmbeddedText';

/** An entity that any other subgraph may return as a stub, to have the gateway fetch its embedding here. */
export function addEmbeddedText(builder: Builder, Embedding: ReturnType<typeof addEmbedding>): void {
  const EmbeddedText = builder.objectRef<EmbeddedTextReference>(typeName).implement({
    description:
      'A text of another subgraph. Return `{ __typename: "EmbeddedText", text }` there, with or without `model`, and ' +
      'the gateway fetches the embedding here: one provider call for each model, however many texts there are.',
    fields: (t) => ({
      text: t.exposeString('text', { description: 'The text, as the other subgraph gave it.' }),
      model: t.string({
        description: 'The model: the one that was given, else the default.',
        resolve: ({ model }, _args, { catalogue }) => model ?? catalogue.defaultModel.spec.name,
      }),
      embedding: t.field({
        type: Embedding,
        nullable: true,
        description: 'The embedding of the text, as `embed` gives it.',
        resolve: async (reference, _args, context) => {
          const { model, dimension, request } = read(reference, context);
          return embeddingSource(await context.loader.load(request), model.spec.name, dimension);
        },
      }),
    }),
  });
  builder.asEntity(EmbeddedText, {
    key: [
      builder.selection<{ text: string; model: string }>('text model'),
      builder.selection<{ text: string }>('text'),
    ],
    // Nothing is looked up yet: a text that is wrong fails its `embedding`, not the entity.
    resolveReference: (reference: EmbeddedTextReference) => reference,
  });
}

function read({ text, model }: EmbeddedTextReference, context: Context) {
  const {
    model: found,
    dimension,
    request,
  } = readWish({ model, useCache: true, truncate: true }, context.catalogue);
  return { model: found, dimension, request: request(requireText(text, 'text'), 'doc') };
}

/** Lets `_entities`, which the federation plugin adds, say how many texts it will ask for. */
export function gatherEntities(schema: GraphQLSchema): GraphQLSchema {
  const field = schema.getQueryType()?.getFields()['_entities'];
  if (!field) throw new Error('the schema has no entities');
  const extension = gather(
    ({ representations }: { representations: ReadonlyArray<Record<string, unknown>> }, context: Context) =>
      representations
        .filter((representation) => representation['__typename'] === typeName)
        .map((representation) => read(representation as unknown as EmbeddedTextReference, context).request),
  );
  field.extensions = { ...field.extensions, ...extension };
  return schema;
}
