import { createHash } from 'node:crypto';
import { type IncomingHttpHeaders, request } from 'node:http';
import { brotliCompressSync, brotliDecompressSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GraphQLAnswer, startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider } from '../support/provider-server.ts';

let provider: ProviderServer;
let server: TestServer;
const lines: Array<Record<string, unknown>> = [];

beforeAll(async () => {
  provider = await startProvider();
  const log = {
    debug() {},
    info: (line: unknown) => void lines.push(line as Record<string, unknown>),
    warn: (line: unknown) => void lines.push(line as Record<string, unknown>),
    error: (line: unknown) => void lines.push(line as Record<string, unknown>),
    isLevelEnabled: () => true,
  };
  server = await startEmbedQL(
    { ...provider.env, EMBEDQL_MAX_BODY_BYTES: '1000000', EMBEDQL_MAX_TEXTS: '20' },
    undefined,
    log,
  );
});
beforeEach(() => {
  provider.forget();
  lines.length = 0;
});
afterAll(async () => {
  await server.stop();
  await provider.close();
});

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const persistedQuery = (query: string) => ({ persistedQuery: { version: 1, sha256Hash: sha256(query) } });

async function answerOf(response: Response): Promise<GraphQLAnswer> {
  return (await response.json()) as GraphQLAnswer;
}

describe('persisted queries', () => {
  const notFound = [
    {
      message: 'PersistedQueryNotFound',
      extensions: { code: 'PERSISTED_QUERY_NOT_FOUND', retryable: false },
    },
  ];

  test('a hash is not known, then sent with its document, then enough; by POST and by GET', async () => {
    const query =
      'query Persisted($k: Int!) { nearest(query: "a", texts: ["b"], k: $k) { index } defaultModel { name } }';
    const body = { variables: { k: 1 }, extensions: persistedQuery(query) };
    for (const accept of ['application/json', 'application/graphql-response+json']) {
      const first = await server.post(body, { headers: { accept } });
      expect([first.status, first.headers.get('content-type')]).toEqual([200, `${accept}; charset=utf-8`]);
      expect((await answerOf(first)).errors).toEqual(notFound);
    }
    // What asks for a document is no operation yet.
    expect(lines.filter(({ requestId }) => requestId)).toEqual([]);
    const get = `${server.url}/graphql?variables={"k":1}&extensions=${JSON.stringify(body.extensions)}`;
    expect((await answerOf(await fetch(get))).errors).toEqual(notFound);
    expect((await answerOf(await fetch(`${get}&query=${encodeURIComponent(query)}`))).errors).toBeUndefined();
    expect((await answerOf(await fetch(get))).data.defaultModel.name).toBe('text-embedding-3-small');
    expect((await answerOf(await server.post(body))).data.defaultModel.name).toBe('text-embedding-3-small');
  });

  test.each([
    ['another document', { version: 1, sha256Hash: sha256('{ health { status } }') }, /not the SHA-256/],
    ['another version', { version: 2, sha256Hash: sha256('{ defaultModel { name } }') }, /version must be 1/],
    ['no hash', { version: 1 }, /sha256Hash must be/],
    ['no object', 'x', /version must be 1/],
  ])('%s: BAD_USER_INPUT', async (_name, persisted, message) => {
    const query = '{ defaultModel { name } }';
    const response = await server.post({ query, extensions: { persistedQuery: persisted } });
    const { errors } = await answerOf(response);
    expect(errors![0]!.message).toMatch(message);
    expect(errors![0]!.extensions['code']).toBe('BAD_USER_INPUT');
  });

  test('a mutation that was kept is no mutation by GET, and the limits of documents hold for kept ones', async () => {
    const mutation = 'mutation M($t: String!) { embed(text: $t) { cost } }';
    const extensions = persistedQuery(mutation);
    expect((await server.graphql(mutation, { t: 'kept' })).errors).toBeUndefined();
    await server.post({ query: mutation, variables: { t: 'kept' }, extensions });
    const get = await fetch(
      `${server.url}/graphql?extensions=${JSON.stringify(extensions)}&variables={"t":"kept"}`,
    );
    expect(get.status).toBe(405);
    const bomb = `{ ${Array.from({ length: 30 }, (_, i) => `a${i}: models { name }`).join(' ')} }`;
    for (const body of [
      { query: bomb, extensions: persistedQuery(bomb) },
      { extensions: persistedQuery(bomb) },
    ]) {
      const { errors } = await answerOf(await server.post(body));
      expect(errors![0]!.extensions['code']).toBe('COST_LIMIT_EXCEEDED');
    }
  });
});

