import { countTokens } from 'gpt-tokenizer/encoding/cl100k_base';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type GraphQLAnswer, startEmbedQL, type TestServer } from '../support/embedql.ts';
import {
  type Misbehave,
  type ProviderServer,
  type SeenCall,
  sendFailure,
  sendJson,
  startProvider,
  testKey,
  vectorOf,
} from '../support/provider-server.ts';
import { decode } from '../support/vectors.ts';

let provider: ProviderServer;
let servers: TestServer[] = [];

beforeEach(async () => {
  provider = await startProvider();
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  servers = [];
  await provider.close();
});

async function start(env: Record<string, string> = {}): Promise<TestServer> {
  const server = await startEmbedQL({ ...provider.env, ...env });
  servers.push(server);
  return server;
}

let texts = 0;
const fresh = () => `faulty text ${++texts}`;
const ask = (server: TestServer, text = fresh()): Promise<GraphQLAnswer> =>
  server.graphql('mutation($text: String!) { embed(text: $text) { embeddingBase64 cost tokens } }', { text });

/** Misbehaves for the first calls only. */
const first =
  (times: number, misbehave: Misbehave): Misbehave =>
  (call, response, count) =>
    count <= times ? misbehave(call, response, count) : false;

const failing =
  (status: number, options: Parameters<typeof sendFailure>[2] = {}): Misbehave =>
  (_call, response) => {
    sendFailure(response, status, options);
    return true;
  };

/** An ordinary answer, changed. */
const answering =
  (change: (data: Array<{ index: number; embedding: unknown }>, call: SeenCall) => unknown): Misbehave =>
  (call, response) => {
    const data = call.input.map((text, index) => ({
      index,
      embedding: Array.from(vectorOf(text)) as unknown,
    }));
    sendJson(response, 200, { data: change(data, call), usage: { prompt_tokens: 5, total_tokens: 5 } });
    return true;
  };

const reset: Misbehave = (_call, response) => {
  response.destroy();
  return true;
};

const resetInMidBody: Misbehave = (_call, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100000' });
  response.write('{"data": [');
  setTimeout(() => response.destroy(), 20);
  return true;
};

const hang: Misbehave = () => true;

const hangInMidBody: Misbehave = (_call, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write('{"data": [');
  return true;
};

describe('what may pass is tried again', () => {
  test.each([
    ['408', failing(408)],
    ['409', failing(409)],
    ['429', failing(429)],
    ['500', failing(500)],
    ['502', failing(502)],
    ['503', failing(503)],
    ['a connection that is reset', reset],
    ['a connection that is reset in mid-body', resetInMidBody],
  ])('%s', async (_name, misbehave) => {
    const server = await start();
    provider.misbehave = first(2, misbehave);
    const text = fresh();
    const { data, errors } = await ask(server, text);
    expect(errors).toBeUndefined();
    expect(decode(data.embed.embeddingBase64)).toEqual(vectorOf(text));
    expect(provider.calls).toHaveLength(3);
    expect(
      (await server.graphql('{ metrics { providerCalls totalEmbeddingsGenerated } }')).data.metrics,
    ).toEqual({
      providerCalls: 3,
      totalEmbeddingsGenerated: 1,
    });
  });

  test('as often as EMBEDQL_PROVIDER_RETRIES says, and then the error says so', async () => {
    const server = await start({ EMBEDQL_PROVIDER_RETRIES: '1' });
    provider.misbehave = failing(503, { echo: 'raw words of the provider' });
    const { errors } = await ask(server);
    expect(errors![0]).toMatchObject({
      message: expect.stringMatching(/HTTP 503.*try again/),
      extensions: { code: 'PROVIDER_ERROR', retryable: true },
    });
    expect(JSON.stringify(errors)).not.toContain('raw words');
    expect(provider.calls).toHaveLength(2);
  });

  test('a provider that cannot be reached', async () => {
    const server = await start({ OPENAI_BASE_URL: 'http://127.0.0.1:1/v1', EMBEDQL_PROVIDER_RETRIES: '0' });
    const { errors } = await ask(server);
    expect(errors![0]!.extensions).toMatchObject({ code: 'PROVIDER_ERROR', retryable: true });
    expect(errors![0]!.message).toContain('cannot be reached');
  });
});

