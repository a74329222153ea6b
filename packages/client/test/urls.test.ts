import { describe, expect, test } from 'vitest';
import { createClient, EmbedError } from '../src/index.ts';
import { type Answer, batchOf, fakeFetch } from './fake-server.ts';

describe('a URL that cannot be asked', () => {
  test.each([
    [undefined, 'The URL is undefined; pass one such as http://127.0.0.1:4000/graphql.'],
    ['', 'The URL is empty'],
    ['localhost:4000/graphql', 'has no scheme; did you mean http://localhost:4000/graphql?'],
    ['127.0.0.1:4000/graphql', 'has no scheme; did you mean http://127.0.0.1:4000/graphql?'],
    ['//host/graphql', 'did you mean http://host/graphql?'],
    ['ws://host:1234/graphql', 'not ws://; did you mean http://host:1234/graphql?'],
    ['redis://me:secret@host/0', 'must begin with http:// or https://'],
    ['/graphql', 'no host; pass one such as http://127.0.0.1:4000/graphql.'],
    ['http://me:secret@host/graphql', 'pass the key as { apiKey }'],
  ])('%s', (url, message) => {
    let error: unknown;
    try {
      createClient(url as string);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(EmbedError);
    expect(error).toMatchObject({ code: 'BAD_URL', retryable: false });
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).not.toContain('secret');
  });

  test('a URL object, blanks around it, and a path of the page are fine', async () => {
    const { fetch } = fakeFetch(({ texts }) => batchOf(texts));
    await createClient(new URL('http://host/graphql'), { fetch }).embed('a');
    createClient(' https://host/api/graphql ');
    expect(() => createClient('http://host', { concurrency: 0 })).toThrow(RangeError);
    expect(() => createClient('http://host', { timeoutMs: Number.NaN })).toThrow(RangeError);
  });
});

describe('an answer that is not EmbedQL', () => {
  const html = '<!doctype html><title>Hello</title>';
  test.each<[string, Answer, string, string]>([
    ['http://host:4000', { status: 405, body: {} }, 'NOT_GRAPHQL', 'did you mean http://host:4000/graphql?'],
    ['http://host/v1', { status: 404, body: {} }, 'NOT_GRAPHQL', 'did you mean http://host/graphql?'],
    ['http://host/api/', { body: html }, 'NOT_GRAPHQL', 'did you mean http://host/api/graphql?'],
    ['http://host/graphql?key=secret', { body: html }, 'NOT_GRAPHQL', 'answers with HTML (HTTP 200)'],
    ['http://host/graphql', { body: { hello: 1 } }, 'NOT_GRAPHQL', 'is another server at that address?'],
    ['http://host/graphql', { body: 'null' }, 'NOT_GRAPHQL', 'without GraphQL'],
    ['http://host/graphql', { status: 401, body: {} }, 'UNAUTHENTICATED', 'requires a key'],
    [
      'http://host/graphql',
      {
        body: {
          errors: [
            {
              message: 'Cannot query field "costs" on type "EmbeddingBatch".',
              extensions: { code: 'BAD_USER_INPUT' },
            },
          ],
        },
      },
      'BAD_USER_INPUT',
      'requires a server of EmbedQL 0.2 or newer',
    ],
  ])('%s %o', async (url, answer, code, message) => {
    const { fetch, asked } = fakeFetch(() => answer);
    const error = await createClient(url, { fetch, apiKey: '' })
      .embed('a')
      .catch((error: unknown) => error);
    expect(error).toMatchObject({ code, retryable: false, message: expect.stringContaining(message) });
    expect((error as Error).message).not.toContain('secret');
    expect(asked).toHaveLength(1);
  });

  test('a key that is wrong is told from one that is missing', async () => {
    const { fetch } = fakeFetch(() => ({ status: 401, body: {} }));
    await expect(createClient('http://host', { fetch, apiKey: 'k' }).embed('a')).rejects.toThrow(
      'does not accept this key',
    );
  });

  test.each([
    [{ code: 'ENOTFOUND' }, 'does not exist'],
    [{ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, 'NODE_EXTRA_CA_CERTS'],
    [new Error('bad port'), 'refuses to send'],
  ])('what no waiting helps against is told at once: %o', async (cause, message) => {
    const { fetch, asked } = fakeFetch(() => {
      throw Object.assign(new TypeError('fetch failed'), { cause });
    });
    await expect(createClient('http://host/graphql', { fetch }).embed('a')).rejects.toMatchObject({
      code: 'NETWORK',
      retryable: false,
      message: expect.stringContaining(message),
    });
    expect(asked).toHaveLength(1);
  });
});