describe('lists of operations', () => {
  const embed = (text: string) => ({
    query: 'mutation One($text: String!) { embed(text: $text) { cost cached embeddingBase64 } }',
    variables: { text },
  });

  test('are answered in order, each for itself, with one provider call and one line each', async () => {
    const response = await server.post(
      [embed('first'), { query: '{ nonsense }' }, embed('second'), embed(' '), embed('first')],
      { headers: { accept: 'application/graphql-response+json' } },
    );
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('application/graphql-response+json');
    const [first, wrong, second, empty, again] = (await response.json()) as GraphQLAnswer[];
    expect(wrong!.errors![0]!.message).toContain('nonsense');
    expect(empty!.errors![0]!.extensions['code']).toBe('BAD_USER_INPUT');
    expect(again!.data.embed.embeddingBase64).toBe(first!.data.embed.embeddingBase64);
    expect(second!.data.embed.embeddingBase64).not.toBe(first!.data.embed.embeddingBase64);
    // Who asked first carries the cost.
    expect([first!.data.embed.cost > 0, again!.data.embed.cost]).toEqual([true, 0]);
    expect(provider.calls).toHaveLength(1);
    expect(response.headers.get('x-embedql-figures')).toMatch(/^texts=3 hits=0 calls=1 cost=\d/);
    const logged = lines.filter(({ requestId }) => requestId === response.headers.get('x-request-id'));
    expect(logged.map(({ type, outcome, texts }) => [type, outcome, texts]).sort()).toEqual([
      ['mutation', 'failed', 0],
      ['mutation', 'ok', 1],
      ['mutation', 'ok', 1],
      ['mutation', 'ok', 1],
      ['unknown', 'failed', 0],
    ]);
  });

  test('a list of one is a list', async () => {
    expect(await (await server.post([{ query: '{ health { status } }' }])).json()).toEqual([
      { data: { health: { status: 'OK' } } },
    ]);
  });

  test('texts count together: over the limit nothing is computed, whichever operation comes first', async () => {
    const batch = (n: number, from: string) => ({
      query: 'mutation($texts: [String!]!) { embedBatch(texts: $texts) { totalCost } }',
      variables: { texts: Array.from({ length: n }, (_, i) => `${from}${i}`) },
    });
    const answers = (await (
      await server.post([batch(11, 'a'), { query: '{ health { status } }' }, batch(10, 'b')])
    ).json()) as GraphQLAnswer[];
    expect(answers.map(({ errors }) => errors?.[0]?.extensions['code'])).toEqual([
      'COST_LIMIT_EXCEEDED',
      undefined,
      'COST_LIMIT_EXCEEDED',
    ]);
    expect(answers[0]!.errors![0]!.message).toContain('21');
    expect(provider.calls).toHaveLength(0);
    const fitting = (await (await server.post([batch(10, 'c'), batch(10, 'd')])).json()) as GraphQLAnswer[];
    expect(fitting.map(({ errors }) => errors)).toEqual([undefined, undefined]);
    expect(provider.calls).toHaveLength(1);
  });

  test('bytes of the answer count together', async () => {
    const small = await startEmbedQL({ ...provider.env, EMBEDQL_MAX_ANSWER_BYTES: '12000' });
    const answers = (await (await small.post([embed('x'), embed('y')])).json()) as GraphQLAnswer[];
    expect(answers.map(({ errors }) => errors?.[0]?.extensions['code'])).toEqual([
      undefined,
      'COST_LIMIT_EXCEEDED',
    ]);
    await small.stop();
  });

  test('persisted queries work inside', async () => {
    const { query, variables } = embed('persisted in a list');
    const extensions = persistedQuery(`${query} `);
    const ask = async (body: object) =>
      (await (await server.post([body, { query: '{ health { status } }' }])).json()) as GraphQLAnswer[];
    const [unknown, known] = await ask({ variables, extensions });
    expect(unknown!.errors![0]!.extensions['code']).toBe('PERSISTED_QUERY_NOT_FOUND');
    expect(known!.data.health.status).toBe('OK');
    const [wrong] = await ask({ query, variables, extensions });
    expect(wrong!.errors![0]!.extensions['code']).toBe('BAD_USER_INPUT');
    expect((await ask({ query: `${query} `, variables, extensions }))[0]!.errors).toBeUndefined();
    expect((await ask({ variables, extensions }))[0]!.errors).toBeUndefined();
  });

  test.each([
    ['too many', Array.from({ length: 11 }, () => ({ query: '{ __typename }' })), /11 operations; 10/],
    ['none', [], /The list is empty/],
    ['something else', [{ query: '{ __typename }' }, 7], /Entry 1 of the list/],
  ])('%s: 400 that says so', async (_name, body, message) => {
    const response = await server.post(body);
    expect(response.status).toBe(400);
    expect((await answerOf(response)).errors![0]!.message).toMatch(message);
  });

  test('can be turned off', async () => {
    const off = await startEmbedQL({ ...provider.env, EMBEDQL_OPERATION_BATCH: '1' });
    const response = await off.post([{ query: '{ __typename }' }]);
    expect(response.status).toBe(400);
    expect((await answerOf(response)).errors![0]!.message).toContain('EMBEDQL_OPERATION_BATCH');
    await off.stop();
  });

  test('a subscription in a list is an error of its own', async () => {
    const answers = (await (
      await server.post([
        { query: 'subscription { metricsUpdated { operations } }' },
        { query: '{ health { status } }' },
      ])
    ).json()) as GraphQLAnswer[];
    expect(answers[0]!.errors![0]!.message).toContain('text/event-stream');
    expect(answers[1]!.data.health.status).toBe('OK');
  });
});