describe('what takes too long', () => {
  test.each([
    ['hangs for ever', hang],
    ['hangs in mid-body', hangInMidBody],
  ])('a provider that %s is given up, tried again, and told', async (_name, misbehave) => {
    const server = await start({ EMBEDQL_PROVIDER_TIMEOUT_MS: '150', EMBEDQL_PROVIDER_RETRIES: '1' });
    provider.misbehave = misbehave;
    const { errors } = await ask(server);
    expect(errors![0]!.extensions).toEqual({ code: 'PROVIDER_TIMEOUT', retryable: true });
    expect(provider.calls.length).toBeLessThanOrEqual(2);
    provider.misbehave = undefined;
    expect((await ask(server)).errors).toBeUndefined();
  });

  test('an operation waits for the attempts it has and no longer, also in the queue', async () => {
    const server = await start({
      EMBEDQL_PROVIDER_TIMEOUT_MS: '2000',
      EMBEDQL_PROVIDER_RETRIES: '0',
      EMBEDQL_PROVIDER_CONCURRENCY: '1',
    });
    provider.delayMs = 1_200;
    const { data } = await server.graphql(
      'mutation($texts: [String!]!) { embedBatch(texts: $texts) { totalEmbeddings failures { code } } }',
      { texts: Array.from({ length: 400 }, fresh) },
    );
    // One call is done in time; the others could not even begin in theirs.
    expect(data.embedBatch.totalEmbeddings).toBe(100);
    expect(new Set(data.embedBatch.failures.map(({ code }: { code: string }) => code))).toEqual(
      new Set(['PROVIDER_TIMEOUT']),
    );
  });
});

