import type { EmbedRequest } from '../../../core/request.ts';
import { type EmbeddingWish, readWish, requireText } from '../../../core/wish.ts';
import type { Builder } from './builder.ts';
import { type addEmbedding, embeddingSource } from './embedding.ts';
import { type Entity, keyText } from './federation.ts';

/** A text of another subgraph, and what it comes down to here. */
class EmbeddedTextSource {
  readonly text: string;
  /** The name that was given, else that of the default model. */
  readonly model: string;
  readonly wish: EmbeddingWish;
  readonly request: EmbedRequest;

  /** @throws EmbedQLError BAD_USER_INPUT for an empty text */
  constructor(text: string, model: string | undefined, wish: EmbeddingWish) {
    this.text = text;
    this.model = model ?? wish.model.spec.name;
    this.wish = wish;
    this.request = wish.request(requireText(text, 'text'), 'doc');
  }
}

/** An entity that any other subgraph may return as a stub, to have the gateway fetch its embedding here. */
export function addEmbeddedText(
  builder: Builder,
  Embedding: ReturnType<typeof addEmbedding>,
): Entity<EmbeddedTextSource> {
  const EmbeddedText = builder.objectRef<EmbeddedTextSource>('EmbeddedText').implement({
    description:
      'A text of another subgraph. That subgraph returns `{ __typename: "EmbeddedText", text }`, with or without ' +
      '`model`, and the gateway fetches the embedding here: one provider call per model for all texts of a request.',
    fields: (t) => ({
      text: t.string({
        description: 'The text from the other subgraph.',
        resolve: ({ text }, _args, { vectors }) => vectors.text(text),
      }),
      model: t.exposeString('model', {
        description: 'The name of the model: the given one, else the default model.',
      }),
      embedding: t.field({
        type: Embedding,
        nullable: true,
        description: 'The embedding of the text, as from `embed`.',
        resolve: async ({ request, wish }, _args, { loader }) =>
          embeddingSource(await loader.load(request), wish.model.spec.name, wish.dimension),
      }),
    }),
  });
  return {
    type: EmbeddedText,
    keys: ['text model', 'text'],
    find(representation, { catalogue }) {
      const text = keyText(representation, 'text');
      // Null is what a gateway makes of a stub without it: the key is the text alone.
      const model = representation['model'] == null ? undefined : keyText(representation, 'model');
      const source = new EmbeddedTextSource(text, model, readWish({ model }, catalogue));
      return { source, request: source.request };
    },
  };
}
