import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encode } from 'gpt-tokenizer/encoding/cl100k_base';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider, vectorOf } from '../support/provider-server.ts';
import { asFloat32 } from '../support/vectors.ts';

/** What clients of OpenAI send by default, beside a list of texts. */

let provider: ProviderServer;
let server: TestServer;
let folder: string;

beforeAll(async () => {
  provider = await startProvider();
  folder = await mkdtemp(path.join(tmpdir(), 'embedql-inputs-'));
  const file = path.join(folder, 'models.json');
  const other = { provider: 'openai', id: 'text-embedding-3-small', baseUrl: provider.url, dimension: 1_536 };
  const models = [
    {
      ...other,
      name: 'e5',
      apiKeyEnv: 'OPENAI_API_KEY',
      queryPrefix: 'query: ',
      documentPrefix: 'passage: ',
    },
    { ...other, name: 'short', apiKeyEnv: 'OPENAI_API_KEY', maxInputTokens: 8 },
  ];
  await writeFile(file, JSON.stringify({ models }));
  server = await startEmbedQL({
    ...provider.env,
    EMBEDQL_PROVIDER_RETRIES: '0',
    EMBEDQL_MODELS_FILE: file,
    EMBEDQL_MAX_TEXTS: '50',
    EMBEDQL_MAX_BODY_BYTES: '100000',
  });
});
beforeEach(() => provider.forget());
afterAll(async () => {
  await server.stop();
  await provider.close();
  await rm(folder, { recursive: true });
});

const model = 'text-embedding-3-small';
let texts = 0;
const fresh = () => `sent text ${++texts}`;

interface Answer {
  status: number;
  headers: Headers;
  vectors: number[][];
  error: { message: string; type: string; param: string | null; code: string };
}

