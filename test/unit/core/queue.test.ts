import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FairQueue, type Queued } from '../../../src/core/queue.ts';

interface Item extends Queued {
  name: string;
}
const item = (name: string, group: object, maxBatchSize = 100, maxTokens = 1): Item => ({
  name,
  group,
  maxBatchSize,
  maxTokens,
});
const limits = { size: 4, tokens: 100 };
const names = (items: Item[]) => items.map(({ name }) => name).join(' ');

describe('FairQueue', () => {
  test('gives places by turns among operations', () => {
    const queue = new FairQueue<Item>();
    const [a, b] = [{}, {}];
    for (const name of ['a1', 'a2', 'a3', 'a4', 'a5']) queue.add(item(name, a));
    queue.add(item('b1', b));
    expect(names(queue.take(limits))).toBe('a1 b1 a2 a3');
    expect(names(queue.take(limits))).toBe('a4 a5');
    expect(queue.size).toBe(0);
  });

  test('keeps small batch limits together and mixes where there is room', () => {
    const queue = new FairQueue<Item>();
    const [a, b] = [{}, {}];
    for (const name of ['a1', 'a2', 'a3']) queue.add(item(name, a, 2));
    for (const name of ['b1', 'b2', 'b3', 'b4', 'b5']) queue.add(item(name, b));
    expect(names(queue.take(limits))).toBe('a1 a2');
    expect(names(queue.take(limits))).toBe('b1 b2 b3 b4');
    expect(names(queue.take(limits))).toBe('a3 b5');
  });

  test('never mixes kinds, which take turns', () => {
    const queue = new FairQueue<Item>();
    const group = {};
    for (const name of ['d1', 'd2', 'd3', 'd4', 'd5']) queue.add({ ...item(name, group), kind: 'doc' });
    for (const name of ['q1', 'q2']) queue.add({ ...item(name, group), kind: 'query' });
    expect(queue.hasFullBatch(limits)).toBe(true);
    expect(names(queue.take(limits))).toBe('d1 d2 d3 d4');
    expect(names(queue.take(limits))).toBe('q1 q2');
    expect(names(queue.take(limits))).toBe('d5');
    expect(queue.size).toBe(0);
  });

  test('passes over what does not fit into the tokens, and gives it a batch of its own in the end', () => {
    const queue = new FairQueue<Item>();
    queue.add(item('small', {}, 100, 10));
    queue.add(item('huge', {}, 100, 200));
    queue.add(item('large', {}, 100, 95));
    queue.add(item('tiny', {}, 100, 1));
    expect(names(queue.take(limits))).toBe('small tiny');
    expect(names(queue.take(limits))).toBe('huge');
    expect(names(queue.take(limits))).toBe('large');
  });

  test('lets an item be taken out again, once', () => {
    const queue = new FairQueue<Item>();
    const one = item('one', {});
    queue.add(one);
    expect([queue.remove(one), queue.remove(one), queue.size]).toEqual([true, false, 0]);
    expect(queue.take(limits)).toEqual([]);
  });

  test('whatever is put in comes out once, within every limit', () => {
    const groups = [{}, {}, {}];
    const items = fc.array(
      fc.record({
        group: fc.constantFrom(...groups),
        kind: fc.constantFrom(undefined, 'doc', 'query'),
        maxBatchSize: fc.integer({ min: 1, max: 6 }),
        maxTokens: fc.integer({ min: 1, max: 120 }),
      }),
    );
    fc.assert(
      fc.property(items, (queued) => {
        const queue = new FairQueue<Queued>();
        for (const one of queued) queue.add(one);
        const out: Queued[] = [];
        while (queue.size > 0) {
          const batch = queue.take(limits);
          expect(batch.length).toBeGreaterThan(0);
          expect(batch.length).toBeLessThanOrEqual(
            Math.min(limits.size, ...batch.map(({ maxBatchSize }) => maxBatchSize)),
          );
          expect(new Set(batch.map(({ kind }) => kind)).size).toBe(1);
          const tokens = batch.reduce((sum, { maxTokens }) => sum + maxTokens, 0);
          if (batch.length > 1) expect(tokens).toBeLessThanOrEqual(limits.tokens);
          out.push(...batch);
        }
        expect(new Set(out)).toEqual(new Set(queued));
        expect(out).toHaveLength(queued.length);
      }),
    );
  });
});
