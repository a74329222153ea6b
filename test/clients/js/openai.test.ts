import OpenAI from 'openai';
import OpenAI4 from 'openai-4';
import OpenAI5 from 'openai-5';
import { describe, expect, test } from 'vitest';
import { describeEmbeddings, type Target } from './embeddings-client.ts';
import { expectVectors, fresh, local, remote, stand } from './support.ts';

for (const [name, SDK] of [
  ['openai 6', OpenAI],
  ['openai 5', OpenAI5 as unknown as typeof OpenAI],
  ['openai 4', OpenAI4 as unknown as typeof OpenAI],
] as const) {
  describeEmbeddings(name, ({ url, key, model }: Target) => {
    const client = new SDK({ baseURL: `${url}/v1`, apiKey: key });
    const embed = async (input: string | string[]) =>
      (await client.embeddings.create({ model, input })).data.map(({ embedding }) => embedding);
    return { many: embed, one: async (text) => (await embed(text))[0]! };
  });

  describe(`${name}, beyond the ordinary`, () => {
    const client = (url: string, apiKey = 'anything', fetch?: typeof globalThis.fetch) =>
      new SDK({ baseURL: `${url}/v1`, apiKey, ...(fetch ? { fetch } : {}) });

    test("a model's own dimension, shorter ones, numbers, usage, and a request's id", async () => {
      const input = fresh();
      const own = await client(stand.open).embeddings.create({ model: local, input, dimensions: 384 });
      await expectVectors(local, [input], [own.data[0]!.embedding]);
      const short = await client(stand.open).embeddings.create({ model: remote, input, dimensions: 256 });
      expect(short.data[0]!.embedding).toHaveLength(256);
      expect(short.usage.prompt_tokens).toBeGreaterThan(3);
      const numbers = await client(stand.open).embeddings.create({
        model: remote,
        input,
        encoding_format: 'float',
      });
      await expectVectors(remote, [input], [numbers.data[0]!.embedding]);
      expect(numbers._request_id).toBeTruthy();
    });

    test('lists of tokens are the texts that they stand for', async () => {
      const { data } = await client(stand.open).embeddings.create({
        model: remote,
        input: [[15_339, 1_917], [15_339]],
      });
      await expectVectors(
        remote,
        ['hello world', 'hello'],
        data.map(({ embedding }) => embedding),
      );
    });

    test('finds the models that are listed, with a slash in the name too, and no others', async () => {
      const { data } = await client(stand.keyless).models.list();
      const ids = data.map(({ id }) => id);
      expect(ids).toContain(local);
      for (const id of ids) expect((await client(stand.keyless).models.retrieve(id)).id).toBe(id);
      expect(await client(stand.keyless).models.retrieve(`sentence-transformers/${local}`)).toMatchObject({
        object: 'model',
      });
      await expect(client(stand.keyless).models.retrieve('nope')).rejects.toMatchObject({
        status: 404,
        code: 'model_not_found',
      });
    });

    test('a base URL without /v1 works, and another path says what there is', async () => {
      const bare = new SDK({ baseURL: stand.open, apiKey: 'anything' });
      expect((await bare.embeddings.create({ model: remote, input: fresh() })).data).toHaveLength(1);
      await expect(
        client(stand.open).chat.completions.create({
          model: remote,
          messages: [{ role: 'user', content: 'hi' }],
        }),
      ).rejects.toThrow(/404.*\/v1\/embeddings/s);
    });

    test('errors are those that programs look for', async () => {
      const refused = client(stand.guarded, 'wrong').embeddings.create({ model: remote, input: 'a' });
      await expect(refused).rejects.toBeInstanceOf(SDK.AuthenticationError);
      await expect(
        client(stand.open).embeddings.create({ model: 'nope', input: 'a' }),
      ).rejects.toBeInstanceOf(SDK.NotFoundError);
      await expect(client(stand.open).embeddings.create({ model: remote, input: [] })).rejects.toMatchObject({
        status: 400,
        param: 'input',
      });
    });

    test("a day's money that is spent isn't asked for again and again", async () => {
      let requests = 0;
      const counting: typeof fetch = (input, init) => {
        requests++;
        return fetch(input, init);
      };
      const asked = client(stand.guarded, 'poor', counting).embeddings.create({
        model: remote,
        input: fresh(),
      });
      await expect(asked).rejects.toMatchObject({ status: 429 });
      expect(requests).toBe(1);
    });
  });
}
