import { expect, test, vi } from 'vitest';
import { noCache } from '../../../src/cache/none.ts';
import { Catalogue } from '../../../src/core/catalogue.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { Embedder } from '../../../src/core/embedder.ts';
import { badUserInput, EmbedQLError } from '../../../src/core/errors.ts';
import type { ModelRequest, Operation } from '../../../src/core/request.ts';
import { readChunkWish, readWish } from '../../../src/core/wish.ts';
import { FakeModel, noEvents } from '../../support/fake-model.ts';

const sentences = (count: number) =>
  Array.from({ length: count }, (_, i) => `Sentence ${i} tells of cats.`).join(' ');

/** A model of 100 tokens, each of which is a character. */
function begin() {
  const model = new FakeModel(systemClock, { maxInputTokens: 100 });
  model.behaviour.embedMs = 0;
  const catalogue = new Catalogue([model], 'fake');
  const embedder = new Embedder({
    ...{ catalogue, cache: noCache, events: noEvents },
    ...{ windowMs: 0, queueLimit: 10_000 },
  });
  const average = readWish({ longText: 'average' }, catalogue);
  const chunks = readChunkWish({ maxTokens: 50 }, catalogue);
  return { model, embedder, average, chunks };
}

test('pieces are drawn, all that there are of all texts, before any text is sent', async () => {
  const { model, embedder, average, chunks } = begin();
  const drawn: number[] = [];
  const operation: Operation = {
    draw: (requests) => {
      expect(model.calls).toHaveLength(0);
      drawn.push(requests.length);
    },
  };
  const requests = [
    average.request(sentences(20), 'doc'),
    average.request('short', 'doc'),
    chunks.request(sentences(9), 'doc'),
  ];
  const [long, short, pieces] = await embedder.embedMany(requests, operation);
  const count = (outcome: unknown) => (outcome as { pieces?: unknown[] }).pieces?.length ?? 1;
  expect(count(short)).toBe(1);
  expect(count(long)).toBeGreaterThan(5);
  expect(drawn).toEqual([3, count(long) + count(pieces) - 2]);
  expect(model.sent).toHaveLength(count(long) + 1 + count(pieces));
  expect(model.calls).toHaveLength(1);
});

test('where they may not be had, no piece is looked up or sent, and the other texts are answered', async () => {
  const { model, embedder, average } = begin();
  const operation: Operation = {
    draw: async (requests) => {
      if (requests.length > 2) throw badUserInput('no more');
    },
  };
  const outcomes = await embedder.embedMany(
    [average.request(sentences(20), 'doc'), average.request('short', 'doc')],
    operation,
  );
  expect(outcomes).toMatchObject([{ message: 'no more' }, { tokens: 5 }]);
  expect(model.sent).toEqual(['short']);
});

test('an operation says how many texts it may have; a text is not read past that', async () => {
  const { model, embedder, average } = begin();
  let units = 0;
  const count = model.countTokens.bind(model);
  vi.spyOn(model, 'countTokens').mockImplementation((texts) => {
    units += texts.reduce((sum, text) => sum + text.length, 0);
    return count(texts);
  });
  const drawn: ModelRequest[][] = [];
  const operation: Operation = {
    textsLeft: 5,
    draw: (requests) => {
      drawn.push([...requests]);
      if (requests.length > 5) throw new EmbedQLError('COST_LIMIT_EXCEEDED', 'too many');
    },
  };
  // By its length alone there are more.
  const [first] = await embedder.embedMany([average.request('x'.repeat(1_000_000), 'doc')], operation);
  expect(first).toMatchObject({ code: 'COST_LIMIT_EXCEEDED' });
  expect(units).toBe(1_000_000);
  // By what is read of it.
  units = 0;
  const [second] = await embedder.embedMany([average.request(sentences(300), 'doc')], operation);
  expect(second).toMatchObject({ code: 'COST_LIMIT_EXCEEDED' });
  expect(model.calls).toHaveLength(0);
  expect(Math.max(...drawn.map(({ length }) => length))).toBe(6);
});