describe('packed bodies', () => {
  const body = JSON.stringify({ query: '{ health { status } }' });
  const send = (packed: Uint8Array | ReadableStream, encoding: string, path = '/graphql') =>
    fetch(server.url + path, {
      method: 'POST',
      body: packed,
      headers: { 'content-type': 'application/json', 'content-encoding': encoding },
      duplex: 'half',
    } as RequestInit);

  test.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['BR', brotliCompressSync],
    ['identity', (text: string) => Buffer.from(text)],
  ])('%s is read', async (encoding, pack) => {
    expect((await answerOf(await send(pack(body), encoding))).data.health.status).toBe('OK');
  });

  test('/v1 reads them, too', async () => {
    const response = await send(
      gzipSync(JSON.stringify({ model: 'text-embedding-3-small', input: 'packed' })),
      'gzip',
      '/v1/embeddings',
    );
    expect(response.status).toBe(200);
  });

  test('another encoding is 415 that names the header', async () => {
    for (const encoding of ['zstd', 'gzip, br', '__proto__']) {
      const response = await send(Buffer.from(body), encoding);
      expect(response.status).toBe(415);
      expect((await answerOf(response)).errors![0]!.message).toContain('content-encoding');
    }
  });

  test.each([
    ['not packed at all', Buffer.from(body)],
    ['cut off', gzipSync(body).subarray(0, 30)],
  ])('%s: 400', async (_name, bytes) => {
    const response = await send(bytes, 'gzip');
    expect(response.status).toBe(400);
    expect((await answerOf(response)).errors![0]!.message).toContain('not whole gzip');
  });

  test('what is small packed and large unpacked is 413, before all of it has come', async () => {
    const zeros = Buffer.alloc(20_000_000);
    for (const [encoding, pack] of [
      ['gzip', gzipSync],
      ['br', brotliCompressSync],
    ] as const)
      expect((await send(pack(zeros), encoding)).status).toBe(413);
    // The end of this one never comes.
    const beginning = new ReadableStream({
      start: (controller) => controller.enqueue(gzipSync(zeros).subarray(0, 4_000)),
    });
    expect((await send(beginning, 'gzip')).status).toBe(413);
  });
});

