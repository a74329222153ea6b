import { describe, expect, test } from 'vitest';
import { BatchLimit } from '../../../src/core/batch-limit.ts';
import { VirtualTime } from '../../support/virtual-time.ts';

const configured = { size: 100, tokens: 1_000 };

function create() {
  const time = new VirtualTime();
  const told: number[] = [];
  const limit = new BatchLimit(configured, time, ({ size }) => told.push(size));
  return { time, told, limit };
}

describe('BatchLimit', () => {
  test('is what the entry says until that is refused, and is told once', () => {
    const { limit, told } = create();
    expect([limit.current, limit.next()]).toEqual([configured, configured]);
    limit.refused(configured, { size: 24, tokens: 240 });
    limit.refused(configured, { size: 36, tokens: 200 });
    expect(limit.current).toEqual({ size: 36, tokens: 240 });
    expect(told).toEqual([24]);
  });

  test('after a minute one batch of the full size is tried, and one each minute after that', async () => {
    const { limit, time } = create();
    const learned = { size: 24, tokens: 240 };
    limit.refused(configured, learned);
    await time.advance(59_999);
    expect(limit.next()).toEqual(learned);
    await time.advance(1);
    expect([limit.next(), limit.next(), limit.current]).toEqual([configured, learned, learned]);
    await time.advance(60_000);
    expect([limit.next(), limit.next()]).toEqual([configured, learned]);
  });

  test('a larger batch that is accepted ends it; one as large as what is known does not', () => {
    const { limit } = create();
    limit.refused(configured, { size: 24, tokens: 240 });
    limit.accepted({ size: 24, tokens: 100 });
    expect(limit.current.size).toBe(24);
    limit.accepted({ size: 25, tokens: 100 });
    expect(limit.current).toEqual(configured);
  });

  test('a provider that takes even less than it did is believed', () => {
    const { limit } = create();
    limit.refused(configured, { size: 60, tokens: 600 });
    limit.refused({ size: 60, tokens: 600 }, { size: 24, tokens: 240 });
    expect(limit.current).toEqual({ size: 24, tokens: 240 });
  });
});
