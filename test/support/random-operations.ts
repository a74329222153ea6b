import fc from 'fast-check';

/** A root field before it is written down. */
export interface Field {
  kind: 'embed' | 'embedQuery' | 'embedBatch' | 'resetMetrics' | '__typename';
  texts: string[];
  model: 'small-batches' | 'other' | 'nowhere' | undefined;
  useCache: boolean;
  dimensions: number | undefined;
  /** Whether its texts come as literals or as variables. */
  asVariable: boolean;
  wrapper: 'none' | 'inline' | 'fragment' | 'nested';
  directive: 'none' | 'include' | 'exclude' | 'skip' | 'include by variable' | 'skip by variable';
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

const field: fc.Arbitrary<Field> = fc.record({
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
  wrapper: fc.constantFrom<Field['wrapper'][]>('none', 'none', 'inline', 'fragment', 'nested'),
  directive: fc.constantFrom<Field['directive'][]>(
    'none',
    'none',
    'none',
    'include',
    'exclude',
    'skip',
    'include by variable',
    'skip by variable',
  ),
});

const directives: Record<Field['directive'], string> = {
  none: '',
  include: ' @include(if: true)',
  exclude: ' @include(if: false)',
  skip: ' @skip(if: true)',
  'include by variable': ' @include(if: $yes)',
  'skip by variable': ' @skip(if: $yes)',
};

const runs = ({ directive }: Field) => ['none', 'include', 'include by variable'].includes(directive);

export const operations: fc.Arbitrary<Operation> = fc
  .array(field, { minLength: 1, maxLength: 25 })
  .map((fields) => write(fields));

function write(fields: Field[]): Operation {
  const variables: Record<string, unknown> = { yes: true };
  const declarations = ['$yes: Boolean! = false'];
  const fragments: string[] = [];
  const selections = fields.map((field, i) => {
    const alias = `f${i}`;
    const selection = `${alias}: ${call(field, alias)}${directives[field.directive]}${select(field)}`;
    if (field.wrapper === 'inline') return `... on Mutation { ${selection} }`;
    if (field.wrapper === 'none') return selection;
    fragments.push(
      field.wrapper === 'fragment'
        ? `fragment F${i} on Mutation { ${selection} }`
        : `fragment F${i} on Mutation { ... on Mutation { ...G${i} } } fragment G${i} on Mutation { ${selection} }`,
    );
    return `...F${i}`;
  });

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
    query: `mutation(${declarations.join(', ')}) { ${selections.join(' ')} ... @include(if: $yes) { __typename } } ${fragments.join(' ')}`,
    variables,
    running: fields.filter(runs),
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