test('one whose client has gone is not split any further', async () => {
  const { model, embedder, average } = begin();
  const gone = new AbortController();
  let counted = 0;
  vi.spyOn(model, 'countTokens').mockImplementation(async (texts) => {
    counted += 1;
    if (counted === 3) gone.abort();
    return texts.map((text) => text.length);
  });
  const operation: Operation = { signal: gone.signal, draw: () => {} };
  const [outcome] = await embedder.embedMany([average.request(sentences(50_000), 'doc')], operation);
  expect(outcome).toBeInstanceOf(EmbedQLError);
  expect(counted).toBeLessThan(8);
  expect(model.calls).toHaveLength(0);
});

test('where tokens cannot be counted, the long texts fail and say why', async () => {
  const { model, embedder, average, chunks } = begin();
  vi.spyOn(model, 'countTokens').mockRejectedValue(new EmbedQLError('PROVIDER_ERROR', 'no tokenizer'));
  const outcomes = await embedder.embedMany(
    [average.request('short', 'doc'), average.request(sentences(9), 'doc'), chunks.request('short', 'doc')],
    { draw: () => {} },
  );
  expect(outcomes).toMatchObject([{ tokens: 5 }, { message: 'no tokenizer' }, { message: 'no tokenizer' }]);
});

test('one that fails is the reason of its text, and costs of the others stay with it', async () => {
  const { model, embedder, chunks } = begin();
  model.behaviour.refuse = (texts) => {
    if (texts.some((text) => text.includes('poison'))) throw new EmbedQLError('PROVIDER_ERROR', 'refused');
  };
  const text = `${sentences(3)} ${'poison '.repeat(6)}${sentences(3)}`;
  const [outcome] = await embedder.embedMany([chunks.request(text, 'doc')], { draw: () => {} });
  expect(outcome).toMatchObject({ code: 'PROVIDER_ERROR' });
});

test('a long text that was split is not tokenised again, by whoever asks for it in the same way', async () => {
  const { model, embedder, average, chunks } = begin();
  let counted = 0;
  const count = model.countTokens.bind(model);
  model.countTokens = (texts) => {
    counted += texts.length;
    return count(texts);
  };
  const ask = (request: ModelRequest, more: Partial<Operation> = {}) =>
    embedder.embedMany([request], { draw: () => {}, ...more });
  const [long, short] = [sentences(20), sentences(3)];
  const first = await ask(average.request(long, 'doc'));
  const whole = await ask(average.request(short, 'doc'));
  const before = counted;
  expect(before).toBeGreaterThan(0);
  const places = (outcomes: unknown[]) =>
    (outcomes[0] as { pieces?: Array<{ start: number; end: number }> }).pieces?.map(({ start, end }) => [
      start,
      end,
    ]);
  expect(places(await ask(average.request(long, 'doc')))).toEqual(places(first));
  expect(places(await ask(average.request(short, 'doc')))).toEqual(places(whole));
  expect(counted).toBe(before);
  // In another way, or for another key, it is another matter.
  const parts = await ask(chunks.request(short, 'doc'));
  expect(places(parts)!.length).toBeGreaterThan(1);
  expect(counted).toBeGreaterThan(before);
  const afterChunks = counted;
  expect(places(await ask(average.request(short, 'doc')))).toEqual(places(whole));
  await ask(average.request(long, 'doc'), { payer: { key: 'other', charged: () => {} } });
  expect(counted).toBeGreaterThan(afterChunks);
});

test('what is known of a text is no way around how many pieces an operation may have', async () => {
  const { model, embedder, average } = begin();
  const request = average.request(sentences(20), 'doc');
  const tight = {
    draw: (requests: readonly unknown[]) => {
      if (requests.length > 3) throw badUserInput('no more');
    },
    textsLeft: 3,
  };
  const [refused] = await embedder.embedMany([request], tight);
  expect(refused).toMatchObject({ message: 'no more' });
  const [full] = await embedder.embedMany([request], { draw: () => {} });
  expect((full as unknown as { pieces: unknown[] }).pieces.length).toBeGreaterThan(5);
  const sent = model.sent.length;
  const [again] = await embedder.embedMany([request], tight);
  expect(again).toMatchObject({ message: 'no more' });
  expect(model.sent).toHaveLength(sent);
});