describe('429', () => {
  const inHalfASecond = () => new Date(Date.now() + 1_500).toUTCString();
  test.each([
    ['seconds', () => ({ 'retry-after': '1' }), 1_000],
    ['a date', () => ({ 'retry-after': inHalfASecond() }), 400],
    ['retry-after-ms', () => ({ 'retry-after-ms': '300', 'retry-after': '60' }), 300],
  ])('a pause given as %s is obeyed', async (_name, headers, least) => {
    const server = await start();
    const times: number[] = [];
    provider.misbehave = (_call, response, count) => {
      times.push(Date.now());
      if (count > 1) return false;
      sendFailure(response, 429, { headers: headers() });
      return true;
    };
    expect((await ask(server)).errors).toBeUndefined();
    // The order of the two is what counts: the second came after the pause, however late.
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(least - 5);
  });

  test('the other batches of the model keep the pause, too; other models do not', async () => {
    const server = await start();
    let pausedUntil = 0;
    const early: string[] = [];
    provider.misbehave = (call, response, count) => {
      if (count === 1) {
        pausedUntil = Date.now() + 600;
        sendFailure(response, 429, { headers: { 'retry-after-ms': '600' } });
        return true;
      }
      if (Date.now() < pausedUntil - 5) early.push(call.model);
      return false;
    };
    const one = ask(server);
    while (provider.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const others = Array.from({ length: 5 }, () => ask(server));
    const elsewhere = server.graphql(
      `mutation { embed(text: "${fresh()}", model: "text-embedding-ada-002") { cost } }`,
    );
    for (const { errors } of await Promise.all([one, ...others, elsewhere])) expect(errors).toBeUndefined();
    expect(early).toEqual(['text-embedding-ada-002']);
  });

  test('a pause that is longer than anybody waits is told at once, to everybody', async () => {
    const server = await start();
    provider.misbehave = first(1, failing(429, { headers: { 'retry-after': '3600' } }));
    for (let i = 0; i < 2; i++) {
      const { errors } = await ask(server);
      expect(errors![0]!.extensions).toEqual({
        code: 'RATE_LIMITED',
        retryable: true,
        retryAfterMs: expect.any(Number),
      });
      expect(errors![0]!.extensions['retryAfterMs']).toBeGreaterThan(850_000);
      // No pause is longer than a quarter of an hour, whatever the provider says.
      expect(errors![0]!.extensions['retryAfterMs']).toBeLessThanOrEqual(900_000);
    }
    expect(provider.calls).toHaveLength(1);
  });

  test('RATE_LIMITED says when to come back where the provider does not', async () => {
    const server = await start({ EMBEDQL_PROVIDER_RETRIES: '0' });
    provider.misbehave = failing(429);
    expect((await ask(server)).errors![0]!.extensions).toEqual({
      code: 'RATE_LIMITED',
      retryable: true,
      retryAfterMs: expect.any(Number),
    });
  });

  test('a quota that is used up is not tried again', async () => {
    const server = await start();
    provider.misbehave = failing(429, { code: 'insufficient_quota' });
    const { errors } = await ask(server);
    expect(errors![0]).toMatchObject({
      message: expect.stringContaining('quota'),
      extensions: { code: 'PROVIDER_ERROR', retryable: false },
    });
    expect(provider.calls).toHaveLength(1);
  });

  test('fewer calls are in flight after it, and more again after successes', async () => {
    const server = await start({ EMBEDQL_PROVIDER_CONCURRENCY: '8', EMBEDQL_PROVIDER_RETRIES: '5' });
    let inFlight = 0;
    const seen: number[] = [];
    provider.misbehave = async (_call, response, count) => {
      inFlight += 1;
      seen.push(inFlight);
      // Long enough for all eight to be sent, however busy the machine is.
      await new Promise((resolve) => setTimeout(resolve, count > 8 ? 20 : 500));
      inFlight -= 1;
      if (count > 8) return false;
      sendFailure(response, 429, { headers: { 'retry-after-ms': '50' } });
      return true;
    };
    const asked = Array.from({ length: 2_000 }, fresh);
    const { data } = await server.graphql(
      'mutation($texts: [String!]!) { embedBatch(texts: $texts) { totalEmbeddings } }',
      { texts: asked },
    );
    expect(data.embedBatch.totalEmbeddings).toBe(2_000);
    expect(Math.max(...seen)).toBe(8);
    // The eight that were refused come again; of the twelve that waited few go beside each other.
    expect(Math.min(...seen.slice(17))).toBeLessThan(4);
  });
});

describe('texts that their provider fails at with 500', () => {
  test('one in each of many batches costs the others nothing', async () => {
    const server = await start({ EMBEDQL_PROVIDER_RETRIES: '0' });
    const asked = Array.from({ length: 800 }, (_, i) => (i % 100 === 0 ? `poison ${fresh()}` : fresh()));
    provider.misbehave = async (call, response) => {
      const texts = [call.input].flat();
      if (!texts.some((text) => String(text).startsWith('poison'))) return false;
      sendFailure(response, 500);
      return true;
    };
    const { data } = await server.graphql(
      'mutation($texts: [String!]!) { embedBatch(texts: $texts) { totalEmbeddings failures { index } } }',
      { texts: asked },
    );
    expect(data.embedBatch.totalEmbeddings).toBe(792);
    expect(data.embedBatch.failures.map(({ index }: { index: number }) => index)).toEqual(
      Array.from({ length: 8 }, (_, i) => i * 100),
    );
  });

  test('where it fails at everything it is left alone in the end', async () => {
    const server = await start({ EMBEDQL_PROVIDER_RETRIES: '0' });
    provider.misbehave = failing(500);
    const { errors } = await server.graphql(
      'mutation($texts: [String!]!) { embedBatch(texts: $texts) { failures { code } } }',
      { texts: Array.from({ length: 1_000 }, fresh) },
    );
    expect(errors ?? []).toEqual([]);
    expect(provider.calls.length).toBeLessThan(1_000);
  });
});

describe('a provider that is down', () => {
  test('is left alone for a while, fails fast, and is used again once it is back', async () => {
    const server = await start({ EMBEDQL_PROVIDER_RETRIES: '0', EMBEDQL_BREAKER_MS: '300' });
    provider.misbehave = failing(503);
    for (let i = 0; i < 20; i++) {
      const { errors } = await ask(server);
      expect(errors![0]!.extensions).toMatchObject({ code: 'PROVIDER_ERROR', retryable: true });
    }
    const calls = provider.calls.length;
    expect(calls).toBe(8);
    expect((await ask(server)).errors![0]!.message).toContain('calls to it are paused');
    expect(provider.calls).toHaveLength(calls);
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect((await ask(server)).errors![0]!.message).toContain('HTTP 503');
    expect((await ask(server)).errors![0]!.message).toContain('calls to it are paused');
    provider.misbehave = undefined;
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect((await ask(server)).errors).toBeUndefined();
    expect((await ask(server)).errors).toBeUndefined();
  });

  test('takes no other model with it', async () => {
    const server = await start({ EMBEDQL_PROVIDER_RETRIES: '0' });
    provider.misbehave = (call, response) => {
      if (call.model !== 'text-embedding-3-small') return false;
      sendFailure(response, 503);
      return true;
    };
    for (let i = 0; i < 10; i++) await ask(server);
    expect(
      (
        await server.graphql(
          `mutation { embed(text: "${fresh()}", model: "text-embedding-3-large") { cost } }`,
        )
      ).errors,
    ).toBeUndefined();
  });
});

describe('an answer that cannot be trusted is not used, not cached, and not paid twice', () => {
  test.each<[string, Misbehave, RegExp]>([
    ['too few vectors', answering((data) => data.slice(1)), /sent 2 vectors for 3 texts/],
    ['too many vectors', answering((data) => [...data, ...data]), /sent 6 vectors for 3 texts/],
    [
      'an index twice',
      answering((data) => data.map((one) => ({ ...one, index: 0 }))),
      /numbered its vectors wrongly/,
    ],
    [
      'an index outside',
      answering((data) => data.map((one) => ({ ...one, index: one.index + 1 }))),
      /numbered/,
    ],
    [
      'an index for some of them',
      answering((data) =>
        data.map(({ embedding, index }, i) => (i === 0 ? { embedding } : { embedding, index })),
      ),
      /numbered its vectors wrongly/,
    ],
    ['null for every text', answering((data) => data.map(() => null)), /not a number, or none/],
    [
      'another dimension',
      answering((data) => data.map((one) => ({ ...one, embedding: [1, 2, 3] }))),
      /3 numbers instead of 1536/,
    ],
    [
      'null for a number',
      answering((data) =>
        data.map((one) => ({ ...one, embedding: [null, ...(one.embedding as number[]).slice(1)] })),
      ),
      /not a number/,
    ],
    [
      'NaN in base64',
      answering((data) =>
        data.map((one) => ({
          ...one,
          embedding: Buffer.from(new Float32Array(1_536).fill(Number.NaN).buffer).toString('base64'),
        })),
      ),
      /not a number/,
    ],
    ['something else', answering(() => 'sorry'), /not an embeddings answer/],
    [
      'HTML',
      (_call, response) => {
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Gateway says hello</html>');
        return true;
      },
      /not an embeddings answer/,
    ],
    [
      'HTML that calls itself JSON',
      (_call, response) => {
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end('<html>Gateway says hello</html>');
        return true;
      },
      /not JSON/,
    ],
  ])('%s', async (_name, misbehave, message) => {
    const server = await start();
    provider.misbehave = misbehave;
    const asked = [fresh(), fresh(), fresh()];
    const run = () =>
      server.graphql(
        'mutation($texts: [String!]!) { embedBatch(texts: $texts) { embeddingsBase64 cachedCount failures { index code message retryable } } }',
        { texts: asked },
      );
    const { data } = await run();
    expect(data.embedBatch.embeddingsBase64).toEqual([null, null, null]);
    expect(data.embedBatch.failures).toHaveLength(3);
    for (const failure of data.embedBatch.failures) {
      expect(failure).toMatchObject({ code: 'PROVIDER_ERROR', message: expect.stringMatching(message) });
      expect(failure.message).not.toContain('hello');
    }
    expect(provider.calls).toHaveLength(1);
    provider.misbehave = undefined;
    const again = await run();
    expect(again.data.embedBatch.cachedCount).toBe(0);
    for (const [i, text] of asked.entries())
      expect(decode(again.data.embedBatch.embeddingsBase64[i])).toEqual(vectorOf(text));
  });

  test('shuffled vectors find their texts by index, as numbers as well as in base64', async () => {
    const server = await start();
    provider.misbehave = answering((data) => data.reverse());
    const asked = Array.from({ length: 7 }, fresh);
    const { data } = await server.graphql(
      'mutation($texts: [String!]!) { embedBatch(texts: $texts) { embeddingsBase64 } }',
      { texts: asked },
    );
    for (const [i, text] of asked.entries())
      expect(decode(data.embedBatch.embeddingsBase64[i])).toEqual(vectorOf(text));
  });
});

describe('a usage that a provider tells', () => {
  const saying =
    (usage: unknown): Misbehave =>
    (call, response) => {
      const data = call.input.map((text, index) => ({ index, embedding: Array.from(vectorOf(text)) }));
      // JSON.stringify has no word for what JSON.parse reads as infinity.
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ data, usage }).replaceAll('"endless"', '1e999'));
      return true;
    };
  const askBoth = async (server: TestServer, texts: [string, string]) => {
    const { data, errors } = await server.graphql(
      'mutation($a: String!, $b: String!) { a: embed(text: $a) { tokens cost } b: embed(text: $b) { tokens cost } }',
      { a: texts[0], b: texts[1] },
    );
    expect(errors).toBeUndefined();
    return data.a.tokens + data.b.tokens;
  };

  test.each<[string, unknown]>([
    ['beyond 32 bits', { total_tokens: 5e9 }],
    ['beyond every whole number', { total_tokens: 1e300 }],
    ['endless', { total_tokens: 'endless' }],
    ['one more than can be', { total_tokens: 2 * (8 + 8) + 1 }],
    ['below nothing', { total_tokens: -5 }],
    ['a text', { total_tokens: '7' }],
    ['a list', []],
    ['none', undefined],
  ])('%s: the tokens are counted here', async (_name, usage) => {
    const server = await start();
    provider.misbehave = saying(usage);
    const [a, b] = ['abcdefgh', 'hgfedcba'] as const;
    const expected = [a, b].reduce((sum, text) => sum + countTokens(text), 0);
    expect(await askBoth(server, [a, b])).toBe(expected);
    const { data } = await server.graphql('{ metrics { totalTokens totalCostUsd } health { status } }');
    expect(data.metrics.totalTokens).toBe(expected);
    expect(data.metrics.totalCostUsd).toBeCloseTo((expected / 1_000) * 0.000_02, 12);
  });

  test.each([1, 2 * (8 + 8)])('%d, which can be, is charged as it is', async (total_tokens) => {
    const server = await start();
    provider.misbehave = saying({ total_tokens });
    expect(await askBoth(server, ['abcdefgh', 'hgfedcba'])).toBe(total_tokens);
  });
});

