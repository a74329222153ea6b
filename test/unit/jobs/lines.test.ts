import { afterEach, expect, test, vi } from 'vitest';
import { hasTooMuchInside } from '../../../src/http/body.ts';
import { BlobWriter, takeIn } from '../../../src/jobs/intake.ts';
import { jsonLines, type LineLimits } from '../../../src/jobs/lines.ts';
import type { Blobs } from '../../../src/jobs/vault.ts';

const maxBytes = 1_000_000;
const limits: LineLimits = { maxBytes, hasTooMuchInside: (json) => hasTooMuchInside(json, maxBytes) };
const nowhere = () => new BlobWriter({ write: async () => true } as unknown as Blobs, 'blob');

afterEach(() => void vi.restoreAllMocks());

async function* inChunks(text: string, size = 65_536): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** How many turns others get while something is done. */
async function turnsDuring(work: () => Promise<void>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const turn = () => {
    turns += 1;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  isOver = true;
  return turns;
}

test('a file of blank lines lets others have their turns', async () => {
  const turns = await turnsDuring(async () => {
    for await (const line of jsonLines(inChunks('\n'.repeat(1_000_000), 1_000_000)))
      expect(line).toBeUndefined();
  });
  expect(turns).toBeGreaterThan(10);
});

test('a line that is larger than a request, or has more inside, is refused by its number before it is parsed', async () => {
  const parse = vi.spyOn(JSON, 'parse');
  const read = async (text: string) => {
    for await (const { value } of jsonLines(inChunks(text), limits)) expect(value).toBe('a');
  };
  await expect(read(`"a"\n"${'b'.repeat(maxBytes)}"\n"a"`)).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
    message: expect.stringMatching(/^Line 2 has more than 1000000 bytes.*maxBodyBytes\.$/),
    hint: 'maxBodyBytes',
  });
  for (const part of ['{}', '[1]', '[[]]', '{"b":1}'])
    await expect(read(`"a"\n"a"\n[${`${part},`.repeat(150_000)}1]`)).rejects.toMatchObject({
      message: expect.stringMatching(/^Line 3 has more/),
    });
  expect(parse.mock.calls.every(([line]) => line.length < 10)).toBe(true);
});

test('what was written here is read again, however long it has become', async () => {
  const text = '\u0001'.repeat(3_000_000);
  const lines: unknown[] = [];
  for await (const { value } of jsonLines(inChunks(`${JSON.stringify(text)}\n"b"\n`, 1_048_576)))
    lines.push(value);
  expect(lines[0] === text).toBe(true);
  expect(lines[1]).toBe('b');
});

test('a line of a hundred thousand texts lets others have their turns', async () => {
  const line = JSON.stringify(Array.from({ length: 100_000 }, (_, i) => `text ${i}`));
  async function* texts() {
    for await (const { value } of jsonLines(inChunks(line))) yield* value as string[];
  }
  const turns = await turnsDuring(async () => {
    expect(await takeIn(texts(), 100_000, nowhere())).toMatchObject({ total: 100_000 });
  });
  expect(turns).toBeGreaterThan(10);
});

test('long texts are handed on a few at a time', async () => {
  const handedOn: number[] = [];
  const texts = Array.from({ length: 10 }, () => 'x'.repeat(600_000));
  await takeIn(texts, 100, nowhere(), async (some) => {
    handedOn.push(some.length);
    return 0;
  });
  expect(handedOn).toEqual([2, 2, 2, 2, 2]);
});
