import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { KeyBudgets } from '../../../src/admission/key-budgets.ts';
import { memoryMoney } from '../../../src/admission/money.ts';
import type { Reservation } from '../../../src/core/request.ts';

describe('the books of one process', () => {
  const request = { key: 'web', period: '2026-01-01', limit: 100 };

  test('set aside what fits, in order, and book what was spent', async () => {
    const money = memoryMoney();
    const hold = await money.hold({ ...request, amounts: [60, 40, 1] });
    expect(hold.granted).toEqual([true, true, false]);
    hold.settle(60, 10);
    // What is too large does not keep out what comes after it.
    const small = await money.hold({ ...request, amounts: [51, 50] });
    expect(small.granted).toEqual([false, true]);
    small.settle(50, 0);
    expect((await money.hold({ ...request, amounts: [50, 1] })).granted).toEqual([true, false]);
    hold.settle(40, 0);
    expect((await money.hold({ ...request, amounts: [40, 1] })).granted).toEqual([true, false]);
  });

  test('begin anew each day; what is settled after midnight belongs to the day before', async () => {
    const money = memoryMoney();
    const late = await money.hold({ ...request, amounts: [100] });
    const next = { ...request, period: '2026-01-02' };
    expect((await money.hold({ ...next, amounts: [100] })).granted).toEqual([true]);
    late.settle(100, 100);
    expect((await money.hold({ ...next, amounts: [1] })).granted).toEqual([false]);
  });
});

describe('KeyBudgets', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 1, 23), toFake: ['Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const create = () => {
    const charges: unknown[] = [];
    const budgets = new KeyBudgets({
      limits: new Map([
        ['web', { usdPerDay: 1 }],
        ['*', { textsPerMinute: 10 }],
      ]),
      holdMs: 1_000,
      onCharge: (...charge) => charges.push(charge),
    });
    return { budgets, charges };
  };

  test('let no more be set aside than there is, however much is asked for at the same time', async () => {
    const { budgets, charges } = create();
    const payer = budgets.payer('web');
    const asked = await Promise.allSettled(Array.from({ length: 30 }, () => payer.reserve!(0.1)));
    const held = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(held).toHaveLength(10);
    expect(asked.at(-1)).toMatchObject({ reason: { code: 'RATE_LIMITED', retryAfterMs: 3_600_000 } });
    const [spent, ...unspent] = held as [Reservation, ...Reservation[]];
    spent.settle(0.05);
    payer.charged(0.05, 7, 'model');
    for (const one of unspent) one.release();
    expect(charges).toEqual([['web', 0.05, 7]]);
    await expect(payer.reserve!(0.951)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await payer.reserve!(0.95);
    vi.setSystemTime(Date.UTC(2026, 0, 2));
    await payer.reserve!(1);
  });

  test('what costs exactly the money of the day is within it', async () => {
    const budgets = new KeyBudgets({
      limits: new Map([['web', { usdPerDay: 0.0000002 }]]),
      holdMs: 1_000,
      onCharge: () => {},
    });
    const payer = budgets.payer('web');
    // Ten tokens of text-embedding-3-small: 2.0000000000000002e-7 as floats have it.
    await payer.reserve!((10 * 0.00002) / 1_000);
    await expect(payer.reserve!(1e-9)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  });

  test('what has to fit into a day and into a month is given back to both where one has no room', async () => {
    const low: unknown[] = [];
    const budgets = new KeyBudgets({
      limits: new Map([['web', { usdPerDay: 1, usdPerMonth: 1.5 }]]),
      holdMs: 1_000,
      onCharge: () => {},
      onLow: (key, { per, leftUsd }) => low.push([key, per, leftUsd]),
    });
    vi.setSystemTime(Date.UTC(2026, 0, 30, 23));
    const payer = budgets.payer('web');
    const first = await payer.reserve!(0.7);
    // Too much for the day, though the month has room.
    await expect(payer.reserve!(0.4)).rejects.toMatchObject({
      retryAfterMs: 3_600_000,
      message: expect.stringMatching(/1 USD for the day/),
    });
    const left = () => budgets.moneyLeft('web').map(({ per, leftUsd }) => [per, leftUsd]);
    expect(left()).toEqual([
      ['day', 0.3],
      ['month', 0.8],
    ]);
    first.settle(0.7);
    expect(low).toEqual([]);
    (await payer.reserve!(0.3)).settle(0.2);
    expect(low).toEqual([['web', 'day', 0]]);
    vi.setSystemTime(Date.UTC(2026, 0, 31, 22));
    // Too much for the month, though the day has room.
    await expect(payer.reserve!(0.7)).rejects.toMatchObject({
      retryAfterMs: 2 * 3_600_000,
      message: expect.stringMatching(/1.5 USD for the month/),
    });
    const both = await Promise.allSettled([payer.reserve!(0.7), payer.reserve!(0.6)]);
    // The day has room for the first alone, the month for the second alone: that is asked for again.
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await payer.reserve!(0.6);
    expect(left()).toEqual([
      ['day', 0.4],
      ['month', 0],
    ]);
    expect(low).toEqual([
      ['web', 'day', 0],
      ['web', 'month', 0],
    ]);
    vi.setSystemTime(Date.UTC(2026, 1, 1));
    await payer.reserve!(1);
  });

  test('a job that outlives its process keeps its money in the day and in the month', async () => {
    const budgets = new KeyBudgets({
      limits: new Map([['web', { usdPerDay: 1, usdPerMonth: 1.5 }]]),
      holdMs: 1_000,
      onCharge: () => {},
    });
    const purse = await budgets.openPurse('web', 'job', 0.9, 60_000);
    const { kept } = purse;
    purse.leave();
    await expect(budgets.payer('web').reserve!(0.2)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    const again = budgets.adoptPurse('web', 'job', kept);
    (await again.payer.reserve!(0.5)).settle(0.5);
    again.close();
    vi.setSystemTime(Date.UTC(2026, 0, 2));
    await budgets.payer('web').reserve!(1);
    const refused = { message: expect.stringMatching(/USD for the day/) };
    await expect(budgets.payer('web').reserve!(0.01)).rejects.toMatchObject(refused);
    await expect(budgets.openPurse('web', 'other', 0.01, 60_000)).rejects.toMatchObject(refused);
  });

  test('a key without a limit to its money sets nothing aside; texts are counted for it', async () => {
    const { budgets } = create();
    expect([budgets.payer('other').reserve, budgets.limitsTexts('other')]).toEqual([undefined, true]);
    expect(await budgets.take('other', 11)).toMatchObject({ code: 'COST_LIMIT_EXCEEDED' });
    expect(await budgets.take('other', 10)).toBeUndefined();
    // What is refused is not counted, and another key has its own.
    expect(await budgets.take('other', 1)).toMatchObject({ code: 'RATE_LIMITED', retryable: true });
    expect(await budgets.take('third', 10)).toBeUndefined();
  });
});
