import { gathered } from '@embedql/look-ahead';
import { badUserInput } from '../../../core/errors.ts';
import { cosineSimilarity } from '../../../core/vectors.ts';
import { isEmptyText, readWish, requireText } from '../../../core/wish.ts';
import { averageBytes } from '../answer-size.ts';
import type { Context } from '../context.ts';
import type { Builder } from './builder.ts';

interface SimilarityArguments {
  a: string;
  b: string;
  model?: string | null;
}

interface NearestArguments {
  query: string;
  texts: readonly string[];
  k?: number | null;
  model?: string | null;
}

interface NeighborSource {
  index: number;
  text: string;
  similarity: number;
}

/** `similarity` and `nearest`: what people open GraphiQL to try, on the same embedder as everything else. */
export function addSimilarity(builder: Builder): void {
  const model = () =>
    builder.args((t) => ({
      model: t.string({ description: 'The name of a model. Default: the default model.' }),
    }));

  builder.queryField('similarity', (t) =>
    t.float({
      nullable: true,
      description: 'The cosine similarity of two texts, from -1 to 1; 1 for the same direction.',
      args: {
        a: t.arg.string({ required: true, description: 'The first text. Must not be empty.' }),
        b: t.arg.string({ required: true, description: 'The second text. Must not be empty.' }),
        ...model(),
      },
      gather: readPair,
      resolve: async (_root, args, context, info) => {
        const { requests } = gathered(readPair, args, context, info);
        const [a, b] = await Promise.all(requests.map((request) => context.loader.load(request)));
        return cosineSimilarity(a!.vector, b!.vector);
      },
    }),
  );

  const Neighbor = builder.objectRef<NeighborSource>('Neighbor').implement({
    description: 'A text and its similarity to the query.',
    fields: (t) => ({
      index: t.exposeInt('index', { description: 'The index of the text in `texts`, from 0.' }),
      text: t.string({
        description: 'The text.',
        resolve: ({ text }, _args, { vectors }) => vectors.text(text),
      }),
      similarity: t.exposeFloat('similarity', { description: 'The cosine similarity to the query.' }),
    }),
  });

  builder.queryField('nearest', (t) =>
    t.field({
      type: [Neighbor],
      description:
        'The texts that are most similar to a query, in descending order. Empty and failed texts are left out; if ' +
        'none is left, the field fails.',
      args: {
        query: t.arg.string({ required: true, description: 'The query. Must not be empty.' }),
        texts: t.arg.stringList({ required: true, description: 'The texts to search.' }),
        k: t.arg.int({ defaultValue: 10, description: 'The maximum number of results.' }),
        ...model(),
      },
      gather: readNearest,
      resolve: async (_root, args, context, info) => {
        const { requests, indexes, k } = gathered(readNearest, args, context, info);
        const [target, ...answers] = await context.loader.loadEach(requests);
        if (!target || target instanceof Error) throw target;
        const found = answers.flatMap((answer, i): NeighborSource[] => {
          if (answer instanceof Error) return [];
          const index = indexes[i]!;
          return [
            { index, text: args.texts[index]!, similarity: cosineSimilarity(target.vector, answer.vector) },
          ];
        });
        const failure = answers.find((answer) => answer instanceof Error);
        if (found.length === 0 && failure) throw failure;
        return found.sort((a, b) => b.similarity - a.similarity).slice(0, k);
      },
    }),
  );
}

function readPair({ a, b, model }: SimilarityArguments, context: Context) {
  context.operation.announce([a, b]);
  const { request } = readWish({ model, useCache: true, truncate: true }, context.catalogue);
  return { requests: [requireText(a, 'a'), requireText(b, 'b')].map((text) => request(text, 'doc')) };
}

function readNearest({ query, texts, k, model }: NearestArguments, context: Context) {
  context.operation.announce([query]);
  context.operation.announce(texts);
  const { request } = readWish({ model, useCache: true, truncate: true }, context.catalogue);
  const indexes = [...texts.keys()].filter((index) => !isEmptyText(texts[index]!));
  if (indexes.length === 0)
    throw badUserInput('texts has no text to search; pass at least one that is not empty.');
  if (k !== null && k !== undefined && k < 1) throw badUserInput('k must be 1 or more.');
  const documents = indexes.map((index) => request(texts[index]!, 'doc'));
  const requests = [request(requireText(query, 'query'), 'query'), ...documents];
  const scale = { items: Math.min(k ?? 10, texts.length), dimension: 0, textBytes: averageBytes(texts) };
  return { requests, indexes, k: k ?? 10, scale };
}