describe('packed answers', () => {
  const texts = Array.from({ length: 5 }, (_, i) => `packed answer ${i}`);
  const ask = async (field: string, accepted: string) => {
    const { port } = new URL(server.url);
    const body = JSON.stringify({
      query: `mutation($texts: [String!]!) { embedBatch(texts: $texts) { ${field} } }`,
      variables: { texts },
    });
    // Not fetch, which unpacks.
    return new Promise<{ headers: IncomingHttpHeaders; body: Buffer }>((resolve, reject) => {
      const headers = {
        'content-type': 'application/json',
        ...(accepted ? { 'accept-encoding': accepted } : {}),
      };
      const sent = request({ port, path: '/graphql', method: 'POST', headers }, async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        resolve({ headers: response.headers, body: Buffer.concat(chunks) });
      });
      sent.on('error', reject).end(body);
    });
  };

  test('numbers are packed for who asks, and are the same numbers', async () => {
    const plain = await ask('embeddings', '');
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.headers['vary']).toBe('accept-encoding');
    for (const [accepted, encoding, unpack] of [
      ['gzip, deflate', 'gzip', gunzipSync],
      ['gzip, deflate, br, zstd', 'br', brotliDecompressSync],
    ] as const) {
      const packed = await ask('embeddings', accepted);
      expect(packed.headers['content-encoding']).toBe(encoding);
      expect(packed.headers['vary']).toBe('accept-encoding');
      expect(Number(packed.headers['content-length'])).toBe(packed.body.length);
      expect(packed.body.length).toBeLessThan(plain.body.length * 0.6);
      expect(unpack(packed.body).equals(plain.body)).toBe(true);
    }
  });

  test('vectors in base64 and small answers are not', async () => {
    expect((await ask('embeddingsBase64', 'gzip')).headers['content-encoding']).toBeUndefined();
    const small = await ask('totalEmbeddings', 'gzip');
    expect([small.headers['content-encoding'], small.headers['vary']]).toEqual([undefined, undefined]);
  });

  test('a list, and /v1, are packed alike', async () => {
    const query = 'mutation($texts: [String!]!) { embedBatch(texts: $texts) { embeddings } }';
    const list = await server.post([{ query, variables: { texts } }]);
    expect(list.headers.get('content-encoding')).toBe('gzip');
    expect(((await list.json()) as GraphQLAnswer[])[0]!.data.embedBatch.embeddings).toHaveLength(5);
    const openai = await fetch(`${server.url}/v1/embeddings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'text-embedding-3-small', input: texts }),
    });
    expect(openai.headers.get('content-encoding')).toBe('gzip');
    expect(((await openai.json()) as { data: unknown[] }).data).toHaveLength(5);
  });
});

describe('what the first mistakes are told', () => {
  test.each([
    ['query { embed(text: "x") { cost } }', /"Query": embed is a mutation; write mutation { embed … }/],
    ['mutation { models { name } }', /models is a query; write query { models … }/],
    ['{ metricsUpdated { operations } }', /metricsUpdated is a subscription; write subscription/],
    ['{ model { name } }', /Did you mean "models"/],
    ['mutation { embed(text: "x") { costs } }', /Did you mean "cost"/],
  ])('%s', async (query, message) => {
    for (let time = 0; time < 2; time++) {
      const { errors } = await server.graphql(query);
      expect(errors!.map((error) => error.message).join()).toMatch(message);
      expect(errors![0]!.extensions['code']).toBe('BAD_USER_INPUT');
    }
  });

  test('a mutation asked for as a subscription, in the stream that was asked for', async () => {
    const response = await server.post(
      { query: 'subscription { embed(text: "x") { cost } }' },
      { headers: { accept: 'text/event-stream' } },
    );
    expect(await response.text()).toMatch(
      /^:\n\nevent: next\ndata: .*embed is a mutation.*\n\nevent: complete\n/,
    );
  });

  test('a slash behind the path is taken, for queries, lists and the page', async () => {
    const url = `${server.url}/graphql/`;
    const query = '{ health { status } }';
    const data = { health: { status: 'OK' } };
    expect(await (await fetch(`${url}?query=${encodeURIComponent(query)}`)).json()).toEqual({ data });
    const headers = { 'content-type': 'application/json' };
    const list = await fetch(url, { method: 'POST', headers, body: JSON.stringify([{ query }]) });
    expect(await list.json()).toEqual([{ data }]);
    const page = await fetch(url, { headers: { accept: 'text/html' } });
    expect(await page.text()).toContain('<title>EmbedQL</title>');
    expect((await fetch(`${url}/`)).status).toBe(404);
  });

  test('another method is told which there are', async () => {
    const head = await fetch(`${server.url}/graphql?query={health{status}}`, { method: 'HEAD' });
    expect([head.status, head.headers.get('allow')]).toEqual([405, 'GET, POST, PUT, DELETE']);
  });

  test('an Accept header that is empty takes anything; one that nothing fits is told what there is', async () => {
    const query = '{ health { status } }';
    expect((await server.post({ query }, { headers: { accept: '' } })).status).toBe(200);
    const html = await server.post({ query }, { headers: { accept: 'image/png' } });
    expect(html.status).toBe(406);
    expect((await answerOf(html)).errors![0]!.message).toMatch(/application\/json.*text\/event-stream/);
    const subscription = 'subscription { metricsUpdated { operations } }';
    const json = await server.post({ query: subscription }, { headers: { accept: 'application/json' } });
    expect(json.status).toBe(406);
    expect((await answerOf(json)).errors![0]!.message).toMatch(/text\/event-stream or multipart\/mixed/);
  });
});
