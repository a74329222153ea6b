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

  test('of what was given up says so, not that it is done', () => {
    const output = new PassThrough();
    const task = createProgress(pino({ base: undefined }, output), false).start('fetching', 1_000);
    task.update(150);
    task.end(false);
    expect(String(output.read())).toMatch(/fetching: 10 %.*\n.*fetching: given up/);
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

test('a log for a person has one line for an operation, and says what it came to', async () => {
  const written: string[] = [];
  const write = vi
    .spyOn(process.stdout, 'write')
    .mockImplementation((chunk) => written.push(String(chunk)) > 0);
  const log = createLog('info', true);
  const figures = { fields: 3, texts: 3, hits: 1, calls: 1, costUsd: 0.0001, errors: 2, ms: 12.3 };
  const codes = { BAD_USER_INPUT: 2 };
  log.info(
    { requestId: 'r', key: 'k', type: 'mutation', operation: 'Named', ...figures, codes },
    'operation',
  );
  log.info(
    { type: 'query', texts: 0, hits: 0, calls: 0, costUsd: 0, outcome: 'cancelled', ms: 1 },
    'operation',
  );
  log.warn({ model: 'm' }, 'something else');
  const missing = { 'needs A_KEY': ['a-small', 'a-large', 'a-old'], 'needs B_KEY': ['b'] };
  const places = { cache: 'memory', ledger: 'Redis' };
  log.info({ address: 'http://h', defaultModel: 'm', ...places, missing }, 'EmbedQL is listening');
  await vi.waitFor(() => expect(written.join('')).toContain('needs B_KEY'));
  write.mockRestore();
  const plain = written.join('').replaceAll(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g'), '');
  expect(
    plain
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\S+ /, '')),
  ).toEqual([
    'INFO: mutation Named: 3 texts, 1 hit, 1 call, $0.0001, 12.3 ms, BAD_USER_INPUT 2',
    'INFO: query: 1 ms, cancelled',
    'WARN: something else {"model":"m"}',
    'INFO: EmbedQL is listening',
    '           model    m',
    '           cache    memory',
    '           ledger   Redis',
    '           missing  a-small and 2 more: needs A_KEY',
    '                    b: needs B_KEY',
  ]);
});
