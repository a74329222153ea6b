import fc from 'fast-check';

/** A request of any door, and what it asks for. */
export interface RandomRequest {
  path: '/graphql' | '/v1/embeddings';
  headers: Record<string, string>;
  /** The body, in which every text is new. @param run a number that no other request had */
  body(run: number): string;
  /** Texts that each of its operations asks for, empty and wrong ones included; 0 for one that is not valid as a whole. */
  texts: number[];
  /** Whether nothing but the number of its texts can be the reason to refuse one of them as a whole. */
  valid: boolean;
}

/** A value of an argument, and how many texts it is. */
interface Value {
  json: unknown;
  texts: number;
  valid: boolean;
  /** Too long to be written into a query. */
  asVariable?: boolean;
}

interface Argument {
  name: string;
  type: string;
  value: Value;
  how: 'literal' | 'variable' | 'default';
  variable: string;
}

interface Field {
  alias: string;
  name: string;
  arguments: Argument[];
  /** Arguments that ask for no texts, written down. */
  more: string;
  selection: string;
  directive: keyof typeof directives;
  wrapper: 'none' | 'inline' | 'fragment' | 'nested' | 'twice' | 'fragment twice';
}

interface Operation {
  text: string;
  texts: number;
  valid: boolean;
}

/** Stands for the number of the run, and for lists that are only made when they are sent. */
const runMark = '§';
const listMark = /"§list(\d+)"/g;

/** The run whose text this is; undefined for one that is everybody's. */
export function runOf(text: string): number | undefined {
  const [, run] = /^(\d+) \d+$/.exec(text) ?? [];
  return run === undefined ? undefined : Number(run);
}

/** Names that objects have without anybody having put them there. */
const inherited = ['constructor', 'toString', 'hasOwnProperty', 'valueOf', '__proto__', 'isPrototypeOf'];

const directives = {
  '': true,
  '@include(if: true)': true,
  '@include(if: $yes)': true,
  '@skip(if: $no)': true,
  '@include(if: $yes) @skip(if: $no)': true,
  '@include(if: false)': false,
  '@skip(if: $yes)': false,
  '@include(if: $yes) @skip(if: true)': false,
};

const weighted = <T>(...choices: Array<readonly [weight: number, arbitrary: fc.Arbitrary<T>]>) =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
const wrong = (...values: unknown[]): fc.Arbitrary<Value> =>
  fc.constantFrom(...values).map((json) => ({ json, texts: 0, valid: false }));

const text = weighted(
  [12, fc.nat(30).map((n) => `${runMark} ${n}`)],
  [1, fc.constantFrom('shared', 'everybody has this')],
  [1, fc.constantFrom('', '  ')],
);
const oneText: fc.Arbitrary<Value> = weighted(
  [14, text.map((json): Value => ({ json, texts: 1, valid: true }))],
  [1, wrong(null, 5, true, { a: 1 }, ['x'])],
);
const longList = weighted([3, fc.constant(20_000)], [1, fc.constant(1_000_000)]).map(
  (count): Value => ({ json: `${runMark}list${count}`, texts: count, valid: true, asVariable: true }),
);
const textList: fc.Arbitrary<Value> = weighted(
  [40, fc.array(text, { maxLength: 8 }).map((json): Value => ({ json, texts: json.length, valid: true }))],
  [
    4,
    fc
      .array(text, { minLength: 9, maxLength: 30 })
      .map((json): Value => ({ json, texts: json.length, valid: true })),
  ],
  // A list of one, as GraphQL has it.
  [2, text.map((json): Value => ({ json, texts: 1, valid: true }))],
  [3, wrong(null, 5, [null], ['a', 1], [['a']], { a: 1 })],
  [2, longList],
);
const representation = weighted<unknown>(
  [8, text.map((one) => ({ __typename: 'EmbeddedText', text: one }))],
  [2, text.map((one) => ({ __typename: 'EmbeddedText', text: one, model: 'text-embedding-3-large' }))],
  [1, text.map((one) => ({ __typename: 'EmbeddedText', text: one, model: 'nowhere' }))],
  [
    2,
    fc.constantFrom<unknown>(
      { __typename: 'EmbeddedText' },
      { __typename: 'EmbeddedText', text: 5 },
      { __typename: 'EmbeddedText', text: ['a', 'b'] },
      { __typename: 'EmbeddedText', text: 'x', model: {} },
      { __typename: 'Model', name: 'text-embedding-3-small' },
      { __typename: 'Model', text: 'x' },
      { __typename: 'constructor', text: 'x' },
      { __typename: '__proto__', text: 'x' },
      { __typename: null },
      { text: 'x' },
      {},
      'x',
      5,
      [],
    ),
  ],
);
const representations: fc.Arbitrary<Value> = weighted(
  [
    20,
    fc
      .array(representation, { maxLength: 20 })
      .map((json): Value => ({ json, texts: json.length, valid: true })),
  ],
  [1, text.map((one): Value => ({ json: { __typename: 'EmbeddedText', text: one }, texts: 1, valid: true }))],
  [1, wrong(null, [null])],
  [1, longList],
);