describe('what the provider refuses', () => {
  test('a key is told clearly, never shown and not tried again', async () => {
    const server = await start({ OPENAI_API_KEY: 'sk-very-secret' });
    const { errors } = await ask(server);
    expect(errors![0]).toMatchObject({
      message: expect.stringMatching(/does not accept the key \(HTTP 401\); check OPENAI_API_KEY/),
      extensions: { code: 'PROVIDER_ERROR', retryable: false },
    });
    expect(JSON.stringify(errors)).not.toContain('sk-very-secret');
    expect(provider.calls).toHaveLength(1);
  });

  test.each([
    [403, {}, /does not accept the key/],
    [404, {}, /no such model/],
    [400, { param: 'encoding_format' }, /refuses the request \(HTTP 400\)/],
    [418, {}, /refuses the request \(HTTP 418\)/],
  ])('HTTP %i is not tried again and splits nothing', async (status, options, message) => {
    const server = await start();
    provider.misbehave = failing(status, options);
    const { data } = await server.graphql(
      'mutation($texts: [String!]!) { embedBatch(texts: $texts) { failures { message } } }',
      {
        texts: [fresh(), fresh(), fresh(), fresh()],
      },
    );
    expect(data.embedBatch.failures).toHaveLength(4);
    expect(data.embedBatch.failures[0].message).toMatch(message);
    expect(provider.calls).toHaveLength(1);
  });
});

