import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeEntry,
  decodeListing,
  encodeEntry,
  encodeListing,
  joinKey,
  splitKey,
} from '../../../src/cache/disk/entries.ts';
import { planReads } from '../../../src/cache/disk/reads.ts';
import { cacheKey } from '../../../src/core/cache.ts';
import { frameBytes } from '../../../src/files/records.ts';

test('a key is taken apart and put together again; what is no key of ours is left alone', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }),
      fc.constantFrom('doc' as const, 'query' as const),
      (name, kind) => {
        fc.pre(!name.includes('\n') && !name.includes('\r') && !/[\u2028\u2029]/.test(name));
        const key = cacheKey(name, kind, 'text');
        expect(joinKey(splitKey(key)!)).toBe(key);
        for (const other of [`${key}0`, key.slice(0, -1), key.replace('embed:v2', 'embed:v1'), ''])
          expect(splitKey(other)).toBeUndefined();
      },
    ),
  );
});

const place = fc.record({
  label: fc.constantFrom('embed:v2:a:doc', 'embed:v2:ü@fp32:query'),
  head: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
  offset: fc.nat(),
  size: fc.nat(),
  writtenAt: fc.nat(),
});

test('entries and listings come back as they were, and nothing that is neither makes them throw', () => {
  const key = splitKey(cacheKey('modèle', 'doc', 'text'))!;
  expect(decodeEntry(encodeEntry(1, key, Buffer.from('value')).subarray(frameBytes))).toEqual({
    ...key,
    value: Buffer.from('value'),
  });
  fc.assert(
    fc.property(fc.array(place), fc.uint8Array(), fc.nat(), fc.nat(255), (entries, junk, at, byte) => {
      const listing = { from: 3, to: 0xffff_ffff, entries };
      const payload = encodeListing(1, listing).subarray(frameBytes);
      expect(decodeListing(payload)).toEqual(listing);
      payload[at % payload.length] = byte;
      decodeListing(payload);
      decodeListing(payload.subarray(0, at % payload.length));
      decodeListing(Buffer.from(junk));
      decodeEntry(Buffer.from(junk));
    }),
  );
});

test('reads cover every place, in few pieces that are not too large', () => {
  const somewhere = fc.record({
    segment: fc.nat(3),
    offset: fc.nat(10_000_000),
    size: fc.integer({ min: 17, max: 20_000 }),
    writtenAt: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(fc.option(somewhere, { nil: undefined })), (places) => {
      const groups = planReads(places);
      const members = groups.flatMap((group) => group.members).sort((a, b) => a - b);
      expect(members).toEqual([...places.keys()].filter((i) => places[i]));
      for (const group of groups) {
        expect(group.to - group.from).toBeLessThanOrEqual(2_097_152);
        for (const i of group.members) {
          expect(places[i]!.segment).toBe(group.segment);
          expect(places[i]!.offset).toBeGreaterThanOrEqual(group.from);
          expect(places[i]!.offset + places[i]!.size).toBeLessThanOrEqual(group.to);
        }
      }
    }),
  );
  const together = Array.from({ length: 100 }, (_, i) => ({
    segment: 1,
    offset: i * 6_300,
    size: 6_300,
    writtenAt: 1,
  }));
  expect(planReads(together)).toHaveLength(1);
});
