import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DiskBooks } from '../../../src/ledger/disk-books.ts';
import { Ledger } from '../../../src/ledger/ledger.ts';
import { Row } from '../../../src/ledger/row.ts';

const day = 86_400_000;
const time = { now: 0 };
const now = () => time.now;
let folder: string;
const open: Ledger[] = [];

beforeEach(async () => {
  folder = path.join(await mkdtemp(path.join(tmpdir(), 'disk-books-')), 'ledger');
  time.now = Date.parse('2026-11-20T12:00:00Z');
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((ledger) => ledger.close()));
  await rm(path.dirname(folder), { recursive: true, force: true });
});

function begin(): Ledger {
  const ledger = new Ledger({ store: new DiskBooks(folder, undefined, now), now });
  open.push(ledger);
  return ledger;
}
const end = async (ledger: Ledger) => {
  open.splice(open.indexOf(ledger), 1);
  await ledger.close();
};
const book = async (ledger: Ledger, texts: number, key = 'web') => {
  ledger.record({ model: 'm', key, texts, tokens: texts, computed: texts });
  expect(await ledger.flush()).toBe(true);
};
const spend = async (ledger: Ledger) =>
  (await ledger.spend({ from: '2020-01-01', to: '2030-01-01', groupBy: ['DAY', 'KEY'] })).map(
    ({ day, key, texts, lostSeconds, lossy }) => [day, key, texts, lostSeconds, lossy],
  );
const files = async () => (await readdir(folder)).filter((name) => !name.startsWith('lock-')).sort();
const tidied = async () =>
  expect.poll(files).toEqual(expect.arrayContaining([expect.stringMatching(/all\.book$/)]));

test('days that are long over become one file each, whatever wrote them, and come to the same', async () => {
  const [a, b] = [begin(), begin()];
  await book(a, 1);
  await book(b, 2);
  await book(b, 4, 'batch');
  await Promise.all([end(a), end(b)]);
  // A third is killed: it never said that it was done.
  const killed = new DiskBooks(folder, undefined, now);
  const row = new Row({ model: 'm', key: 'web', tag: '' });
  row.texts = 8;
  await killed.write('2026-11-20', [row], true);
  await killed.close();
  const before = [
    ['2026-11-20', 'batch', 4, 1, false],
    ['2026-11-20', 'web', 11, 1, false],
  ];
  time.now += 4 * day;
  const later = begin();
  expect(await spend(later)).toEqual(before);
  await book(later, 16);
  await tidied();
  await expect
    .poll(async () => (await files()).filter((name) => name.startsWith('2026-11-20')))
    .toEqual(['2026-11-20.all.book']);
  const after = [...before, ['2026-11-24', 'web', 16, 0, false]];
  expect(await spend(later)).toEqual(after);
});

test('a process that ends between putting files together and removing them counts nothing twice', async () => {
  const first = begin();
  await book(first, 1);
  await end(first);
  const [name] = await files();
  const aside = `${folder}.copy`;
  await copyFile(path.join(folder, name!), aside);
  time.now += 3 * day;
  const second = begin();
  await book(second, 2);
  await tidied();
  await expect.poll(async () => (await files()).includes(name!)).toBe(false);
  await copyFile(aside, path.join(folder, name!));
  await rm(aside);
  expect(await spend(second)).toEqual([
    ['2026-11-20', 'web', 1, 0, false],
    ['2026-11-23', 'web', 2, 0, false],
  ]);
  await end(second);
  // The next one removes what was left.
  time.now += day;
  const third = begin();
  await book(third, 4);
  await expect.poll(async () => (await files()).includes(name!)).toBe(false);
  expect((await spend(third)).map(([, , texts]) => texts)).toEqual([1, 2, 4]);
});

test('what is damaged stays beside, says so for good, and the rest counts; what is too old goes', async () => {
  const first = begin();
  await book(first, 1);
  await book(first, 2);
  await end(first);
  const [name] = await files();
  const bytes = await readFile(path.join(folder, name!));
  // The first record: the second says what the row comes to.
  bytes[20]! ^= 1;
  await writeFile(path.join(folder, name!), bytes);
  time.now += 3 * day;
  const second = begin();
  await book(second, 4);
  await tidied();
  await expect.poll(files).toContain(`${name}.damaged`);
  expect(await spend(second)).toEqual([
    ['2026-11-20', 'web', 3, 0, true],
    ['2026-11-23', 'web', 4, 0, true],
  ]);
  await end(second);
  time.now += 399 * day;
  const third = begin();
  await book(third, 8);
  await expect.poll(async () => (await files()).includes('2026-11-20.all.book')).toBe(false);
  expect((await spend(third)).map(([day, , texts]) => [day, texts])).toEqual([
    ['2026-11-23', 4],
    ['2027-12-27', 8],
  ]);
});

test('a folder that is removed meanwhile has everything of today again; a file does not grow without end', async () => {
  const ledger = begin();
  await book(ledger, 1, 'one');
  await book(ledger, 2, 'two');
  await rm(folder, { recursive: true });
  await book(ledger, 4, 'two');
  expect(await spend(ledger)).toEqual([
    ['2026-11-20', 'one', 1, 0, false],
    ['2026-11-20', 'two', 6, 0, false],
  ]);
  for (let i = 0; i < 400; i++)
    ledger.record({ model: 'm', key: 'k'.repeat(60), tag: `tag ${i % 90}`, texts: 1 });
  await ledger.flush();
  const [name] = await files();
  let largest = 0;
  for (let round = 0; round < 300; round++) {
    for (let i = 0; i < 90; i++)
      ledger.record({ model: 'm', key: 'k'.repeat(60), tag: `tag ${i}`, texts: 1 });
    await ledger.flush();
    largest = Math.max(largest, (await readFile(path.join(folder, name!))).length);
  }
  expect(largest).toBeLessThan(1_100_000);
  const [all] = await ledger.spend({ from: '2026-11-20', to: '2026-11-20', groupBy: [] });
  expect(all).toMatchObject({ texts: 7 + 400 + 300 * 90, lossy: false });
}, 60_000);