const argument = (name: string, type: string, value: fc.Arbitrary<Value>): fc.Arbitrary<Argument> =>
  fc.record({
    name: fc.constant(name),
    type: fc.constant(type),
    value,
    how: fc.constantFrom<Argument['how'][]>('literal', 'variable', 'variable', 'default'),
    variable: fc.constantFrom(...inherited, 'texts', name),
  });
const one = (name: string) => argument(name, 'String!', oneText);
const list = (name: string) => argument(name, '[String!]!', textList);

const model = weighted([5, fc.constant('')], [2, fc.constant('model: "text-embedding-3-large"')]);
const anyModel = weighted([8, model], [1, fc.constantFrom('model: "nowhere"', 'model: null', 'model: ""')]);
const options = fc.tuple(
  anyModel,
  weighted([4, fc.constant('')], [2, fc.constant('useCache: false')]),
  weighted([8, fc.constant('')], [1, fc.constantFrom('dimensions: 3', 'dimensions: 0', 'dimensions: 99999')]),
);
const joined = options.map((parts) => parts.filter(Boolean).join(', '));

const field = (
  name: string,
  args: ReadonlyArray<fc.Arbitrary<Argument>>,
  more: fc.Arbitrary<string>,
  selection: string,
): fc.Arbitrary<Field> =>
  fc.record({
    alias: fc.constantFrom(...inherited, name, 'embed', 'data', '_entities', 'similarity'),
    name: fc.constant(name),
    arguments: fc.tuple(...args),
    more,
    selection: fc.constant(selection),
    directive: weighted(
      [2, fc.constant<Field['directive']>('')],
      [2, fc.constantFrom(...(Object.keys(directives) as Array<Field['directive']>))],
    ),
    wrapper: fc.constantFrom<Field['wrapper'][]>(
      'none',
      'none',
      'inline',
      'fragment',
      'nested',
      'twice',
      'fragment twice',
    ),
  });
const nothing = fc.constant('');
const mutations = fc.oneof(
  field('embed', [one('text')], joined, '{ cost cached tokens }'),
  field('embedQuery', [one('query')], joined, '{ cost cached embeddingInt8 }'),
  field('embedBatch', [list('texts')], joined, '{ totalCost embeddingsBinary failures { code } }'),
  field('resetMetrics', [], nothing, '{ status }'),
);
const queries = fc.oneof(
  field('similarity', [one('a'), one('b')], anyModel, ''),
  field('nearest', [one('query'), list('texts')], anyModel, '{ index similarity }'),
  field(
    '_entities',
    [argument('representations', '[_Any!]!', representations)],
    nothing,
    '{ __typename ... on EmbeddedText { embedding { tokens } } ... on Model { dimension } }',
  ),
  field(
    '_entities',
    [argument('representations', '[_Any!]!', representations)],
    nothing,
    '{ __typename ... on EmbeddedText { text } }',
  ),
  field('models', [], nothing, '{ name }'),
);

const operation = fc.oneof(
  fc.array(mutations, { minLength: 1, maxLength: 7 }).map((fields) => write('Mutation', fields)),
  fc.array(queries, { minLength: 1, maxLength: 5 }).map((fields) => write('Query', fields)),
);
const stream = field('embedStream', [list('texts')], model, '{ done total failures { code } }').map(
  (written) => write('Subscription', [{ ...written, alias: 'embedStream', directive: '', wrapper: 'none' }]),
);

