import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frameBytes, frameRecord, scanRecords } from '../../../src/files/records.ts';

const seed = 0x1234_5678;

async function scan(file: Buffer, from = 0, to = file.length, by = seed): Promise<Buffer[]> {
  const read = async (position: number, length: number) => file.subarray(position, position + length);
  const found: Buffer[] = [];
  for await (const { payload } of scanRecords(read, by, from, to)) found.push(Buffer.from(payload));
  return found;
}

const payloads = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
const frame = (all: readonly Uint8Array[]) => all.map((payload) => frameRecord(seed, [Buffer.from(payload)]));

test('any prefix of a file has exactly the whole records before the cut', () =>
  fc.assert(
    fc.asyncProperty(payloads, fc.nat(), async (all, n) => {
      const records = frame(all);
      const file = Buffer.concat(records);
      const cut = n % (file.length + 1);
      const whole = records.filter((_, i) => Buffer.concat(records.slice(0, i + 1)).length <= cut);
      expect(await scan(file.subarray(0, cut))).toEqual(
        all.slice(0, whole.length).map((one) => Buffer.from(one)),
      );
      // The file is shorter than was thought.
      expect(await scan(file.subarray(0, cut), 0, file.length)).toHaveLength(whole.length);
    }),
  ));

test('flipped bytes cost the records that they are in, and no others', () =>
  fc.assert(
    fc.asyncProperty(
      payloads,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }))),
      async (all, flips) => {
        const records = frame(all);
        const file = Buffer.concat(records);
        for (const [n, by] of flips) if (file.length > 0) file[n % file.length]! ^= by;
        let end = 0;
        const sound = all.filter((_, i) => {
          end += records[i]!.length;
          return file.subarray(end - records[i]!.length, end).equals(records[i]!);
        });
        expect(await scan(file)).toEqual(sound.map((one) => Buffer.from(one)));
      },
    ),
  ));

test('a record inside of a payload is none, unless it knows the seed', async () => {
  const inner = frameRecord(seed + 1, [Buffer.from('made up')]);
  const outer = frameRecord(seed, [inner]);
  outer[frameBytes - 1]! ^= 1;
  expect(await scan(outer)).toEqual([]);
  expect(await scan(outer, 0, outer.length, seed + 1)).toEqual([Buffer.from('made up')]);
});

test('records that are longer than a read, and markers that lie across two, are found', async () => {
  const long = Buffer.alloc(3_000_000, 7);
  for (const junk of [0, 1, 1_048_573, 1_048_574, 1_048_575, 2_000_000]) {
    const file = Buffer.concat([
      Buffer.alloc(junk),
      frameRecord(seed, [long]),
      frameRecord(seed, [Buffer.from('x')]),
    ]);
    expect((await scan(file)).map(({ length }) => length)).toEqual([3_000_000, 1]);
  }
});
