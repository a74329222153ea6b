import { describe, expect, test } from 'vitest';
import { BatchLimit } from '../../../src/core/batch-limit.ts';
import { sleep } from '../../../src/core/clock.ts';
import type { EmbedQLError } from '../../../src/core/errors.ts';
import { Places } from '../../../src/core/places.ts';
import { Scheduler, type Task } from '../../../src/core/scheduler.ts';
import { VirtualTime } from '../../support/virtual-time.ts';

interface Options {
  size?: number;
  windowMs?: number;
  concurrency?: number;
  queueLimit?: number;
  batchMs?: number;
}

function create({ size = 4, windowMs = 5, concurrency = 2, queueLimit = 100, batchMs = 50 }: Options = {}) {
  const time = new VirtualTime();
  const places = new Places(() => concurrency);
  const batches: Array<{ at: number; texts: string }> = [];
  const scheduler = new Scheduler<Task>({
    model: 'fake',
    limits: new BatchLimit({ size, tokens: 1_000 }, time, () => {}),
    windowMs,
    places,
    queueLimit,
    clock: time,
    send: (batch) =>
      places.use(() => {
        batches.push({ at: time.now(), texts: batch.map(({ text }) => text).join(' ') });
        return sleep(time, batchMs);
      }),
  });
  const everybody = {};
  const submit = (texts: string, group: object = everybody) =>
    texts.split(' ').map((text) => {
      const task: Task = { text, group, maxBatchSize: size, maxTokens: 1 };
      scheduler.submit(task);
      return task;
    });
  return { time, batches, scheduler, submit };
}

/** 64 clients, each of whom asks again once it is answered, which takes a while for each. @returns how large the batches were */
async function steadyLoad({ batchMs, sharesMachine = false }: { batchMs: number; sharesMachine?: boolean }) {
  const time = new VirtualTime();
  const sizes: number[] = [];
  const scheduler: Scheduler<Task> = new Scheduler<Task>({
    model: 'fake',
    limits: new BatchLimit({ size: 1_000, tokens: 10_000 }, time, () => {}),
    windowMs: 2,
    places: new Places(() => 8),
    queueLimit: 1_000,
    clock: time,
    sharesMachine,
    async send(batch) {
      sizes.push(batch.length);
      await sleep(time, batchMs);
      for (const { group } of batch) {
        await sleep(time, 0.2);
        scheduler.handedOut();
        time.after(0.3, () => ask(group));
      }
    },
  });
  const ask = (group: object) => scheduler.submit({ text: 'text', group, maxBatchSize: 1_000, maxTokens: 1 });
  for (let client = 0; client < 64; client++) time.after(client * 0.2, () => ask({}));
  await time.advance(20 * batchMs + 2_000);
  return sizes;
}

