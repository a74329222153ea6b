import { describe, expect, test } from 'vitest';
import type { Book, BookStore } from '../../../src/ledger/book-store.ts';
import { Ledger } from '../../../src/ledger/ledger.ts';
import type { Row, Totals } from '../../../src/ledger/row.ts';
import type { SpendDimension } from '../../../src/ledger/spend.ts';

const day = 86_400_000;
const noon = Date.parse('2026-11-25T12:00:00Z');

function world(store?: BookStore) {
  const time = { now: noon };
  const ledger = new Ledger({ now: () => time.now, store });
  const spend = (groupBy: SpendDimension[] = [], key?: string, from = '2026-01-01', to = '2027-12-31') =>
    ledger.spend({ from, to, groupBy, key });
  return { time, ledger, spend };
}

const entry = {
  model: 'm',
  key: 'web',
  texts: 3,
  hits: 1,
  computed: 2,
  tokens: 20,
  costUsd: 0.0004,
  savedUsd: 0.0002,
};

describe('the ledger', () => {
  test('adds up by what is asked for, in order, and leaves the rest null', async () => {
    const { time, ledger, spend } = world();
    ledger.record({ ...entry, tag: 'search' });
    ledger.record({ ...entry, key: 'batch' });
    ledger.record({ ...entry, model: 'n' });
    time.now += day;
    ledger.record(entry);
    const rows = await spend(['KEY', 'DAY']);
    expect(rows.map(({ day, model, key, tag, texts }) => [day, model, key, tag, texts])).toEqual([
      ['2026-11-25', null, 'batch', null, 3],
      ['2026-11-25', null, 'web', null, 6],
      ['2026-11-26', null, 'web', null, 3],
    ]);
    expect(await spend()).toMatchObject([
      { texts: 12, hits: 4, computed: 8, tokens: 80, costUsd: 0.0016, costSavedUsd: 0.0008, lossy: true },
    ]);
    expect((await spend(['TAG'])).map(({ tag, texts }) => [tag, texts])).toEqual([
      [null, 9],
      ['search', 3],
    ]);
    expect(await spend(['DAY', 'DAY'], 'batch')).toMatchObject([{ day: '2026-11-25', texts: 3 }]);
    expect(await spend(['DAY'], undefined, '2026-11-26', '2026-11-26')).toMatchObject([
      { day: '2026-11-26', texts: 3 },
    ]);
    expect(await spend([], 'nobody')).toEqual([]);
  });

  test.each([
    ['2026-02-30', '2026-03-01', /^from must be a day/],
    ['2026-1-1', '2026-03-01', /^from must be a day/],
    ['', '2026-03-01', /^from must be a day/],
    ['2026-03-01', 'tomorrow', /^to must be a day/],
    ['2026-03-01', '2026-02-28', /^to must not be before from/],
    ['+002026-03-01', '2026-03-02', /^from must be a day/],
  ])('refuses %s to %s', async (from, to, message) => {
    await expect(world().spend([], undefined, from, to)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      message: expect.stringMatching(message),
    });
  });

  test('reads no more days than there can be books of', async () => {
    let asked: readonly string[] = [];
    const { spend } = world(
      fakeStore({
        read: (days) => {
          asked = days;
          return [];
        },
      }),
    );
    await spend([], undefined, '0001-01-01', '9999-12-31');
    expect(asked.length).toBe(402);
    expect([asked[0], asked.at(-1)]).toEqual(['2025-10-21', '2026-11-26']);
  });

  test('books a million texts to the token and to the smallest part of a cent', async () => {
    const { ledger, spend } = world();
    const account = ledger.account('web');
    // 0.02 USD for a million tokens: floats would drift.
    for (let i = 0; i < 1_000_000; i++) account.charged((7 * 0.00002) / 1_000, 7, 'm');
    for (let i = 0; i < 1_000; i++) account.charged(5_000_000, 1, 'dear');
    expect(await spend(['MODEL'])).toMatchObject([
      { model: 'dear', costUsd: 5_000_000_000, tokens: 1_000 },
      { model: 'm', costUsd: 0.14, tokens: 7_000_000, computed: 1_000_000 },
    ]);
  });

  test('has a bound for tags of each key, and no key takes those of another', async () => {
    const { time, ledger, spend } = world();
    const tags = (key: string, from: number, to: number) => {
      for (let i = from; i < to; i++) ledger.record({ ...entry, key, tag: `tag-${i}` });
    };
    tags('greedy', 0, 5_000);
    tags('web', 0, 3);
    ledger.record({ ...entry, key: 'greedy' });
    const rows = await spend(['KEY', 'TAG']);
    expect(rows.filter(({ key }) => key === 'web').map(({ tag }) => tag)).toEqual([
      'tag-0',
      'tag-1',
      'tag-2',
    ]);
    const greedy = rows.filter(({ key }) => key === 'greedy');
    // With those without a tag, and the others.
    expect(greedy.length).toBe(102);
    expect(greedy.reduce((sum, { texts }) => sum + texts, 0)).toBe(3 * 5_001);
    expect(greedy.find(({ tag }) => tag === 'other')!.texts).toBeGreaterThan(3 * 4_800);
    time.now += day;
    ledger.record({ ...entry, key: 'greedy', tag: 'tag-4999' });
    expect(await spend(['TAG'], 'greedy', '2026-11-26', '2026-11-26')).toMatchObject([{ tag: 'tag-4999' }]);
  });

  test('an operation that goes on past midnight is booked on the day on which it is charged', async () => {
    const { time, ledger, spend } = world();
    const account = ledger.account('web', 'late');
    account.asked('m', 2);
    time.now += day;
    account.charged(1, 10, 'm');
    expect((await spend(['DAY'])).map(({ day, texts, tokens }) => [day, texts, tokens])).toEqual([
      ['2026-11-25', 2, 0],
      ['2026-11-26', 0, 10],
    ]);
  });
});

