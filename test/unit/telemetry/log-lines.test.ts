import { Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { linesTo } from '../../../src/telemetry/pino.ts';

/** A reader who takes nothing until `read` is called. */
function slowReader() {
  const taken: string[] = [];
  let waiting: (() => void) | undefined;
  let reads = false;
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string, _, done) {
      taken.push(chunk);
      if (reads) done();
      else waiting = done;
    },
  });
  const read = () => {
    reads = true;
    waiting?.();
  };
  return { stream, read, text: () => taken.join('') };
}

const line = (i: number) => `${JSON.stringify({ level: 30, i, padding: 'x'.repeat(1_000) })}\n`;

describe('lines of the log', () => {
  test('of one turn are written together, in order', async () => {
    const { stream, read, text } = slowReader();
    read();
    const lines = linesTo(stream);
    for (let i = 0; i < 10; i++) lines.write(`${i}\n`);
    expect(text()).toBe('');
    await turn();
    expect(text()).toBe('0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n');
  });

  test('that nobody reads do not pile up: some are left out, and a line says how many', async () => {
    const { stream, read, text } = slowReader();
    const lines = linesTo(stream);
    const written = 30_000;
    for (let i = 0; i < written; i++) lines.write(line(i));
    await turn();
    expect(stream.writableLength).toBeLessThan(9 * 2 ** 20);
    expect(stream.writableLength).toBeGreaterThan(7 * 2 ** 20);
    read();
    while (stream.writableLength > 0) await turn();
    expect(text()).toContain('left out');
    lines.write(line(written));
    await turn();
    const seen = text()
      .trim()
      .split('\n')
      .map((one) => JSON.parse(one) as { i?: number; lines?: number; level: number });
    const said = seen.filter(({ lines }) => lines !== undefined);
    expect(said).toHaveLength(1);
    expect(said[0]!.level).toBe(40);
    expect(seen.length - 1 + said[0]!.lines!).toBe(written + 1);
    expect(seen.at(-1)!.i).toBe(written);
  });

  test('are written at once where the process ends', () => {
    const { stream, read, text } = slowReader();
    read();
    const lines = linesTo(stream);
    lines.write('last\n');
    lines.flush();
    expect(text()).toBe('last\n');
  });
});