describe('Scheduler', () => {
  test('holds a text for the window, less a millisecond where nothing else is under way, and no longer where it stays alone', async () => {
    const { time, batches, submit } = create();
    submit('a');
    await time.advance(3.9);
    expect(batches).toEqual([]);
    await time.advance(6.1);
    expect(batches).toEqual([{ at: 4, texts: 'a' }]);
    submit('b');
    await time.drain();
    expect(batches[1]).toEqual({ at: 15, texts: 'b' });
  });

  test('under steady load several batches go round, each of a quarter of what is under way', async () => {
    const sizes = await steadyLoad({ batchMs: 20 });
    // A burst belongs into one batch.
    expect(sizes[0]).toBe(64);
    const later = sizes.slice(20, 60);
    expect(later).toHaveLength(40);
    expect(Math.min(...later)).toBeGreaterThanOrEqual(12);
    expect(Math.max(...later)).toBeLessThan(32);
  });

  test.each([
    ['takes long', { batchMs: 200 }],
    ['is this machine', { batchMs: 20, sharesMachine: true }],
  ])('a provider that %s gets full batches under steady load, too', async (_, options) => {
    const sizes = await steadyLoad(options);
    expect(sizes.length).toBeGreaterThan(10);
    expect(Math.min(...sizes.slice(0, -1))).toBe(64);
  });

  test('without a window it waits for the end of the tick alone', async () => {
    const { time, batches, submit } = create({ windowMs: 0 });
    submit('a');
    submit('b');
    expect(batches).toEqual([]);
    await time.drain();
    expect(batches).toEqual([{ at: 0, texts: 'a b' }]);
  });

  test('prolongs the window while texts keep coming in, and not for ever', async () => {
    const { time, batches, submit } = create({ size: 1_000 });
    for (let i = 0; i < 60; i++) time.after(i * 0.5, () => void submit(`t${i}`));
    await time.drain();
    expect(batches[0]!.at).toBeGreaterThan(5);
    expect(batches[0]!.at).toBeLessThanOrEqual(5 + 16);
    expect(batches[0]!.texts.split(' ').length).toBeGreaterThan(30);
    expect(batches.flatMap(({ texts }) => texts.split(' '))).toEqual(
      Array.from({ length: 60 }, (_, i) => `t${i}`),
    );
  });

  test('a burst that ends within the window costs nobody more than a millisecond over it', async () => {
    const { time, batches, submit } = create({ size: 1_000 });
    submit('a');
    time.after(3, () => void submit('b'));
    await time.drain();
    expect(batches).toHaveLength(1);
    expect(batches[0]!.at).toBeLessThanOrEqual(6);
  });

  test('sends a full batch at once, and shares it among all who asked in the same moment', async () => {
    const { time, batches, submit } = create();
    submit('a1 a2 a3 a4 a5', {});
    submit('b1', {});
    await time.advance(0);
    expect(batches).toEqual([{ at: 0, texts: 'a1 b1 a2 a3' }]);
    await time.drain();
    expect(batches.map(({ texts }) => texts)).toEqual(['a1 b1 a2 a3', 'a4 a5']);
  });

  test('never has more calls in flight than there are places, and goes on as soon as one is free', async () => {
    const { time, batches, submit } = create({ size: 2, concurrency: 2 });
    submit('a b c d e f g');
    await time.drain();
    expect(batches).toEqual([
      { at: 0, texts: 'a b' },
      { at: 0, texts: 'c d' },
      { at: 50, texts: 'e f' },
      { at: 50, texts: 'g' },
    ]);
  });

  test('what comes while all places are taken is in the next batch, by turns', async () => {
    const { time, batches, submit } = create({ size: 3, concurrency: 1 });
    submit('a1 a2 a3 a4 a5 a6 a7 a8 a9', {});
    await time.advance(20);
    submit('b1', {});
    await time.advance(20);
    submit('c1', {});
    await time.drain();
    expect(batches.map(({ texts }) => texts)).toEqual(['a1 a2 a3', 'a4 b1 c1', 'a5 a6 a7', 'a8 a9']);
  });

  test('refuses what does not fit into the queue, and says when to come back', async () => {
    const { time, submit } = create({ size: 2, concurrency: 1, queueLimit: 6, batchMs: 400 });
    const refusal = (): EmbedQLError | undefined => {
      try {
        submit('one-more');
        return undefined;
      } catch (error) {
        return error as EmbedQLError;
      }
    };
    submit('a b c d e f');
    const first = refusal();
    expect(first).toMatchObject({ code: 'OVERLOADED', retryable: true, hint: 'queueLimit' });
    expect(first!.message).toContain(`try again in ${first!.retryAfterMs} ms`);
    expect(first!.retryAfterMs).toBeGreaterThan(0);
    await time.advance(1);
    submit('g h');
    // Batches turn out to take longer than was thought.
    await time.advance(401);
    submit('i j');
    expect(refusal()!.retryAfterMs).toBeGreaterThan(first!.retryAfterMs!);
    await time.drain();
    expect(refusal()).toBeUndefined();
  });

  test('a text can be called off until it is sent', async () => {
    const { time, batches, scheduler, submit } = create({ size: 10, concurrency: 1 });
    const [a, b] = submit('a b') as [Task, Task];
    expect([scheduler.cancel(a), scheduler.cancel(a), scheduler.depth]).toEqual([true, false, 1]);
    await time.advance(10);
    expect(scheduler.cancel(b)).toBe(false);
    // The last one that waits for a place goes: what comes later is not forgotten.
    const [c] = submit('c') as [Task];
    await time.advance(10);
    expect(scheduler.cancel(c)).toBe(true);
    submit('d');
    await time.drain();
    expect(batches.map(({ texts }) => texts)).toEqual(['b', 'd']);
    submit('e');
    await time.drain();
    expect(batches.at(-1)!.texts).toBe('e');
  });
});

