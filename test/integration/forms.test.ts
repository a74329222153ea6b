import { afterAll, beforeAll, expect, test } from 'vitest';
import { toBinary, toInt8 } from '../../src/core/forms.ts';
import { shortenVector } from '../../src/core/vectors.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { type ProviderServer, startProvider, vectorOf } from '../support/provider-server.ts';

let provider: ProviderServer;
let server: TestServer;

beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL({ ...provider.env });
});
afterAll(async () => {
  await server.stop();
  await provider.close();
});

const base64 = (bytes: Int8Array | Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

test('all forms come from one vector: cut, scaled, then quantised', async () => {
  const { data, errors } = await server.graphql(`mutation {
    a: embed(text: "cat", dimensions: 100) { embeddingInt8 embeddingBinary dimension }
    b: embedBatch(texts: ["cat", "", "dog"]) { embeddingsInt8 embeddingsBinary }
  }`);
  expect(errors).toBeUndefined();
  const short = shortenVector(vectorOf('cat'), 100);
  expect(data.a).toEqual({
    embeddingInt8: base64(toInt8(short)),
    embeddingBinary: base64(toBinary(short)),
    dimension: 100,
  });
  const [cat, dog] = ['cat', 'dog'].map((text) => vectorOf(text));
  expect(data.b).toEqual({
    embeddingsInt8: [base64(toInt8(cat!)), null, base64(toInt8(dog!))],
    embeddingsBinary: [base64(toBinary(cat!)), null, base64(toBinary(dog!))],
  });
  expect(provider.calls).toHaveLength(1);
});

test('/v1 has them as lists and as base64', async () => {
  const ask = async (body: object) => {
    const answer = await fetch(`${server.url}/v1/embeddings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ input: 'cat', ...body }),
    });
    return (await answer.json()) as {
      data?: Array<{ embedding: unknown }>;
      error?: { message: string; param: string };
    };
  };
  const embedding = async (body: object) => (await ask(body)).data?.[0]?.embedding;
  const cat = vectorOf('cat');
  expect(await embedding({ output_dtype: 'int8' })).toEqual([...toInt8(cat)]);
  expect(await embedding({ output_dtype: 'binary' })).toEqual([...toBinary(cat)]);
  expect(await embedding({ output_dtype: 'int8', encoding_format: 'base64' })).toBe(base64(toInt8(cat)));
  expect(await embedding({ output_dtype: 'binary', encoding_format: 'base64' })).toBe(base64(toBinary(cat)));
  expect(await embedding({ output_dtype: null, encoding_format: 'base64' })).toHaveLength(8_192);
  expect((await ask({ output_dtype: 'int4' })).error).toMatchObject({
    param: 'output_dtype',
    message: 'output_dtype must be "float", "int8" or "binary".',
  });
});

test('sizes that an entry lists are the only ones', async () => {
  const { data } = await server.graphql('{ models { name dimensions } }');
  for (const { dimensions } of data.models) expect(dimensions).toBeNull();
});