describe('the ledger and its store', () => {
  test('what could not be written is written later, whole, and what changes meanwhile too', async () => {
    const store = fakeStore();
    const { ledger } = world(store);
    store.fails = true;
    ledger.record(entry);
    expect(await ledger.flush()).toBe(false);
    ledger.record(entry);
    ledger.record({ ...entry, key: 'batch' });
    expect(await ledger.flush()).toBe(false);
    expect(ledger.behindMs).toBeGreaterThanOrEqual(0);
    store.fails = false;
    expect(await ledger.flush()).toBe(true);
    expect(store.texts()).toEqual({ '2026-11-25 web': 6, '2026-11-25 batch': 3 });
  });

  test('a change that comes while the one before is written is not lost', async () => {
    const store = fakeStore();
    const { ledger } = world(store);
    let go = () => {};
    store.waits = new Promise((resolve) => {
      go = resolve;
    });
    ledger.record(entry);
    const first = ledger.flush();
    ledger.record(entry);
    const second = ledger.flush();
    go();
    await Promise.all([first, second]);
    expect(store.texts()).toEqual({ '2026-11-25 web': 6 });
  });

  test('midnight in the middle of a write loses nothing, and the day before is finished once it is whole', async () => {
    const store = fakeStore();
    const { time, ledger } = world(store);
    let go = () => {};
    store.waits = new Promise((resolve) => {
      go = resolve;
    });
    ledger.record(entry);
    const first = ledger.flush();
    ledger.record(entry);
    time.now += day;
    ledger.record(entry);
    go();
    await first;
    await ledger.flush();
    expect(store.texts()).toEqual({ '2026-11-25 web': 6, '2026-11-26 web': 3 });
    expect(store.finished).toEqual(['2026-11-25']);
    await ledger.close();
    expect(store.finished).toEqual(['2026-11-25', '2026-11-26']);
  });

  test('a store that has forgotten learns everything again', async () => {
    const store = fakeStore();
    const { ledger } = world(store);
    ledger.record(entry);
    ledger.record({ ...entry, key: 'batch' });
    await ledger.flush();
    store.forget();
    ledger.record(entry);
    await ledger.flush();
    expect(store.texts()).toEqual({ '2026-11-25 web': 6, '2026-11-25 batch': 3 });
  });

  test('where the store cannot be read, spend is what this process knows, and says so', async () => {
    const store = fakeStore({
      read: () => {
        throw new Error('away');
      },
    });
    const { ledger, spend } = world(store);
    ledger.record(entry);
    expect(await spend()).toMatchObject([{ texts: 3, lossy: true }]);
  });
});

interface FakeStore extends BookStore {
  wrote: boolean;
  fails: boolean;
  waits: Promise<void> | undefined;
  finished: string[];
  forget(): void;
  /** Texts by day and key. */
  texts(): Record<string, number>;
}

/** A store that keeps what rows come to, as ours do. */
function fakeStore({ read = () => [] }: { read?: (days: readonly string[]) => Book[] } = {}): FakeStore {
  const rows = new Map<string, { row: Row; totals: Totals }>();
  const known = new Set<string>();
  const store: FakeStore = {
    isLossy: false,
    wrote: false,
    fails: false,
    waits: undefined,
    finished: [],
    forget() {
      rows.clear();
      known.clear();
    },
    async write(name, changed, isAll) {
      const totals = changed.map((row) => ({ row, totals: row.totals() }));
      await store.waits;
      if (store.fails) throw new Error('full');
      if (!isAll && !known.has(name) && rows.size === 0 && store.wrote) return false;
      known.add(name);
      store.wrote = true;
      for (const one of totals) rows.set(`${name} ${one.row.key}`, one);
      return true;
    },
    async finish(name) {
      store.finished.push(name);
    },
    async *read(days) {
      yield* read(days);
    },
    close: async () => {},
    texts: () => Object.fromEntries([...rows].map(([id, { totals }]) => [id, Number(totals.texts)])),
  };
  return store;
}