describe('texts that can wait', () => {
  const patient = (scheduler: Scheduler<Task>, texts: string, group: object = {}) =>
    texts.split(' ').map((text) => {
      const task: Task = { text, group, maxBatchSize: 2, maxTokens: 1, canWait: true };
      scheduler.submit(task);
      return task;
    });

  test('leave half of the places to the others, and are sent once nobody else waits', async () => {
    const { time, batches, scheduler, submit } = create({
      size: 2,
      concurrency: 4,
      batchMs: 50,
      windowMs: 1,
    });
    patient(scheduler, 'p1 p2 p3 p4 p5 p6 p7 p8');
    await time.advance(10);
    expect(batches.map(({ texts }) => texts)).toEqual(['p1 p2', 'p3 p4']);
    submit('a b c d e f');
    await time.advance(1.5);
    expect(batches.slice(2)).toEqual(
      [
        { at: 11, texts: 'a b' },
        { at: 11, texts: 'c d' },
      ].map((batch) => ({ ...batch, at: expect.any(Number) })),
    );
    await time.drain();
    expect(batches.slice(4).map(({ texts }) => texts)).toEqual(['e f', 'p5 p6', 'p7 p8']);
    expect(scheduler.depth).toBe(0);
  });

  test('a model that takes one call at a time gives it to them where nobody else asks', async () => {
    const { time, batches, scheduler, submit } = create({ size: 2, concurrency: 1, windowMs: 1 });
    patient(scheduler, 'p1 p2 p3 p4');
    await time.advance(10);
    submit('a');
    await time.drain();
    expect(batches.map(({ texts }) => texts)).toEqual(['p1 p2', 'a', 'p3 p4']);
  });

  test('have room of their own in line, and can be taken out of it', async () => {
    const { time, batches, scheduler, submit } = create({ size: 2, concurrency: 2, queueLimit: 4 });
    const [first] = patient(scheduler, 'p1 p2 p3 p4');
    expect(() => patient(scheduler, 'p5')).toThrow(/Too many texts/);
    submit('a b c d');
    expect(scheduler.cancel(first!)).toBe(true);
    expect(scheduler.cancel(first!)).toBe(false);
    await time.drain();
    expect(
      batches
        .map(({ texts }) => texts)
        .join(' ')
        .split(' ')
        .sort(),
    ).toEqual('a b c d p2 p3 p4'.split(' '));
  });
});

test('while others ask for something, what can wait goes in one small batch at a time, and all of it once they are quiet', async () => {
  const { time, batches, scheduler } = create({ size: 64, concurrency: 8, batchMs: 50, queueLimit: 1_000 });
  scheduler.touch();
  for (let i = 0; i < 300; i++)
    scheduler.submit({ text: `p${i}`, group: {}, maxBatchSize: 64, maxTokens: 1, canWait: true });
  const sizes = () => batches.map(({ texts }) => texts.split(' ').length);
  await time.advance(1);
  expect(sizes()).toEqual([32]);
  for (let now = 0; now < 400; now += 50) {
    scheduler.touch();
    await time.advance(50);
  }
  const paced = batches.length;
  expect(paced).toBeLessThanOrEqual(4);
  expect(Math.max(...sizes())).toBe(32);
  await time.drain();
  expect(Math.max(...sizes())).toBe(64);
  expect(sizes().reduce((a, b) => a + b, 0)).toBe(300);
});
