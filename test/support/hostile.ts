/** A request that is made to hurt. */
export interface HostileRequest {
  name: string;
  path: string;
  headers?: Record<string, string>;
  body: string;
}

const aliases = (count: number, field: string) =>
  Array.from({ length: count }, (_, i) => `e${i}: ${field}`).join(' ');
const graphql = (
  name: string,
  query: string,
  variables?: object,
  headers?: Record<string, string>,
): HostileRequest => ({
  name,
  path: '/graphql',
  body: JSON.stringify({ query, variables }),
  ...(headers ? { headers } : {}),
});
const repeated = <Value>(count: number, value: Value): Value[] => new Array<Value>(count).fill(value);

const bomb = (count: number) =>
  `mutation($t: [String!]!) { embedBatch(texts: $t) { ${aliases(count, 'embeddings')} } }`;
const one = 'mutation($t: String!) { embed(text: $t) { tokens truncated } }';
const entities = (selection: string) =>
  `query($r: [_Any!]!) { _entities(representations: $r) { ${selection} } }`;
const stubs = (count: number) => repeated(count, { __typename: 'EmbeddedText', text: 'a' });

/** Every kind of request that has once held or filled a server, and more of the same kinds. @param scale 1 for the full size */
export function hostileRequests(scale = 1): HostileRequest[] {
  const bytes = Math.floor(15_000_000 * scale);
  const many = (count: number) => Math.max(1, Math.floor(count * scale));
  const text = (name: string, unit: string) =>
    graphql(name, one, {
      t: unit.repeat(Math.floor(bytes / Buffer.byteLength(JSON.stringify(unit).slice(1, -1)))),
    });
  const phrase = (words: string) => graphql(`the parser's "${words}"`, `{ "${words.repeat(many(55_000))}" }`);
  const deep = (open: string, close: string, count: number) => open.repeat(count) + close.repeat(count);
  const introspection =
    '{ __schema { types { fields { type { fields { type { fields { args { name } } } } } } } } }';
  return [
    // Answers
    graphql('16 aliases of 2,048 vectors (H4)', bomb(16), { t: repeated(many(2_048), 'a') }),
    graphql('the same, "subscription" in a comment (H4b)', `${bomb(16)} # subscription`, {
      t: repeated(many(2_048), 'a'),
    }),
    graphql(
      'the same, as a stream (H4b)',
      bomb(16),
      { t: repeated(many(2_048), 'a') },
      { accept: 'text/event-stream' },
    ),
    graphql(
      '16 × 16 aliases over 2,048 entities (H4)',
      entities(`... on EmbeddedText { ${aliases(16, `embedding { ${aliases(16, 'embedding')} }`)} }`),
      { r: stubs(many(2_048)) },
    ),
    graphql(
      'an answer just within the limit',
      'mutation($t: [String!]!) { embedBatch(texts: $t) { embeddings e: embeddings } }',
      { t: repeated(many(2_048), 'a') },
    ),
    graphql(
      'aliases of introspection',
      `{ ${aliases(16, `__schema { types { ${aliases(16, 'fields { name args { name description } type { name } }')} } }`)} }`,
    ),
    graphql('introspection in circles', introspection),
    graphql('aliases of metrics', `{ ${aliases(16, `metrics { ${aliases(16, 'byModel { model }')} }`)} }`),
    graphql('aliases of models', `{ ${aliases(200, 'models { name provider available }')} }`),
    graphql('aliases of the SDL', `{ ${aliases(500, '_service { sdl }')} }`),
    // Lists
    graphql(
      '1,000,000 empty texts (H22)',
      'mutation($t: [String!]!) { embedBatch(texts: $t) { failures { index code message retryable } } }',
      { t: ['a', ...repeated(many(1_000_000), '')] },
    ),
    graphql(
      '5,000,000 empty texts (H22)',
      'mutation($t: [String!]!) { embedBatch(texts: $t) { failures { index code } } }',
      { t: repeated(many(5_000_000), '') },
    ),
    graphql('500,000 stubs of models (H22)', entities(`... on Model { ${aliases(16, 'name')} }`), {
      r: repeated(many(500_000), { __typename: 'Model' }),
    }),
    graphql('nulls for texts', 'mutation($t: [String!]!) { embedBatch(texts: $t) { totalEmbeddings } }', {
      t: repeated(many(3_000_000), null),
    }),
    graphql('numbers for representations', entities('__typename'), { r: repeated(many(7_000_000), 1) }),
    {
      name: '4,000,000 inputs at /v1 (H22)',
      path: '/v1/embeddings',
      body: JSON.stringify({ input: repeated(many(3_700_000), 'a') }),
    },
    {
      name: 'lists of tokens at /v1',
      path: '/v1/embeddings',
      body: JSON.stringify({ input: repeated(many(2_000_000), [1]) }),
    },
    {
      name: 'one list of tokens at /v1',
      path: '/v1/embeddings',
      body: JSON.stringify({ input: repeated(many(7_000_000), 1) }),
    },
    graphql(
      'a list as a literal',
      `mutation { embedBatch(texts: [${repeated(many(3_700_000), '""').join(' ')}]) { totalEmbeddings } }`,
    ),
    // Nesting
    {
      name: 'variables nested deep',
      path: '/graphql',
      body: `{"query":"{ __typename }","variables":{"a":${deep('[', ']', many(1_000_000))}}}`,
    },
    graphql('literals nested deep', `{ a(x: ${deep('[', ']', many(100_000))}) }`),
    graphql('selections nested deep', deep('{ a ', '}', many(100_000))),
    graphql(
      'fragments that spread each other twice',
      `{ ...f0 } ${Array.from({ length: 200 }, (_, i) => `fragment f${i} on Query { ...f${(i + 1) % 201} a${i}: __typename ...f${(i + 1) % 201} }`).join(' ')} fragment f200 on Query { __typename }`,
    ),
    graphql('the same field many times over', `{ ${'health { status } '.repeat(many(200_000))} }`),
    graphql('many aliases of nothing', `{ ${aliases(many(500_000), '__typename')} }`),
    graphql('many directives', `{ __typename ${'@include(if: true) '.repeat(many(200_000))} }`),
    graphql(
      'many variables',
      `query(${Array.from({ length: many(50_000) }, (_, i) => `$v${i}: Int`).join(' ')}) { __typename }`,
    ),
    // Texts
    text('one text: letters just short of a run (H5)', `${'a'.repeat(199)} `),
    text('one text: dots just short of a run (H5)', `${'.'.repeat(199)}a`),
    text('one text: no space', 'abcdefghij'),
    text('one text: emoji', '🐈'),
    text('one text: halves of characters', '\ud800'),
    text('one text: white space', ' \t'),
    text('one text: line breaks', '\n'),
    text('one text: zeros', '\0'),
    text('one text: words', 'lorem ipsum '),
    graphql(
      'one text many times over',
      'mutation($t: [String!]!) { embedBatch(texts: $t) { totalEmbeddings } }',
      { t: repeated(15, 'ab cd '.repeat(many(160_000))) },
    ),
    graphql(
      'one text for 500 aliases',
      `mutation($t: String!) { ${aliases(500, 'embed(text: $t) { tokens }')} }`,
      { t: 'ab cd '.repeat(many(2_400_000)) },
    ),
    graphql(
      'long texts that differ',
      'mutation($t: [String!]!) { embedBatch(texts: $t) { totalEmbeddings } }',
      { t: Array.from({ length: many(1_800) }, (_, i) => `${i} ${'word '.repeat(1_600)}`) },
    ),
    graphql(
      'texts of one length, long, that differ at the end',
      'mutation($t: [String!]!) { embedBatch(texts: $t) { totalEmbeddings } }',
      { t: Array.from({ length: many(900) }, (_, i) => 'a'.repeat(16_500) + String(i).padStart(4, '0')) },
    ),
    graphql(
      'names of one length, long, that differ at the end',
      `{ ${Array.from({ length: many(900) }, (_, i) => `${'a'.repeat(16_500)}${String(i).padStart(4, '0')}: __typename`).join(' ')} }`,
    ),
    // Errors
    phrase('got invalid value '),
    phrase('cannot represent '),
    phrase('Expected value of type '),
    graphql('a variable of a wrong type, long', 'mutation($t: Int!) { __typename }', {
      t: 'got invalid value '.repeat(many(800_000)),
    }),
    graphql('a model with a long name', 'mutation($m: String) { embed(text: "a", model: $m) { tokens } }', {
      m: 'm'.repeat(bytes),
    }),
    graphql('a field with a long name', `{ ${'f'.repeat(many(10_000_000))} }`),
    graphql('an operation with a long name', `query ${'q'.repeat(many(10_000_000))} { __typename }`),
    { name: 'no JSON', path: '/graphql', body: '['.repeat(bytes) },
    {
      name: 'a member many times over',
      path: '/graphql',
      body: `{"query":"{ __typename }"${',"variables":{}'.repeat(many(900_000))}}`,
    },
    {
      name: 'many members',
      path: '/graphql',
      body: `{"query":"{ __typename }","variables":{${Array.from({ length: many(1_000_000) }, (_, i) => `"${i}x":1`).join(',')}}}`,
    },
  ];
}
