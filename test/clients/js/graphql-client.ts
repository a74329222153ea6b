import { describe, expect, test } from 'vitest';
import { callsWith, decode, expectVectors, fresh, local, long, poison, remote, stand } from './support.ts';

export interface GraphQLAnswer {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  data?: any;
  errors: ReadonlyArray<{ message: string; extensions?: Record<string, unknown> | undefined }>;
}

/** A client of `/graphql`, with its defaults, for one server. */
export interface GraphQLClient {
  run(operation: string, variables?: Record<string, unknown>): Promise<GraphQLAnswer>;
}

export interface StreamingClient {
  stream(subscription: string, variables: Record<string, unknown>): AsyncIterable<GraphQLAnswer>;
}

export interface Target {
  /** A server's, without a path. */
  url: string;
  key: string;
}

const embedOne =
  'mutation One($text: String!, $model: String) { embed(text: $text, model: $model) { embeddingBase64 } }';
const embedTwo =
  'mutation Two($a: String!, $b: String!) { a: embed(text: $a) { embeddingBase64 } b: embed(text: $b) { embeddingBase64 } }';
const embedMany = `mutation Many($texts: [String!]!, $model: String) {
  embedBatch(texts: $texts, model: $model) { embeddingsBase64 failures { index code } }
}`;
const streamed = `subscription Streamed($texts: [String!]!) {
  embedStream(texts: $texts) { done total embeddings { index embedding { embeddingBase64 } } failures { index code } }
}`;

