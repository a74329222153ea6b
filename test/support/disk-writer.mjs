// Writes vectors into a disk tier until it is killed, and says after each batch that it is written:
//   node disk-writer.mjs <dir> <maxBytes> <round> <user id or ->
import { createHash } from 'node:crypto';

const [dir, maxBytes, round, user] = process.argv.slice(2);
/** @param {string} file */
const built = (file) => import(new URL(`../../dist/${file}`, import.meta.url).href);
const { DiskTier } = await built('cache/disk/disk-tier.js');
const { cacheKey } = await built('core/cache.js');
if (user !== '-') process.setuid?.(Number(user));
/** @type {(fields: object, message: string) => void} */
const warn = (fields, message) => process.stdout.write(`warned ${message} ${JSON.stringify(fields)}\n`);
const tier = new DiskTier({
  dir,
  maxBytes: Number(maxBytes),
  ttlSeconds: 0,
  waitMs: 1_000,
  events: { cacheError: () => {} },
  log: { debug() {}, info() {}, warn, error: warn, isLevelEnabled: () => true },
});
await tier.ready(10_000);
process.stdout.write(`ready ${tier.available}\n`);
for (let batch = 0; batch < 10_000; batch++) {
  const texts = Array.from({ length: 1 + (batch % 7) }, (_, i) => `${round} ${batch} ${i}`);
  tier.setMany(
    texts.map((text) => [
      cacheKey('model', 'doc', text),
      { vector: vectorOf(text), tokens: 1, truncated: false },
    ]),
  );
  await tier.flush();
  process.stdout.write(`written ${JSON.stringify(texts)}\n`);
}

/** @param {string} text */
function vectorOf(text) {
  const bytes = createHash('sha512').update(text).digest();
  return Float32Array.from({ length: 48 }, (_, i) => bytes[i % 64] ?? 0);
}