async function post(body: object): Promise<Answer> {
  const response = await fetch(`${server.url}/v1/embeddings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, ...body }),
  });
  const { data, error } = (await response.json()) as {
    data?: Array<{ embedding: number[] }>;
    error: Answer['error'];
  };
  const vectors = (data ?? []).map(({ embedding }) => embedding);
  return { status: response.status, headers: response.headers, vectors, error };
}

const expected = (text: string) => Array.from(vectorOf(text));

describe('tokens of cl100k_base', () => {
  test.each([
    ['plain words', 'The cat sat on the mat.'],
    ['characters of several tokens', '🐈‍⬛ 東京は日本の首都です。 \u{1F9D1}\u{1F3FD}\u200D\u{1F52C}'],
    ['a byte order mark and other white space', '\uFEFF\uFEFFx\r\n\t \u00A0y'],
    ['what looks like a special token', '<|endoftext|>'],
  ])('are the text that they stand for: %s', async (_name, text) => {
    const ids = encode(text, { disallowedSpecial: new Set() });
    const other = fresh();
    const alone = await post({ input: ids });
    const listed = await post({ input: [encode(other), ids] });
    expect(alone.vectors.map(asFloat32)).toEqual([expected(text)]);
    expect(listed.vectors.map(asFloat32)).toEqual([expected(other), expected(text)]);
    // The same text has the same place in the cache.
    await post({ input: text });
    expect(provider.calls.flatMap(({ input }) => input)).toEqual([text, other]);
  });

  test('that stand for half of a character leave nothing to whoever comes next', async () => {
    const [firstHalf] = encode('🐈');
    expect((await post({ input: [[firstHalf!], encode('東')] })).status).toBe(200);
    expect(provider.calls.flatMap(({ input }) => input)).toEqual(['\uFFFD', '東']);
  });

  test.each<[string, unknown, string, RegExp]>([
    ['a special one', [15_339, 100_257], 'input[1]', /input\[1\] is a special token/],
    ['outside of the vocabulary', [[1], [15_339, 100_300]], 'input[1][1]', /whole numbers from 0 to 100255/],
    ['negative', [5, -1], 'input[1]', /no token of cl100k_base/],
    ['with a fraction', [[1.5]], 'input[0][0]', /no token of cl100k_base/],
    ['too large for anything', [1e300], 'input[0]', /no token of cl100k_base/],
    ['none', [[1], []], 'input[1]', /input\[1\] has no tokens/],
    ['a list of none', [[]], 'input[0]', /input\[0\] has no tokens/],
    ['with texts among them', [1, 'a', 'b'], 'input[1]', /input\[1\] is a text; it must be a token/],
    [
      'in lists, with null among them',
      [
        [1, 2],
        [3, null],
      ],
      'input[1][1]',
      /is null where a token/,
    ],
    [
      'texts with a list of tokens among them',
      ['a', [1]],
      'input[1]',
      /input\[1\] is a list; it must be a text/,
    ],
    ['in lists of lists', [[[1]]], 'input[0][0]', /is a list where a token/],
  ])('are refused by their place where they stand for nothing: %s', async (_name, input, param, message) => {
    const { status, error } = await post({ input });
    expect(error).toEqual({
      message: expect.stringMatching(message),
      type: 'invalid_request_error',
      param,
      code: 'bad_user_input',
    });
    expect(status).toBe(400);
    expect(provider.calls).toHaveLength(0);
  });

  test('count as a text for each list, however wrong it is', async () => {
    for (const input of [Array.from({ length: 51 }, () => [1]), Array.from({ length: 51 }, () => [])]) {
      const { error } = await post({ input });
      expect([error.code, error.message]).toEqual([
        'cost_limit_exceeded',
        expect.stringContaining('51 texts'),
      ]);
    }
    expect((await post({ input: Array.from({ length: 60 }, () => 15_339) })).status).toBe(200);
  });

  test('do not stand for more text than a body may have', async () => {
    const [spaces] = encode(' '.repeat(64));
    const { status, error } = await post({ input: Array.from({ length: 10_000 }, () => spaces!) });
    expect([status, error.code]).toEqual([400, 'cost_limit_exceeded']);
    expect(error.message).toContain('EMBEDQL_MAX_BODY_BYTES');
  });
});

describe('what is left out', () => {
  test('may be null', async () => {
    const text = fresh();
    const { status, vectors } = await post({
      input: text,
      model: null,
      encoding_format: null,
      dimensions: null,
      user: null,
      truncate: null,
      input_type: null,
      unknown: null,
    });
    expect(status).toBe(200);
    expect(asFloat32(vectors[0]!)).toEqual(expected(text));
  });

  test.each<[string, object, string | null, RegExp]>([
    ['no input', {}, 'input', /input must be a text, a list of texts/],
    ['null as input', { input: null }, 'input', /input must be a text/],
    ['a number as input', { input: 5 }, 'input', /input must be a text/],
    ['no texts', { input: [] }, 'input', /input must have at least one text/],
    ['null among texts', { input: ['a', null] }, 'input[1]', /input\[1\] is null; it must be a text/],
    ['nothing but null', { input: [null] }, 'input[0]', /it must be a text or a list of tokens/],
    ['a number for a model', { input: 'a', model: 5 }, 'model', /model must be a text, not a number/],
    [
      'another encoding',
      { input: 'a', encoding_format: 'hex' },
      'encoding_format',
      /must be "float" or "base64"/,
    ],
    [
      'text for dimensions',
      { input: 'a', dimensions: '5' },
      'dimensions',
      /must be a whole number, not a text/,
    ],
    ['a part of a dimension', { input: 'a', dimensions: 1.5 }, 'dimensions', /not one with a fraction/],
    ['a word for truncate', { input: 'a', truncate: 'yes' }, 'truncate', /must be true or false/],
    [
      'another input_type',
      { input: 'a', input_type: 'image' },
      'input_type',
      /must be "query" or "document"/,
    ],
    ['a name of every object', { input: 'a', input_type: 'toString' }, 'input_type', /must be "query"/],
    ['an empty text', { input: '' }, 'input', /^input is empty/],
    ['an empty text in a list', { input: ['a', ' ', ''] }, 'input[2]', /^input\[2\] is empty/],
  ])('or wrong, is said in words: %s', async (_name, body, param, message) => {
    const { status, error } = await post(body);
    expect([status, error.param, error.code]).toEqual([400, param, 'bad_user_input']);
    expect(error.message).toMatch(message);
    expect(provider.calls).toHaveLength(0);
  });

  test.each(['null', '[]', '"text"', '5'])('a body that is no object: %s', async (body) => {
    const response = await fetch(`${server.url}/v1/embeddings`, { method: 'POST', body });
    expect([response.status, await response.json()]).toEqual([
      400,
      { error: expect.objectContaining({ message: expect.stringContaining('JSON object'), param: null }) },
    ]);
  });
});

test('a text of white space is a text', async () => {
  const { vectors } = await post({ input: [' ', '\n', '\t\u00A0'] });
  expect(vectors.map(asFloat32)).toEqual([' ', '\n', '\t\u00A0'].map(expected));
});

test("a model's own dimension is no shortening, at both doors", async () => {
  const input = fresh();
  const ada = { input, model: 'text-embedding-ada-002', dimensions: 1_536 };
  expect((await post(ada)).vectors[0]).toHaveLength(1_536);
  const field = `embed(text: "${input}", model: "text-embedding-ada-002", dimensions: 1536) { dimension cached }`;
  expect((await server.graphql(`mutation { ${field} }`)).data.embed).toEqual({
    dimension: 1_536,
    cached: true,
  });
  const { error } = await post({ ...ada, dimensions: 1_535 });
  expect([error.code, error.message]).toEqual([
    'bad_user_input',
    expect.stringContaining('leave out dimensions'),
  ]);
});

describe('a text over the limit', () => {
  const long = () => `${fresh()} ${'word '.repeat(20)}`;
  const endless = 'word '.repeat(9_000);

  test("is refused by OpenAI's models, in the words that clients look for", async () => {
    const { status, error } = await post({ input: ['fine', endless] });
    expect([status, error.code, error.param]).toEqual([400, 'text_too_long', 'input[1]']);
    expect(error.message).toMatch(/^input\[1\].*this model's maximum context length is 8191 tokens/);
    const cut = await post({ input: ['fine', endless], truncate: true });
    expect([cut.status, cut.headers.get('x-embedql-truncated')]).toEqual([200, '1']);
  });

  test('is cut by every other model, and the header says how many', async () => {
    const [one, two] = [long(), long()];
    const input = ['fine', one, two];
    for (const _fromProviderThenCache of [1, 2]) {
      const { status, headers, vectors } = await post({ input, model: 'short' });
      expect([status, headers.get('x-embedql-truncated')]).toEqual([200, '2']);
      expect(vectors).toHaveLength(3);
    }
    expect((await post({ input: 'fine', model: 'short' })).headers.has('x-embedql-truncated')).toBe(false);
    const { error } = await post({ input, model: 'short', truncate: false });
    expect([error.code, error.param]).toEqual(['text_too_long', 'input[1]']);
    expect(error.message).toContain('pass truncate: true');
  });
});

test('input_type tells queries from documents, in the words of several services', async () => {
  const text = fresh();
  const ask = async (body: object) =>
    asFloat32((await post({ input: text, model: 'e5', ...body })).vectors[0]!);
  const [query, document] = [expected(`query: ${text}`), expected(`passage: ${text}`)];
  expect(await ask({})).toEqual(document);
  for (const type of ['document', 'passage', 'search_document'])
    expect(await ask({ input_type: type })).toEqual(document);
  for (const type of ['query', 'search_query']) expect(await ask({ input_type: type })).toEqual(query);
});
