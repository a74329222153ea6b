import { WebSocket } from 'ws';

/** A request that is made to hurt. */
export interface HostileRequest {
  name: string;
  path: string;
  headers?: Record<string, string>;
  body: string;
  /** The body is a message on a WebSocket: the one that opens the connection, or one after it. Default: it is posted. */
  socket?: 'init' | 'message';
}

/** What became of it: the status, or why a connection was closed; and the answer. */
export interface HostileAnswer {
  status: number;
  text: string;
}

/** Sends it, and waits for at most a minute. @throws where there is no answer */
export async function sendHostile(url: string, request: HostileRequest): Promise<HostileAnswer> {
  const { path, headers, body, socket } = request;
  if (socket) return sendMessage(`${url.replace('http', 'ws')}${path}`, body, socket);
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
    signal: AbortSignal.timeout(60_000),
  });
  return { status: response.status, text: await response.text() };
}

/** Closed once it has been answered. */
function sendMessage(url: string, body: string, as: 'init' | 'message'): Promise<HostileAnswer> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, 'graphql-transport-ws');
    const tooLate = setTimeout(() => socket.terminate(), 60_000);
    let text = '';
    socket.on('open', () => socket.send(as === 'init' ? body : '{"type":"connection_init"}'));
    socket.on('message', (data) => {
      text = String(data);
      if (as === 'message' && text.includes('"connection_ack"')) socket.send(body);
      else socket.close(1000);
    });
    socket.on('error', () => {});
    socket.on('close', (code, reason) => {
      clearTimeout(tooLate);
      if (code === 1006) reject(new Error('the connection was broken off'));
      else resolve({ status: code, text: text || String(reason) });
    });
  });
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

const deep = (open: string, close: string, count: number) => open.repeat(count) + close.repeat(count);

const bomb = (count: number) =>
  `mutation($t: [String!]!) { embedBatch(texts: $t) { ${aliases(count, 'embeddings')} } }`;