/** What every client of `/graphql` gets. */
export function describeGraphQL(name: string, connect: (target: Target) => GraphQLClient): void {
  const to = (url: string, key = 'anything') => connect({ url, key });

  describe(name, () => {
    test.each([local, remote])('embeds one text and many with %s, and asks', async (model) => {
      const texts = [fresh(), 'The cat purrs.', fresh('日本語 🐈'), fresh()];
      const { data, errors } = await to(stand.open).run(embedMany, { texts, model });
      expect(errors).toEqual([]);
      await expectVectors(model, texts, data.embedBatch.embeddingsBase64.map(decode));
      const one = await to(stand.open).run(embedOne, { text: texts[0], model });
      await expectVectors(model, texts.slice(0, 1), [decode(one.data.embed.embeddingBase64)]);
      const asked = await to(stand.open).run('query Health { health { service } }');
      expect(asked.data.health.service).toBe('embedql');
    });

    test('gets what went well beside what went wrong', async () => {
      const [a, b] = [fresh(), fresh(poison)];
      const two = await to(stand.open).run(embedTwo, { a, b });
      await expectVectors(remote, [a], [decode(two.data.a.embeddingBase64)]);
      expect(two.data.b).toBeNull();
      expect(two.errors).toMatchObject([{ extensions: { code: 'PROVIDER_ERROR' } }]);
      const many = await to(stand.open).run(embedMany, { texts: [a, b, ' '] });
      expect(many.errors).toEqual([]);
      expect(many.data.embedBatch.embeddingsBase64.slice(1)).toEqual([null, null]);
      expect(many.data.embedBatch.failures).toMatchObject([
        { index: 1, code: 'PROVIDER_ERROR' },
        { index: 2, code: 'BAD_USER_INPUT' },
      ]);
    });

    test('is told what is wrong with a text, a model, a field and a key', async () => {
      const empty = await to(stand.open).run(embedOne, { text: ' ' });
      expect(empty.errors[0]!.extensions!['code']).toBe('BAD_USER_INPUT');
      const model = await to(stand.open).run(embedOne, { text: fresh(), model: 'all-MiniLM-L6' });
      expect(model.errors[0]!.extensions!['code']).toBe('MODEL_NOT_FOUND');
      expect(model.errors[0]!.message).toContain(local);
      const refuse = 'mutation Long($text: String!) { embed(text: $text, truncate: false) { model } }';
      const tooLong = await to(stand.open).run(refuse, { text: long });
      expect(tooLong.errors[0]!.extensions!['code']).toBe('TEXT_TOO_LONG');
      const field = await to(stand.open).run('query Mistyped { helth { service } }');
      expect(field.errors[0]!.message).toContain('health');
      const key = await to(stand.guarded, 'wrong').run(embedOne, { text: fresh() });
      expect(key.errors[0]!.message).toMatch(/key|401|Unauthorized/i);
      expect((await to(stand.guarded, 'right').run(embedOne, { text: fresh() })).errors).toEqual([]);
    });

    test('a 429 says when to come again', async () => {
      const text = fresh('slow down');
      const first = await to(stand.strained).run(embedOne, { text });
      expect(first.errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED', retryable: true } }]);
      const { retryAfterMs } = first.errors[0]!.extensions as { retryAfterMs: number };
      await new Promise((resolve) => setTimeout(resolve, retryAfterMs + 50));
      const second = await to(stand.strained).run(embedOne, { text });
      await expectVectors(remote, [text], [decode(second.data.embed.embeddingBase64)]);
    });
  });
}

/** What a client that subscribes gets. */
export function describeStream(name: string, connect: (target: Target) => StreamingClient): void {
  const collect = async (target: Target, texts: string[]) => {
    const vectors = new Map<number, Float32Array>();
    const failures = new Map<number, string>();
    const errors: GraphQLAnswer['errors'][number][] = [];
    for await (const answer of connect(target).stream(streamed, { texts })) {
      errors.push(...answer.errors);
      for (const { index, embedding } of answer.data?.embedStream.embeddings ?? [])
        vectors.set(index, decode(embedding.embeddingBase64));
      for (const { index, code } of answer.data?.embedStream.failures ?? []) failures.set(index, code);
    }
    return { vectors, failures, errors };
  };

  describe(`${name}, subscribed`, () => {
    test('gets every vector once, what failed, and an end', async () => {
      const texts = Array.from({ length: 150 }, () => fresh());
      texts[70] = fresh(poison);
      const { vectors, failures, errors } = await collect({ url: stand.open, key: 'anything' }, texts);
      expect(errors).toEqual([]);
      expect([...failures]).toEqual([[70, 'PROVIDER_ERROR']]);
      const answered = [...vectors.keys()].sort((a, b) => a - b);
      expect(answered).toEqual([...texts.keys()].filter((i) => i !== 70));
      await expectVectors(
        remote,
        answered.map((i) => texts[i]!),
        answered.map((i) => vectors.get(i)!),
      );
    });

    test('is told of a wrong model, and gets in with the right key only', async () => {
      const wrong = connect({ url: stand.open, key: 'anything' }).stream(
        'subscription { embedStream(texts: ["a"], model: "nope") { done } }',
        {},
      );
      await expect(firstProblem(wrong)).resolves.toContain(local);
      await expect(
        firstProblem(connect({ url: stand.guarded, key: 'wrong' }).stream(streamed, { texts: [fresh()] })),
      ).resolves.toMatch(/key|401|Unauthorized|Forbidden|4401|4403/i);
      const text = fresh();
      const { vectors } = await collect({ url: stand.guarded, key: 'right' }, [text]);
      await expectVectors(remote, [text], [...vectors.values()]);
    });

    test('one that is left early ends', async () => {
      for await (const { data } of connect({ url: stand.open, key: 'anything' }).stream(
        'subscription { metricsUpdated { operations } }',
        {},
      )) {
        expect(data.metricsUpdated.operations).toBeGreaterThanOrEqual(0);
        break;
      }
    });
  });
}

/** The words of what a client throws: an error, or the event of a socket that was closed. */
export function reasonOf(thrown: unknown): string {
  const { code, reason, message } = thrown as { code?: unknown; reason?: string; message?: string };
  return reason === undefined ? (message ?? JSON.stringify(thrown)) : `${String(code)} ${reason}`;
}

async function firstProblem(answers: AsyncIterable<GraphQLAnswer>): Promise<string> {
  try {
    for await (const { errors } of answers) if (errors.length > 0) return errors[0]!.message;
  } catch (error) {
    return reasonOf(error);
  }
  return 'ended without a word';
}

/** Fails unless the texts came to the provider together: in one call. */
export async function expectOneCall(texts: readonly string[]): Promise<void> {
  const calls = await callsWith(texts[0]!);
  expect(calls).toHaveLength(1);
  expect([...calls[0]!.input].sort()).toEqual([...texts].sort());
}
