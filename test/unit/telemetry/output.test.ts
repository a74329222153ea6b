import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createProgress } from '../../../src/cli/progress.ts';
import { silentProgress } from '../../../src/core/surroundings.ts';
import { createLog } from '../../../src/telemetry/pino.ts';

describe('progress', () => {
  afterEach(() => void vi.restoreAllMocks());

  test('is a line at every tenth where nobody watches', () => {
    const output = new PassThrough();
    const progress = createProgress(pino({ base: undefined }, output), false);
    const task = progress.start('fetching', 1_000);
    for (let done = 0; done <= 1_000; done += 50) task.update(done, done === 500 ? 'half' : undefined);
    task.end();
    const lines = String(output.read())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).msg);
    expect(lines).toEqual([
      'fetching: started',
      ...[10, 20, 30, 40].map((percent) => `fetching: ${percent} %`),
      'fetching: 50 % | half',
      ...[60, 70, 80, 90].map((percent) => `fetching: ${percent} %`),
      'fetching: done',
    ]);
  });

  test('is a bar on a terminal, also where the end is not known', () => {
    const log = createLog('silent', false);
    for (const total of [1_000_000, 0]) {
      const task = createProgress(log, true).start('fetching', total);
      task.update(500_000, '3 hits');
      task.end();
    }
    silentProgress.start('nothing', 1).update(1);
  });
});

test('a log for a person is made of lines, not of JSON', () => {
  const log = createLog('info', true);
  expect(log.level).toBe('info');
});
