import type { EmbedRequest } from '../embedder/embedder.ts';
import { badUserInput, toEmbedQLError } from '../embedder/errors.ts';
import { cosineSimilarity } from '../embedder/vectors.ts';
import { isEmptyText, readArguments, requireText } from './arguments.ts';
import type { Builder } from './builder.ts';
import type { Context } from './context.ts';
import { gathered } from './gathered.ts';

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
      model: t.string({ description: 'The name of the model. Without it: the default model.' }),
    }));

  builder.queryField('similarity', (t) =>
    t.float({
      nullable: true,
      description: 'The cosine similarity of two texts: 1 for the same direction, 0 for nothing in common.',
      args: {
        a: t.arg.string({ required: true, description: 'A text. Must not be empty.' }),
        b: t.arg.string({ required: true, description: 'Another text. Must not be empty.' }),
        ...model(),
      },
      extensions: gathered<SimilarityArguments>(readPair),
      resolve: async (_root, args, context) => {
        const [a, b] = await Promise.all(
          readPair(args, context).map((request) => context.loader.load(request)),
        );
        return cosineSimilarity(a!.vector, b!.vector);
      },
    }),
  );

  const Neighbor = builder.objectRef<NeighborSource>('Neighbor').implement({
    description: 'A text and how near it is to the query.',
    fields: (t) => ({
      index: t.exposeInt('index', { description: 'Its place in `texts`, from 0.' }),
      text: t.exposeString('text', { description: 'The text.' }),
      similarity: t.exposeFloat('similarity', { description: 'Its cosine similarity to the query.' }),
    }),
  });

  builder.queryField('nearest', (t) =>
    t.field({
      type: [Neighbor],
      description:
        'The texts that are nearest to a query, the nearest first. Texts that are empty or cannot be embedded ' +
        'are left out; it is an error when none is left.',
      args: {
        query: t.arg.string({ required: true, description: 'What to look for. Must not be empty.' }),
        texts: t.arg.stringList({ required: true, description: 'Where to look.' }),
        k: t.arg.int({ defaultValue: 10, description: 'How many to give back at the most.' }),
        ...model(),
      },
      extensions: gathered<NearestArguments>((args, context) => {
        const { query, documents } = readNearest(args, context);
        return [query, ...documents.map(({ request }) => request)];
      }),
      resolve: async (_root, args, context) => {
        const { query, documents, k } = readNearest(args, context);
        const [target, ...answers] = await Promise.all([
          context.loader.load(query),
          ...documents.map(({ request }) => context.loader.load(request).catch(toEmbedQLError)),
        ]);
        const neighbors = answers.flatMap((answer, i): NeighborSource[] => {
          if (answer instanceof Error) return [];
          const { index } = documents[i]!;
          return [
            { index, text: args.texts[index]!, similarity: cosineSimilarity(target.vector, answer.vector) },
          ];
        });
        const failure = answers.find((answer) => answer instanceof Error);
        if (neighbors.length === 0 && failure) throw failure;
        return neighbors.sort((a, b) => b.similarity - a.similarity).slice(0, k);
      },
    }),
  );
}

function readPair({ a, b, model }: SimilarityArguments, context: Context): EmbedRequest[] {
  const { request } = readArguments({ model, useCache: true, truncate: true }, context);
  return [requireText(a, 'a'), requireText(b, 'b')].map((text) => request(text, 'doc'));
}

function readNearest({ query, texts, k, model }: NearestArguments, context: Context) {
  const { request } = readArguments({ model, useCache: true, truncate: true }, context);
  const documents = texts.flatMap((text, index) =>
    isEmptyText(text) ? [] : [{ index, request: request(text, 'doc') }],
  );
  if (documents.length === 0)
    throw badUserInput('texts has nothing to look in; give it a text that is not empty.');
  if (k !== null && k !== undefined && k < 1) throw badUserInput('k must be 1 or more.');
  return { query: request(requireText(query, 'query'), 'query'), documents, k: k ?? 10 };
}
