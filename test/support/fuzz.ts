import fc from 'fast-check';

/** One request as it goes over the wire. */
export interface FuzzCase {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: Buffer;
}

const operations = [
  'mutation { a: embed(text: "cat") { embedding dimension cached cost } b: embedQuery(query: "dog") { model } }',
  'mutation Batch($texts: [String!]!) { embedBatch(texts: $texts, batchSize: 2) { embeddingsBase64 failures { index code } } }',
  'mutation { a: embedChunks(text: "One. Two.", maxTokens: 4, overlapTokens: 1) { text start end tokens embedding { chunks } } b: embed(text: "long", longText: AVERAGE) { chunks } }',
  'query { models { name available } metrics { byModel { model } } health { status cacheBackend } }',
  '{ similarity(a: "cat", b: "dog") nearest(query: "q", texts: ["a", "b"], k: 1) { index text } }',
  '{ _entities(representations: [{ __typename: "EmbeddedText", text: "t" }]) { ... on EmbeddedText { embedding { tokens } } } _service { sdl } }',
  'mutation { resetMetrics { status previous { since } } }',
  'subscription { embedStream(texts: ["s"]) { done total } }',
  'query Q($x: Boolean!) { health @include(if: $x) { ...F } } fragment F on Health { status version }',
  '{ __schema { types { name fields { name type { ofType { name } } } } } __type(name: "Model") { kind } }',
];
const pieces = [
  '{',
  '}',
  '(',
  ')',
  '[',
  ']',
  ':',
  '$',
  '@include',
  '...',
  '"',
  '"""',
  '\\u0000',
  '\u0000',
  '💥',
  'fragment',
  'on',
  'null',
  '-1e999',
  '9007199254740993',
  '#',
  '\n',
  '\uFEFF',
  '\\',
  'texts',
  '__proto__',
  'constructor',
];
const types = [
  'application/json',
  'application/json; charset=utf-16',
  'application/graphql',
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'multipart/form-data',
  '',
];
const accepts = [
  '*/*',
  'application/json',
  'application/graphql-response+json',
  'text/event-stream',
  'multipart/mixed',
  'text/html',
  'image/png',
  'application/json;charset=latin1',
  ';;;,',
  '',
];

/** Somewhere in a text something is taken out, put in, or doubled; up to four times. */
function mutated(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const change = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.nat(8),
    put: fc.constantFrom(...pieces, ''),
    double: fc.boolean(),
  });
  return fc.tuple(text, fc.array(change, { maxLength: 4 })).map(([original, changes]) =>
    changes.reduce((current, { at, cut, put, double }) => {
      const from = Math.floor(at * current.length);
      return (
        current.slice(0, from) +
        put +
        (double ? current.slice(from, from + 40) : '') +
        current.slice(from + cut)
      );
    }, original),
  );
}

const operation = mutated(fc.constantFrom(...operations));
const json = fc.jsonValue({ maxDepth: 4 });
const variables = fc.oneof(fc.constant({ texts: ['a', '', 'b'] }), fc.record({ texts: json }), json);
const envelope = fc
  .record({ query: operation, variables, operationName: fc.option(fc.string()) }, { requiredKeys: ['query'] })
  .map((body) => JSON.stringify(body));
const openai = mutated(
  fc
    .record(
      {
        model: fc.oneof(fc.constant('text-embedding-3-small'), fc.string()),
        input: fc.oneof(fc.constant(['a', 'b']), json),
        dimensions: fc.oneof(fc.nat(3_000), json),
        encoding_format: fc.constantFrom('float', 'base64', 'x'),
      },
      { requiredKeys: ['input'] },
    )
    .map((body) => JSON.stringify(body)),
);
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const multipart = mutated(
  fc.constant(
    '--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n{"query":"{ __typename }"}\r\n--x\r\ncontent-disposition: form-data; name="map"\r\n\r\n{"0":["variables.f"]}\r\n--x--\r\n',
  ),
);

