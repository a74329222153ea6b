import { gathered } from '@embedql/look-ahead';
import { fewestPieces, mostPieces, mostUnits } from '../../../core/chunks.ts';
import { tooManyTexts } from '../../../core/errors.ts';
import { prefixOf } from '../../../core/long-texts.ts';
import { type ChunkOptions, type EmbeddingOptions, readChunkWish, requireText } from '../../../core/wish.ts';
import type { Context } from '../context.ts';
import type { Builder } from './builder.ts';
import { type addEmbedding, type EmbeddingSource, embeddingSource } from './embedding.ts';

/** What the resolvers of `TextChunk` start from. */
interface ChunkSource {
  text: string;
  start: number;
  end: number;
  tokens: number;
  embedding: EmbeddingSource;
}

type ChunkArguments = EmbeddingOptions & ChunkOptions & { text: string };

/** `embedChunks`: one long text, a vector for each of its pieces. */
export function addEmbedChunks(builder: Builder, Embedding: ReturnType<typeof addEmbedding>): void {
  const TextChunk = builder.objectRef<ChunkSource>('TextChunk').implement({
    description: 'A piece of a text, with its embedding.',
    fields: (t) => ({
      text: t.exposeString('text', { description: 'The piece: exactly the text from `start` to `end`.' }),
      start: t.exposeInt('start', { description: 'Where it begins in the text, in UTF-16 units, from 0.' }),
      end: t.exposeInt('end', { description: 'Where it ends: the first position that is not in it.' }),
      tokens: t.exposeInt('tokens', {
        description:
          'Its tokens as `maxTokens` counts them: with special tokens and the prefix of the model.',
      }),
      embedding: t.field({
        type: Embedding,
        description: 'The embedding of the piece, as from `embed`.',
        resolve: ({ embedding }) => embedding,
      }),
    }),
  });

  builder.mutationField('embedChunks', (t) =>
    t.field({
      type: [TextChunk],
      nullable: { list: true, items: false },
      description:
        'Embeds a long text piece by piece. Pieces end at paragraphs or sentences, in a longer sentence at words. Without ' +
        'their overlap they are the whole text; only white space that would be a piece by itself is left out. Each piece ' +
        'is cached and counts as a text, so an edited document costs only its changed pieces.',
      args: {
        text: t.arg.string({ required: true, description: 'The text to embed. Must not be empty.' }),
        model: t.arg.string({
          description: 'The name of a model, as `models` lists it. Default: the default model.',
        }),
        maxTokens: t.arg.int({
          description:
            "The maximum number of tokens of a piece, special tokens included. Default: the model's `maxInputTokens`.",
        }),
        overlapTokens: t.arg.int({
          defaultValue: 0,
          description:
            'The maximum number of tokens that a piece repeats from the end of the previous one. Less than `maxTokens`.',
        }),
        useCache: t.arg.boolean({
          defaultValue: true,
          description: 'If false, the cache is neither read nor written.',
        }),
        dimensions: t.arg.int({
          description:
            'Shortens the vectors to this many numbers and scales them to unit length again. Only for models with ' +
            '`supportsDimensions`.',
        }),
      },
      gather: read,
      resolve: async (_root, args, context, info) => {
        const {
          model,
          dimension,
          requests: [request],
        } = gathered(read, args, context, info);
        const { pieces = [] } = await context.loader.load(request);
        return pieces.map(
          ({ start, end, tokens, answer }): ChunkSource => ({
            ...{ text: request.text.slice(start, end), start, end, tokens },
            embedding: embeddingSource(answer, model, dimension),
          }),
        );
      },
    }),
  );
}

/** How many pieces there are is found out later; here are bounds from both sides. */
function read(args: ChunkArguments, context: Context) {
  context.operation.announce([args.text]);
  const text = requireText(args.text, 'text');
  const { model, dimension, pieces, request } = readChunkWish(args, context.catalogue);
  const { maxTexts } = context.limits;
  const fewest = fewestPieces(text.length, pieces.maxTokens);
  if (fewest > maxTexts) throw tooManyTexts(fewest, maxTexts);
  const prefix = prefixOf({ kind: 'doc', model });
  const items = Math.min(maxTexts, mostPieces(text, { ...pieces, prefix }));
  return {
    model: model.spec.name,
    dimension,
    requests: [request(text, 'doc')] as const,
    scale: { items, dimension, textBytes: sliceBytes(text, items, pieces.overlapTokens) },
  };
}

/** Bytes of a UTF-16 unit in JSON, at the most for nearly all. */
const unitBytes = 3;

/** Bytes of a slice, on average: its part of the text, and what it repeats. */
function sliceBytes({ length }: string, slices: number, overlapTokens: number): number {
  return Math.ceil(unitBytes * (length / slices + Math.min(length, mostUnits(overlapTokens))));
}
