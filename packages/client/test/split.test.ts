import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonBytes, RequestSize, TextQueue } from '../src/split.ts';

test('the bytes of a text in a body are known without writing it', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }), (text) => {
      expect(jsonBytes(text)).toBe(Buffer.byteLength(JSON.stringify(text)));
    }),
  );
  const controls = Array.from({ length: 0x100 }, (_, unit) => String.fromCharCode(unit)).join('');
  expect(jsonBytes(`${controls}😀\ud800x\udc00`)).toBe(
    Buffer.byteLength(JSON.stringify(`${controls}😀\ud800x\udc00`)),
  );
});

function partsOf(texts: readonly string[], size: RequestSize): number[][] {
  const queue = new TextQueue(texts, [...texts.keys()]);
  const parts: number[][] = [];
  for (let part = queue.take(size); part; part = queue.take(size)) parts.push(part);
  return parts;
}

test('every text is in one part, in order, and no part of several is too large', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 40 })),
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 2_049, max: 2_200 }),
      (texts, maxTexts, maxBodyBytes) => {
        const size = new RequestSize();
        size.learn({ maxTexts, maxTokens: 1_000_000, maxBodyBytes });
        const parts = partsOf(texts, size);
        expect(parts.flat()).toEqual([...texts.keys()]);
        for (const part of parts) {
          expect(part.length).toBeGreaterThan(0);
          expect(part.length).toBeLessThanOrEqual(maxTexts);
          const bytes = part.reduce((sum, place) => sum + jsonBytes(texts[place]!) + 1, 0);
          if (part.length > 1) expect(bytes).toBeLessThanOrEqual(maxBodyBytes - 2_048);
        }
      },
    ),
  );
});

test('a size that was refused is halved, once for all that were sent with it', () => {
  const size = new RequestSize();
  expect(size.texts).toBe(256);
  size.halve(256, 1_000);
  size.halve(256, 1_000);
  expect([size.texts, size.bytes]).toEqual([128, 500]);
  size.restore();
  expect([size.texts, size.bytes]).toEqual([256, 1_000_000]);
});

test('what is put back is taken next', () => {
  const size = new RequestSize();
  size.learn({ maxTexts: 2, maxTokens: 1_000, maxBodyBytes: 10_000 });
  const queue = new TextQueue(['a', 'b', 'c', 'd'], [0, 1, 2, 3]);
  const first = queue.take(size)!;
  queue.putBack(first);
  expect([queue.take(size), queue.take(size), queue.take(size)]).toEqual([[0, 1], [2, 3], undefined]);
});