test('many texts of a batch that each make the provider answer 500 fail alone', async () => {
  const server = await start({ EMBEDQL_PROVIDER_RETRIES: '0' });
  provider.misbehave = ({ input }, response) => {
    if (!input.some((text) => text.startsWith('bad'))) return false;
    sendFailure(response, 500);
    return true;
  };
  const texts = Array.from({ length: 100 }, (_, i) => `${i % 12 === 0 ? 'bad' : 'good'} ${i}`);
  const { data } = await server.graphql(
    'mutation ($texts: [String!]!) { embedBatch(texts: $texts) { failures { index } } }',
    { texts },
  );
  expect(data.embedBatch.failures.map(({ index }: { index: number }) => index)).toEqual([
    0, 12, 24, 36, 48, 60, 72, 84, 96,
  ]);
});

describe('limits before sending', () => {
  test('a text over 8,191 tokens is cut before it is sent, or refused', async () => {
    const server = await start();
    const text = 'Many words, one text. '.repeat(3_000);
    const query =
      'mutation($text: String!, $cut: Boolean) { embed(text: $text, truncate: $cut) { tokens truncated } }';
    const refused = await server.graphql(query, { text, cut: false });
    expect(refused.errors![0]!.extensions['code']).toBe('TEXT_TOO_LONG');
    expect(provider.calls).toEqual([]);
    expect((await server.graphql(query, { text, cut: true })).data.embed).toEqual({
      tokens: 8_191,
      truncated: true,
    });
    expect(text.startsWith(provider.calls[0]!.input[0]!)).toBe(true);
  });

  test('a text of 100,000 letters without a break takes no time to count', async () => {
    const server = await start();
    const { data } = await server.graphql('mutation($text: String!) { embed(text: $text) { truncated } }', {
      text: 'x'.repeat(100_000),
    });
    expect(data.embed.truncated).toBe(true);
  });

  test('a call stays under 300,000 tokens', async () => {
    const server = await start();
    // About 5,000 tokens each: 100 of them would be 500,000.
    const asked = Array.from(
      { length: 100 },
      () => `${fresh()} ${'lorem ipsum dolor sit amet '.repeat(1_000)}`,
    );
    const { data } = await server.graphql(
      'mutation($texts: [String!]!) { embedBatch(texts: $texts) { totalEmbeddings } }',
      { texts: asked },
    );
    expect(data.embedBatch.totalEmbeddings).toBe(100);
    expect(provider.calls).toHaveLength(2);
    for (const { billedTokens } of provider.calls) expect(billedTokens).toBeLessThanOrEqual(300_000);
  });
});

test('another server gets a key only where its entry names one, and never the one of OpenAI', async () => {
  const { mkdtemp, writeFile } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const file = `${await mkdtemp(`${tmpdir()}/embedql-`)}/models.json`;
  const entry = { provider: 'openai', baseUrl: provider.url, dimension: 1_536, id: 'text-embedding-3-small' };
  await writeFile(
    file,
    JSON.stringify({
      models: [
        { ...entry, name: 'keyless' },
        { ...entry, name: 'keyed', apiKeyEnv: 'OTHER_KEY' },
        { ...entry, name: 'missing', apiKeyEnv: 'NO_SUCH_KEY' },
      ],
    }),
  );
  const server = await start({
    EMBEDQL_MODELS_FILE: file,
    OTHER_KEY: testKey,
    OPENAI_API_KEY: 'sk-openai-only',
  });
  const embed = (model: string) =>
    server.graphql(`mutation { embed(text: "${fresh()}", model: "${model}") { cost } }`);
  await embed('keyless');
  expect(provider.calls[0]!.authorization).not.toContain('sk-openai-only');
  expect((await embed('keyed')).errors).toBeUndefined();
  expect((await embed('missing')).errors![0]!.extensions['code']).toBe('PROVIDER_NOT_CONFIGURED');
});