const one = 'mutation($t: String!) { embed(text: $t) { tokens truncated } }';
const average = 'mutation($t: String!) { embed(text: $t, longText: AVERAGE) { tokens chunks } }';
const chunks = (tokens: number, selection: string) =>
  `mutation($t: String!) { embedChunks(text: $t, maxTokens: ${tokens}) { ${selection} } }`;
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
  const long = (name: string, query: string, unit: string, size = bytes) =>
    graphql(name, query, {
      t: unit.repeat(Math.ceil(size / Buffer.byteLength(JSON.stringify(unit).slice(1, -1)))),
    });
  const phrase = (words: string) => graphql(`the parser's "${words}"`, `{ "${words.repeat(many(55_000))}" }`);
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
      'an answer of 2,000 vectors that were never written',
      'mutation($t: [String!]!) { embedBatch(texts: $t, model: "text-embedding-3-large") { embeddings } }',
      { t: Array.from({ length: many(2_000) }, (_, i) => `text ${i}`) },
    ),
    graphql(
      'the same for 2,000 aliases',
      `mutation { ${Array.from({ length: many(2_000) }, (_, i) => `e${i}: embed(text: "alias ${i}", model: "text-embedding-3-large") { embedding }`).join(' ')} }`,
    ),
    {
      name: 'the same at /v1',
      path: '/v1/embeddings',
      body: JSON.stringify({
        model: 'text-embedding-3-large',
        input: Array.from({ length: many(2_000) }, (_, i) => `input ${i}`),
      }),
    },
    graphql(
      'the same as a stream',
      'subscription($t: [String!]!) { embedStream(texts: $t, model: "text-embedding-3-large") { embeddings } }',
      { t: Array.from({ length: many(2_000) }, (_, i) => `event ${i}`) },
      { accept: 'text/event-stream' },
    ),
    graphql('texts that come back', entities('... on EmbeddedText { a: text b: text c: text }'), {
      r: Array.from({ length: many(2_000) }, (_, i) => ({
        __typename: 'EmbeddedText',
        text: `${i}${'\u0001'.repeat(1_200)}`,
      })),
    }),
    graphql(
      'texts that come back, nearest',
      'query($t: [String!]!) { nearest(query: "q", texts: $t, k: 2000) { text similarity } }',
      {
        t: Array.from({ length: many(2_000) }, (_, i) => `${i} ${'"'.repeat(3_500)}`),
      },
    ),
    {
      name: 'ten documents of as many tokens as one may have',
      path: '/graphql',
      body: `[${repeated(10, JSON.stringify({ query: `{ a(x: [${'1 '.repeat(many(100_000))}]) }` })).join(',')}]`,
    },
    {
      name: 'ten operations of 200 fields with all that there is',
      path: '/graphql',
      body: JSON.stringify(
        Array.from({ length: 10 }, () => ({
          query: `mutation { ${Array.from({ length: many(200) }, (_, i) => `e${i}: embed(text: "a", model: "text-embedding-3-small", useCache: true, dimensions: 5, truncate: true) { embedding embeddingBase64 embeddingInt8 embeddingBinary dimension model tokens cost cached truncated }`).join(' ')} }`,
        })),
      ),
    },
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
    {
      name: '2,000 lists of 3,400 tokens at /v1',
      path: '/v1/embeddings',
      body: JSON.stringify({ input: repeated(many(2_000), repeated(3_400, 1)) }),
    },
    graphql(
      'a list as a literal',
      `mutation { embedBatch(texts: [${repeated(many(3_000_000), '""').join(' ')}]) { totalEmbeddings } }`,
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
    long('an average: words', average, 'lorem ipsum '),
    long('an average: no space', average, 'abcdefghij', bytes / 4),
    long('an average: line breaks', average, '\n'),
    long('an average: one character and what is set on it', average, '\u0301', bytes / 4),
    long('pieces of 8 tokens, of everything', chunks(8, 'text'), 'lorem ipsum ', bytes / 4),
    long('pieces of 8 tokens, as many as there may be', chunks(8, 'text start'), 'a b. ', 5_000),
    long('pieces of a token', chunks(1, 'text'), '👨‍👩‍👧‍👦', 3_000),
    long(
      'pieces under 16 names, with all that there is to say of each',
      `mutation($t: String!) { ${aliases(16, 'embedChunks(text: $t, maxTokens: 100) { text embedding { embedding embeddingBase64 embeddingInt8 } }')} }`,
      'A cat purrs. ',
      many(400_000),
    ),
    graphql(
      'averages of 200 texts of 60 KB',
      'mutation($t: [String!]!) { embedBatch(texts: $t, longText: AVERAGE) { totalTokens chunks } }',
      { t: Array.from({ length: many(200) }, (_, i) => `${i} cats. `.repeat(7_000)) },
    ),
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
    ...manyMembers(many),
    ...messages(many),
    {
      name: 'a form of nothing but boundaries',
      path: '/v1/files',
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      body: '--x\r\n\r\n'.repeat(many(1_500_000)),
    },
    graphql(
      'pieces of a long text',
      'mutation($t: String!) { embedChunks(text: $t, maxTokens: 200) { text } }',
      {
        t: 'Some words stand here, and then there is an end. '.repeat(many(30_000)),
      },
    ),
    graphql(
      'a long text, averaged',
      'mutation($t: String!) { embed(text: $t, longText: AVERAGE) { tokens } }',
      {
        t: 'Some words stand here, and then there is an end. '.repeat(many(300_000)),
      },
    ),
    ...largeDocuments(many),
  ];
}

/** What somebody may send on a WebSocket. */
function messages(many: (count: number) => number): HostileRequest[] {
  const subscribe = (variables: string, query = '{ __typename }') =>
    `{"id":"1","type":"subscribe","payload":{"query":${JSON.stringify(query)},"variables":${variables}}}`;
  const members = (count: number) => Array.from({ length: count }, (_, i) => `"${i}x":1`).join(',');
  const message = (name: string, body: string, socket: 'init' | 'message' = 'message'): HostileRequest => ({
    name: `a message with ${name}`,
    path: '/graphql',
    body,
    socket,
  });
  return [
    message('a million variables', subscribe(`{${members(many(1_000_000))}}`)),
    message('variables nested deep', subscribe(`{"a":${deep('[', ']', many(2_000_000))}}`)),
    message('variables nested deep, few', subscribe(`{"a":${deep('[', ']', many(100_000))}}`)),
    message('many empty texts', subscribe(JSON.stringify({ t: repeated(many(4_500_000), '') }))),
    message('one text of 15 MB', subscribe(JSON.stringify({ t: 'word '.repeat(many(3_000_000)) }), one)),
    message('a long id', subscribe('{}').replace('"1"', JSON.stringify('a'.repeat(many(15_000_000))))),
    message(
      'many members, to open',
      `{"type":"connection_init","payload":{${members(many(1_000_000))}}}`,
      'init',
    ),
  ];
}

