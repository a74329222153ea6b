// A process that opens a folder of the disk cache, and says how long that took, what it takes up, and how long hits take:
//   tsx bench/disk-start.ts <dir> <entries>
import { open, readdir } from 'node:fs/promises';
import path from 'node:path';
import v8 from 'node:v8';
import vm from 'node:vm';
import { DiskTier } from '../src/cache/disk/disk-tier.ts';
import { cacheKey } from '../src/core/cache.ts';
import { silentLog } from '../src/core/surroundings.ts';
import { median, milliseconds, print } from './report.ts';

const [dir, entries] = [process.argv[2]!, Number(process.argv[3])];
v8.setFlagsFromString('--expose-gc');
const gc = vm.runInNewContext('gc') as () => void;
const used = () => {
  gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};
const keyOf = (n: number) => cacheKey('bench', 'doc', `text ${n}`);
const before = used();
let slowestMs = 0;
let turned = performance.now();
const ticking = setInterval(() => {
  slowestMs = Math.max(slowestMs, performance.now() - turned);
  turned = performance.now();
}, 1);
const started = performance.now();
const tier = new DiskTier({
  dir,
  maxBytes: 2_000_000_000,
  ttlSeconds: 0,
  waitMs: 10_000,
  events: { cacheError: () => {} },
  log: silentLog,
});
await tier.ready(60_000);
const startMs = performance.now() - started;
clearInterval(ticking);
const memory = used() - before;
const random = () => Math.floor(Math.random() * entries);
const one = await median(2_001, () => milliseconds(() => tier.getMany([keyOf(random())])));
const hundred = await median(201, () => {
  const first = Math.floor(Math.random() * (entries - 100));
  return milliseconds(() => tier.getMany(Array.from({ length: 100 }, (_, i) => keyOf(first + i))));
});
const scattered = await median(201, () =>
  milliseconds(() => tier.getMany(Array.from({ length: 100 }, () => keyOf(random())))),
);
// The same bytes, by nothing but the file system.
const [file] = (await readdir(path.join(dir, 'vectors'))).filter((name) => name.endsWith('.vectors'));
const handle = await open(path.join(dir, 'vectors', file!));
const { size } = await handle.stat();
const bytes = 6_260;
const raw = async (length: number) => {
  await handle.read(Buffer.allocUnsafe(length), 0, length, Math.floor(Math.random() * (size - length)));
};
const rawOne = await median(2_001, () => milliseconds(() => raw(bytes)));
const rawHundred = await median(201, () => milliseconds(() => raw(100 * bytes)));
const rawScattered = await median(201, () =>
  milliseconds(async () => {
    for (let i = 0; i < 100; i++) await raw(bytes);
  }),
);
await handle.close();
await tier.close();
print(
  JSON.stringify({ startMs, slowestMs, memory, one, hundred, scattered, rawOne, rawHundred, rawScattered }),
);
