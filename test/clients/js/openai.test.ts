import OpenAI, { toFile } from 'openai';
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

    test('files and batches: uploaded, created, followed, read and deleted', async () => {
      const { files, batches } = client(stand.open);
      const texts = [fresh(), fresh(), fresh()];
      const lines = texts.map((input, i) =>
        JSON.stringify({
          custom_id: `request-${i}`,
          method: 'POST',
          url: '/v1/embeddings',
          body: { model: remote, input },
        }),
      );
      const input = await files.create({
        file: await toFile(Buffer.from(lines.join('\n')), 'requests.jsonl'),
        purpose: 'batch',
      });
      let batch = await batches.create({
        input_file_id: input.id,
        endpoint: '/v1/embeddings',
        completion_window: '24h',
        metadata: { from: name },
      });
      while (batch.status !== 'completed') {
        await new Promise((resolve) => setTimeout(resolve, 200));
        batch = await batches.retrieve(batch.id);
      }
      expect(batch.request_counts).toEqual({ total: 3, completed: 3, failed: 0 });
      const output = await (await files.content(batch.output_file_id!)).text();
      const answers = output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(answers.map(({ custom_id }) => custom_id)).toEqual(['request-0', 'request-1', 'request-2']);
      await expectVectors(
        remote,
        texts,
        answers.map(({ response }) => response.body.data[0].embedding),
      );
      const ids: string[] = [];
      for await (const one of batches.list({ limit: 1 })) ids.push(one.id);
      expect(ids).toContain(batch.id);
      // Version 4 has another name for it.
      const all = files as unknown as Record<'delete' | 'del', typeof files.delete | undefined>;
      const remove = (all.delete ?? all.del)!;
      expect((await remove.call(files, input.id)).deleted).toBe(true);
      await expect(files.retrieve(input.id)).rejects.toMatchObject({ status: 404 });
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
