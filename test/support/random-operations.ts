import fc from 'fast-check';
import {
  isRun,
  type Placement,
  placement,
  writeMutation,
} from '../../packages/look-ahead/test/support/random-documents.ts';

/** A root field before it is written down. */
export interface Field extends Placement {
  kind: 'embed' | 'embedQuery' | 'embedBatch' | 'resetMetrics' | '__typename';
  texts: string[];
  model: 'small-batches' | 'other' | 'nowhere' | undefined;
  useCache: boolean;
  dimensions: number | undefined;
  /** Whether its texts come as literals or as variables. */
  asVariable: boolean;
}

export interface Operation {
  query: string;
  variables: Record<string, unknown>;
  /** The fields that run, in the order in which they run. */
  running: Field[];
}

const text = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom('cat', 'dog', 'bird', 'fish', 'worm', 'fox', 'owl', 'bee', 'ant', 'elk'),
  },
  { weight: 1, arbitrary: fc.constantFrom('☠ poison', '☠ another') },
  { weight: 1, arbitrary: fc.constantFrom('', '  ') },
);

const content: fc.Arbitrary<Omit<Field, keyof Placement>> = fc.record({
  kind: fc.oneof(
    { weight: 10, arbitrary: fc.constant<Field['kind']>('embed') },
    { weight: 3, arbitrary: fc.constant<Field['kind']>('embedQuery') },
    { weight: 3, arbitrary: fc.constant<Field['kind']>('embedBatch') },
    { weight: 1, arbitrary: fc.constant<Field['kind']>('resetMetrics') },
    { weight: 1, arbitrary: fc.constant<Field['kind']>('__typename') },
  ),
  texts: fc.array(text, { minLength: 1, maxLength: 8 }),
  model: fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom<Field['model'][]>(undefined, 'small-batches', 'other') },
    { weight: 1, arbitrary: fc.constant<Field['model']>('nowhere') },
  ),
  useCache: fc.oneof(
    { weight: 4, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant(false) },
  ),
  dimensions: fc.oneof(
    { weight: 5, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(0, 3, 8, 99) },
  ),
  asVariable: fc.boolean(),
});

export const operations: fc.Arbitrary<Operation> = fc
  .array(fc.tuple(content, placement), { minLength: 1, maxLength: 25 })
  .map((fields) => write(fields.map(([field, place]) => ({ ...field, ...place }))));

function write(fields: Field[]): Operation {
  const variables: Record<string, unknown> = { yes: true };
  const declarations: string[] = [];
  const written = fields.map((field, i) => ({
    ...field,
    call: call(field, `f${i}`),
    selection: select(field),
  }));

  function call(field: Field, alias: string): string {
    const { kind, texts, model, useCache, dimensions } = field;
    if (kind === 'resetMetrics' || kind === '__typename') return kind;
    const [name, type, value] =
      kind === 'embedBatch'
        ? ['texts', '[String!]!', texts]
        : [kind === 'embed' ? 'text' : 'query', 'String!', texts[0]];
    const args: string[] = [];
    if (field.asVariable) {
      variables[alias] = value;
      declarations.push(`$${alias}: ${type}`);
      args.push(`${name}: $${alias}`);
    } else args.push(`${name}: ${JSON.stringify(value)}`);
    if (model) args.push(`model: ${JSON.stringify(model)}`);
    if (!useCache) args.push('useCache: false');
    if (dimensions !== undefined) args.push(`dimensions: ${dimensions}`);
    return `${kind}(${args.join(', ')})`;
  }

  return {
    query: writeMutation(written, declarations),
    variables,
    running: fields.filter(isRun),
  };
}

function select({ kind }: Field): string {
  switch (kind) {
    case '__typename':
      return '';
    case 'resetMetrics':
      return ' { status previous { totalEmbeddingsGenerated totalTokens } }';
    case 'embedBatch':
      return ' { embeddingsBase64 dimension model totalEmbeddings totalTokens failures { index code message } }';
    default:
      return ' { embeddingBase64 dimension model tokens truncated }';
  }
}