/** Names that objects have without anybody having put them there. */
const inherited = ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf', 'texts'];
const anyText = fc.oneof(
  fc.constantFrom(
    'a',
    '',
    ' ',
    '\ud800',
    '\u0000',
    'got invalid value '.repeat(50),
    `${'a'.repeat(199)} `.repeat(20),
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
const aliased = (count: number, field: string) =>
  Array.from({ length: count }, (_, i) => `e${i}: ${field}`).join(' ');
const comment = fc.constantFrom('', ' # subscription', ' # "subscription {"');
/** Many of everything: small to send, and large to answer. */
const bomb: fc.Arbitrary<string> = fc
  .record({
    count: fc.constantFrom(1, 2, 15, 16, 17, 40, 200),
    inner: fc.constantFrom(1, 4, 16, 17),
    length: fc.constantFrom(0, 1, 10, 99, 100, 101, 500, 5_000),
    text: anyText,
    name: fc.constantFrom(...inherited),
    form: fc.constantFrom('embeddings', 'embeddingsBase64', 'failures { index message }', 'totalEmbeddings'),
    kind: fc.nat(8),
    comment,
    entry: fc.oneof(
      anyText.map((text) => ({ __typename: 'EmbeddedText', text })),
      fc.constantFrom<unknown>(
        { __typename: 'Model', name: 'nope' },
        { __typename: 'Model' },
        { __typename: 'constructor' },
        { __typename: 'EmbeddedText', text: 5 },
        { __typename: 'EmbeddedText' },
        null,
        'x',
        [],
      ),
    ),
  })
  .map(({ count, inner, length, text, name, form, kind, comment: end, entry }) => {
    // A body that is larger than is taken is a case of its own, elsewhere.
    const texts = new Array<string>(Math.min(length, Math.ceil(100_000 / (text.length + 1)))).fill(text);
    switch (kind) {
      case 0:
        return {
          query: `mutation($t: [String!]!, $${name}x: String) { embedBatch(texts: $t, model: $${name}x) { ${aliased(count, form)} } }${end}`,
          variables: { t: texts },
        };
      case 1:
        return {
          query: `mutation($${name}: String) { ${aliased(count, `embed(text: ${JSON.stringify(text.toWellFormed())}, model: $${name}) { ${aliased(inner, 'embedding')} }`)} }${end}`,
          variables: {},
        };
      case 2:
        return {
          query: `query($r: [_Any!]!) { _entities(representations: $r) { ... on EmbeddedText { ${aliased(count, `embedding { ${aliased(inner, 'embedding')} }`)} } } }${end}`,
          variables: {
            r: [entry, ...texts.map((one) => ({ __typename: 'EmbeddedText', text: one })), entry],
          },
        };
      case 3:
        return {
          query: `{ ${aliased(count, `__schema { types { ${aliased(inner, 'fields { name args { name } }')} } }`)} }${end}`,
        };
      case 4:
        return { query: `${'{ a '.repeat(count * inner)}${'}'.repeat(count * inner)}${end}` };
      case 5:
        return {
          query: '{ __typename }',
          variables: {
            [name]: texts,
            deep: JSON.parse(
              `${'['.repeat(Math.min(length, 1_000) + 1)}${']'.repeat(Math.min(length, 1_000) + 1)}`,
            ),
          },
        };
      case 6:
        return {
          query: `{ ${aliased(count, 'similarity(a: "a", b: "b")')} nearest(query: "q", texts: ${JSON.stringify(texts.map((one) => one.toWellFormed()))}) { text } }${end}`,
        };
      case 7:
        return {
          query: `subscription($t: [String!]!) { embedStream(texts: $t) { ${aliased(count, 'embeddings')} } }${end}`,
          variables: { t: texts },
        };
      default:
        return {
          query: `mutation { ...f } fragment f on Mutation { ${aliased(count, 'embedBatch(texts: ["a", "b"]) { totalEmbeddings }')} ...g } fragment g on Mutation { ${aliased(inner, 'embedQuery(query: "q") { tokens }')} }${end}`,
        };
    }
  })
  .map((body) => JSON.stringify(body));
const openaiBomb: fc.Arbitrary<string> = fc
  .record({
    input: fc
      .tuple(
        fc.oneof<fc.Arbitrary<unknown>[]>(anyText, fc.constantFrom<unknown>(1, null, [1], [100_257], [[]])),
        fc.constantFrom(0, 1, 99, 100, 101, 5_000),
      )
      .map(([one, count]) =>
        new Array<unknown>(typeof one === 'string' && one.length > 20 ? 99 : count).fill(one),
      ),
    encoding_format: fc.constantFrom('float', 'base64'),
  })
  .map((body) => JSON.stringify(body));

const post = (path: string, type: string, body: fc.Arbitrary<string | Buffer>): fc.Arbitrary<FuzzCase> =>
  fc
    .record({
      body,
      accept: fc.constantFrom(...accepts),
      wrongType: fc.nat(9),
      type: fc.constantFrom(...types),
    })
    .map((made) => ({
      method: 'POST',
      path,
      headers: { accept: made.accept, 'content-type': made.wrongType === 0 ? made.type : type },
      body: Buffer.from(made.body as Buffer),
    }));

const get: fc.Arbitrary<FuzzCase> = fc
  .record({
    query: operation,
    variables: fc.oneof(
      variables.map((value) => JSON.stringify(value)),
      fc.string(),
    ),
    accept: fc.constantFrom(...accepts),
    path: fc.constantFrom(
      '/graphql',
      '/v1/models',
      '/v1/models/',
      '/metrics',
      '/',
      '/health',
      '/%00',
      '/graphql/x',
    ),
  })
  .map(({ query, variables: given, accept, path }) => ({
    method: 'GET',
    path: `${path}?${new URLSearchParams({ query, variables: given })}`,
    headers: { accept },
  }));

const odd: fc.Arbitrary<FuzzCase> = fc
  .record({
    method: fc.constantFrom('PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'POST'),
    path: fc.constantFrom('/graphql', '/v1/embeddings', '/metrics', '/v1/models/%E0%A4%A', '//'),
    header: fc.constantFrom('authorization', 'x-request-id', 'traceparent', 'origin', 'sec-fetch-site'),
    value: fc.string({ maxLength: 60 }),
  })
  .map(({ method, path, header, value }) => ({
    method,
    path,
    headers: { [header]: value.replace(/[^\x20-\x7e]/g, '') },
  }));

/** Everything that a careless or a hostile client may send as HTTP. */
export const fuzzCase: fc.Arbitrary<FuzzCase> = fc.oneof(
  { weight: 6, arbitrary: post('/graphql', 'application/json', envelope) },
  { weight: 3, arbitrary: post('/graphql', 'application/json', mutated(envelope)) },
  {
    weight: 1,
    arbitrary: post(
      '/graphql',
      'application/json',
      json.map((value) => JSON.stringify(value)),
    ),
  },
  { weight: 1, arbitrary: post('/graphql', 'application/json', bytes) },
  { weight: 5, arbitrary: post('/graphql', 'application/json', bomb) },
  { weight: 1, arbitrary: post('/v1/embeddings', 'application/json', openaiBomb) },
  { weight: 1, arbitrary: post('/graphql', 'multipart/form-data; boundary=x', multipart) },
  { weight: 3, arbitrary: post('/v1/embeddings', 'application/json', openai) },
  { weight: 1, arbitrary: post('/v1/embeddings', 'application/json', bytes) },
  { weight: 2, arbitrary: get },
  { weight: 1, arbitrary: odd },
);

/** Bytes that may or may not be HTTP. */
export const rawBytes: fc.Arbitrary<Buffer> = fc.oneof(
  bytes,
  mutated(
    fc.constant(
      'POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 24\r\nconnection: close\r\n\r\n{"query":"{__typename}"}',
    ),
  ).map((text) => Buffer.from(text)),
  mutated(
    fc.constant(
      'GET /health HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n',
    ),
  ).map((text) => Buffer.from(text)),
);