/** Members of objects, where something goes over them. */
function manyMembers(many: (count: number) => number): HostileRequest[] {
  const members = (count: number, value = '1') =>
    Array.from({ length: count }, (_, i) => `"${i}x":${value}`).join(',');
  const json = (name: string, body: string, path = '/graphql'): HostileRequest => ({ name, path, body });
  const query = '"query":"{ __typename }"';
  return [
    json('a million variables', `{${query},"variables":{${members(many(1_000_000))}}}`),
    json('200,000 variables', `{${query},"variables":{${members(many(200_000))}}}`),
    json('200,000 members of a variable', `{${query},"variables":{"a":{${members(many(200_000))}}}}`),
    json('a million members of the body', `{${query},${members(many(1_000_000))}}`),
    json('200,000 members of the body', `{${query},${members(many(200_000))}}`),
    json('200,000 extensions', `{${query},"extensions":{${members(many(200_000))}}}`),
    json(
      'operations with many members',
      `[${repeated(10, `{${query},${members(many(20_000))}}`).join(',')}]`,
    ),
    json('200,000 members at /v1', `{"input":"a",${members(many(200_000))}}`, '/v1/embeddings'),
    json('300,000 operations in a list', `[${repeated(many(250_000), `{${query}}`).join(',')}]`),
    json('variables nested deep, few', `{${query},"variables":{"a":${deep('[', ']', many(100_000))}}}`),
    json(
      'objects nested deep',
      `{${query},"variables":${'{"a":'.repeat(many(100_000))}1${'}'.repeat(many(100_000))}}`,
    ),
    json(
      'representations nested deep',
      JSON.stringify({ query: entities('__typename') }).slice(0, -1) +
        `,"variables":{"r":[${'{"text":'.repeat(many(100_000))}1${'}'.repeat(many(100_000))}]}}`,
    ),
    json(
      'variables with names of one length, long, that differ at the end',
      `{${query},"variables":{${Array.from({ length: many(800) }, (_, i) => `"${'a'.repeat(16_500)}${String(i).padStart(4, '0')}":1`).join(',')}}}`,
    ),
    json(
      'members with names of one length, long, that differ at the end',
      `{${query},${Array.from({ length: many(800) }, (_, i) => `"${'a'.repeat(16_500)}${String(i).padStart(4, '0')}":1`).join(',')}}`,
    ),
  ];
}