/** Writes an operation down, with its variables: JSON as it goes over the wire. */
function write(type: 'Query' | 'Mutation' | 'Subscription', fields: readonly Field[]): Operation {
  const declarations: string[] = [];
  const variables: string[] = [];
  const fragments: string[] = [];
  const taken = new Set(['yes', 'no']);
  const unused = (name: string) => {
    const found = taken.has(name) ? `${name}_${taken.size}` : name;
    taken.add(found);
    return found;
  };
  const aliases = new Set<string>();
  let texts = 0;
  let valid = true;
  const selections = fields.map((one, i) => {
    const args = one.arguments.map(({ name, type: kind, value, how, variable }) => {
      valid &&= value.valid;
      if (directives[one.directive]) texts += value.texts;
      if (how === 'literal' && !value.asVariable) return `${name}: ${literal(value.json)}`;
      const own = unused(variable);
      const isDefault = how === 'default' && !value.asVariable;
      declarations.push(`$${own}: ${kind}${isDefault ? ` = ${literal(value.json)}` : ''}`);
      if (!isDefault) variables.push(`${JSON.stringify(own)}: ${JSON.stringify(value.json)}`);
      return `${name}: $${own}`;
    });
    if (one.more) args.push(one.more);
    const alias = aliases.has(one.alias) ? `f${i}` : one.alias;
    aliases.add(alias);
    const call = args.length > 0 ? `${one.name}(${args.join(', ')})` : one.name;
    const written = `${alias}: ${call} ${one.directive} ${one.selection}`;
    switch (one.wrapper) {
      case 'none':
        return written;
      case 'inline':
        return `... on ${type} { ${written} }`;
      case 'twice':
        return `${written} ... { ${written} }`;
    }
    fragments.push(
      one.wrapper === 'nested'
        ? `fragment F${i} on ${type} { ... on ${type} { ...G${i} } } fragment G${i} on ${type} { ${written} }`
        : `fragment F${i} on ${type} { ${written} }`,
    );
    return one.wrapper === 'fragment twice' ? `...F${i} ...F${i}` : `...F${i}`;
  });
  if (type !== 'Subscription') {
    declarations.push('$yes: Boolean!', '$no: Boolean! = false');
    variables.push('"yes": true');
    selections.push('... @include(if: $yes) @skip(if: $no) { __typename }');
  }
  const declared = declarations.length > 0 ? `(${declarations.join(', ')})` : '';
  const query = `${type.toLowerCase()}${declared} { ${selections.join(' ')} } ${fragments.join(' ')}`;
  return {
    text: `{"query": ${JSON.stringify(query)}, "variables": {${variables.join(', ')}}}`,
    texts: valid ? texts : 0,
    valid,
  };
}

/** A value as GraphQL writes it. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value)
    .map(([name, inside]) => `${name}: ${literal(inside)}`)
    .join(', ')} }`;
}

const inputs: fc.Arbitrary<Value> = weighted(
  [6, textList],
  [
    1,
    fc
      .array(fc.nat(50_000), { minLength: 1, maxLength: 5 })
      .map((json) => ({ json, texts: 1, valid: false })),
  ],
  [
    1,
    fc
      .array(fc.array(fc.nat(50_000), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 20 })
      .map((json) => ({ json, texts: json.length, valid: false })),
  ],
);
const openai: fc.Arbitrary<Operation> = fc
  .record({
    input: inputs,
    more: fc.constantFrom(
      '',
      ', "model": "text-embedding-3-large"',
      ', "model": "nowhere"',
      ', "dimensions": 0',
    ),
  })
  .map(({ input: { json, texts, valid }, more }) => ({
    text: `{"input": ${JSON.stringify(json)}${more}}`,
    texts,
    valid: valid && !more.includes('dimensions'),
  }));

function request(
  operations: readonly Operation[],
  path: RandomRequest['path'],
  accept: string,
): RandomRequest {
  const written = operations.map(({ text: one }) => one);
  const template = operations.length === 1 ? written[0]! : `[${written.join(', ')}]`;
  return {
    path,
    headers: { 'content-type': 'application/json', accept },
    body: (run) =>
      template
        .replace(listMark, (_mark, count) => `[${'"",'.repeat(Number(count) - 1)}""]`)
        .replaceAll(runMark, String(run)),
    texts: operations.map(({ texts }) => texts),
    valid: operations.every(({ valid }) => valid),
  };
}

/** Requests of every door: valid, wrong, and too large. */
export const requests: fc.Arbitrary<RandomRequest> = weighted(
  [8, operation.map((one) => request([one], '/graphql', 'application/json'))],
  [
    1,
    fc
      .array(operation, { minLength: 2, maxLength: 3 })
      .map((several) => request(several, '/graphql', 'application/json')),
  ],
  [1, stream.map((one) => request([one], '/graphql', 'text/event-stream'))],
  [2, openai.map((one) => request([one], '/v1/embeddings', 'application/json'))],
);
