import { describe, expect, test } from 'vitest';
import { callsWith, expectVectors, fresh, local, long, remote, stand } from './support.ts';

/** A client of `/v1/embeddings`, with its defaults, for one model. */
export interface EmbeddingsClient {
  one(text: string): Promise<ArrayLike<number>>;
  many(texts: string[]): Promise<ReadonlyArray<ArrayLike<number>>>;
}

export interface Target {
  /** A server's, without a path. */
  url: string;
  key: string;
  model: string;
}

/** What every client of `/v1/embeddings` gets. */
export function describeEmbeddings(name: string, connect: (target: Target) => EmbeddingsClient): void {
  const to = (model: string, rest: Partial<Target> = {}) =>
    connect({ url: stand.open, key: 'anything', model, ...rest });

  describe(name, () => {
    test.each([local, remote])('embeds one text and many with %s', async (model) => {
      const texts = [fresh(), 'The cat purrs.', fresh(), fresh('日本語 🐈')];
      await expectVectors(model, texts, await to(model).many(texts));
      await expectVectors(model, texts.slice(0, 1), [await to(model).one(texts[0]!)]);
    });

    test('keeps the order of more texts than one provider call takes', async () => {
      const texts = Array.from({ length: 230 }, () => fresh());
      await expectVectors(remote, texts, await to(remote).many(texts));
    });

    test('gets a vector for white space, and is told which text is empty', async () => {
      const texts = [fresh(), ' '];
      await expectVectors(remote, texts, await to(remote).many(texts));
      await expect(to(remote).many([fresh(), ''])).rejects.toThrow(/input\[1\]/);
    });

    test('has a long text cut by a local model', async () => {
      const texts = [fresh(), long];
      await expectVectors(local, texts, await to(local).many(texts));
    });

    test("is told which text an OpenAI model can't read", async () => {
      await expect(to(remote).many([fresh(), long])).rejects.toThrow(/input\[1\]/);
    });

    test('is told of a wrong model what there is, and of a missing key that it is the server that has none', async () => {
      await expect(to('all-MiniLM-L6').one(fresh())).rejects.toThrow(/all-MiniLM-L6-v2/);
      await expect(to(remote, { url: stand.keyless }).one(fresh())).rejects.toThrow(
        /server.*all-MiniLM-L6-v2/s,
      );
    });

    test('gets in with the right key only', async () => {
      await expect(to(remote, { url: stand.guarded, key: 'wrong' }).one(fresh())).rejects.toThrow(/key/i);
      const text = fresh();
      await expectVectors(remote, [text], [await to(remote, { url: stand.guarded, key: 'right' }).one(text)]);
    });

    test('tries again after a 429', async () => {
      const text = fresh('slow down');
      await expectVectors(remote, [text], [await to(remote, { url: stand.strained }).one(text)]);
      expect(await callsWith(text)).toHaveLength(2);
    });
  });
}