/** Documents as large as they may be, or a little larger. */
function largeDocuments(many: (count: number) => number): HostileRequest[] {
  const document = (name: string, query: string, variables?: object) => graphql(name, query, variables);
  const numbered = (count: number, one: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => one(i)).join(' ');
  const long = (i: number, length: number) => `n${'x'.repeat(length - 8)}${String(i).padStart(7, '0')}`;
  const embed = (i: number) =>
    `e${i}: embed(text: "a", model: "text-embedding-3-small", useCache: true, dimensions: 5, truncate: true) { embedding embeddingBase64 embeddingInt8 embeddingBinary dimension model tokens cost cached truncated }`;
  return [
    document('2,000 fields with all that there is', `mutation { ${numbered(many(2_000), embed)} }`),
    document('one token too many', `{ ${'health { status } '.repeat(many(34_000))} }`),
    document('numbers as literals, just within', `{ a(x: [${'1 '.repeat(many(80_000))}]) }`),
    document(
      'representations as literals',
      `{ _entities(representations: [${'{ a: 1 } '.repeat(many(16_000))}]) { __typename } }`,
    ),
    document(
      'values that are wrong',
      `mutation { ${numbered(many(2_000), (i) => `e${i}: embed(text: ${i}, model: [1 2 3], dimensions: "x") { tokens }`)} }`,
    ),
    document('fields that are unknown', `{ ${numbered(many(10_000), (i) => `healthz${i}`)} }`),
    document(
      'arguments that are unknown',
      `mutation { embed(${numbered(many(20_000), (i) => `texts${i}: 1`)}) { tokens } }`,
    ),
    document(
      'directives that are unknown',
      `{ ${numbered(many(5_000), (i) => `a${i}: health @includes @skips @incl(a: 1) { status }`)} }`,
    ),
    document('types that are unknown', `{ ${numbered(many(8_000), (i) => `... on Modell${i} { a }`)} }`),
    document(
      '900 variables that nobody uses, with long names',
      `query(${numbered(many(900), (i) => `$${long(i, 1_020)}: Int`)}) { __typename }`,
    ),
    document(
      '900 variables that nobody uses, with longer names',
      `query(${numbered(many(900), (i) => `$${long(i, 2_000)}: Int`)}) { __typename }`,
    ),
    document(
      '900 aliases with long names',
      `{ ${numbered(many(900), (i) => `${long(i, 1_020)}: nothing`)} }`,
    ),
    document(
      '20,000 variables that nobody uses',
      `query(${numbered(many(18_000), (i) => `$v${i}: Int`)}) { __typename }`,
    ),
    document(
      '20,000 variables that nobody has declared',
      `{ _entities(representations: [${numbered(many(30_000), (i) => `$v${i}`)}]) { __typename } }`,
    ),
    document(
      '5,000 operations',
      numbered(many(5_000), (i) => `query q${i} { __typename }`),
    ),
    document(
      '5,000 operations of one name',
      numbered(many(5_000), () => 'query q { __typename }'),
    ),
    document(
      '5,000 operations without a name',
      numbered(many(5_000), () => '{ __typename }'),
    ),
    document(
      '150 operations with 200 fragments',
      `${numbered(many(150), (i) => `query q${i}($v: Int) { ...f0 }`)} ${numbered(200, (i) => `fragment f${i} on Query { ${i < 199 ? `...f${i + 1}` : '__typename'} }`)}`,
    ),
    document(
      '5,000 fragments',
      `{ ${numbered(many(5_000), (i) => `...f${i}`)} } ${numbered(many(5_000), (i) => `fragment f${i} on Query { __typename }`)}`,
    ),
    document(
      '5,000 fragments that nobody uses',
      `{ __typename } ${numbered(many(5_000), (i) => `fragment f${i} on Query { __typename }`)}`,
    ),
    document(
      '1,500 fragments, one in the other',
      `{ ...f0 } ${numbered(many(1_500), (i) => `fragment f${i} on Query { ${i + 1 < many(1_500) ? `...f${i + 1}` : '__typename'} }`)}`,
    ),
    document(
      '1,000 fragments with a field of one name',
      `{ ${numbered(many(1_000), (i) => `...f${i}`)} } ${numbered(many(1_000), (i) => `fragment f${i} on Query { health { ${numbered(16, (n) => `a${n}: status`)} } }`)}`,
    ),
    document(
      '1,000 inline fragments',
      `{ ${numbered(many(8_000), () => '... on Query { ... { __typename } }')} }`,
    ),
    document('a document of line breaks', `{ __typename ${'\n'.repeat(many(7_500_000))} }`),
    document('a document of commas', `{ __typename ${','.repeat(many(15_000_000))} }`),
    document('a document of comments', `{ __typename ${'#a\n'.repeat(many(3_700_000))} }`),
    document('a comment', `{ __typename } #${'a'.repeat(many(15_000_000))}`),
    document(
      'a literal with escapes',
      `mutation { embed(text: "${'\\n'.repeat(many(5_000_000))}") { tokens } }`,
    ),
    document(
      'a literal with escapes in braces',
      `mutation { embed(text: "${'\\u{41}'.repeat(many(2_000_000))}") { tokens } }`,
    ),
    document(
      'a block string of line breaks',
      `mutation { embed(text: """${'a\n'.repeat(many(5_000_000))}""") { tokens } }`,
    ),
    document(
      'a block string of quotes',
      `mutation { embed(text: """${'\\""" '.repeat(many(1_500_000))}""") { tokens } }`,
    ),
    document(
      'a literal of 15 MB',
      `mutation { embed(text: "${'word '.repeat(many(3_000_000))}") { tokens } }`,
    ),
    document(
      '600 empty texts after line breaks',
      `${'\n'.repeat(many(7_000_000))} mutation { ${numbered(600, (i) => `e${i}: embed(text: "") { tokens }`)} }`,
    ),
    document(
      '600 texts of white space',
      `mutation($t: String!) { ${numbered(600, (i) => `e${i}: embed(text: $t) { tokens }`)} }`,
      { t: ' '.repeat(many(50_000)) },
    ),
    document(
      'texts of white space, long',
      'mutation($t: [String!]!) { embedBatch(texts: $t) { totalEmbeddings } }',
      { t: [...repeated(many(2_000), ' '.repeat(7_000)), 'a'] },
    ),
  ];
}
