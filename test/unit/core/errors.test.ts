import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { variableOf } from '../../../src/config/config.ts';
import {
  badUserInput,
  describeError,
  EmbedQLError,
  errorCodes,
  errorKinds,
  tooManyTexts,
} from '../../../src/core/errors.ts';

describe('the table of codes', () => {
  test.each(errorCodes)('%s is the fault of the one whom its status blames', (code) => {
    const { status, retryable } = errorKinds[code];
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(new EmbedQLError(code, '').retryable).toBe(retryable);
    expect(new EmbedQLError(code, '', { retryable: !retryable }).retryable).toBe(!retryable);
  });
});

describe('a hint', () => {
  test('is the name of the option, until somebody has another', () => {
    const error = tooManyTexts(3, 2);
    expect(error.message).toContain('raise maxTexts.');
    expect(describeError(error, variableOf)).toBe(
      'The operation asks for 3 texts; 2 are allowed. Split it, or raise EMBEDQL_MAX_TEXTS.',
    );
  });

  test('changes nothing but the option, which stands last', () => {
    const error = new EmbedQLError('OVERLOADED', 'Too many wait for queueLimit; raise queueLimit.', {
      hint: 'queueLimit',
    });
    expect(describeError(error, () => '$&')).toBe('Too many wait for queueLimit; raise $&.');
    expect(describeError(badUserInput('raise maxTexts'), variableOf)).toBe('raise maxTexts');
  });

  test('leads to a variable that there is', () => {
    expect(variableOf('timeoutMs')).toBe('EMBEDQL_PROVIDER_TIMEOUT_MS');
    expect(variableOf('corsOrigins')).toBe('EMBEDQL_CORS_ORIGINS');
  });
});

test.each(['core', 'admission', 'cache', 'wire', 'http'])('%s/ names no setting of the server', (room) => {
  const folder = new URL(`../../../src/${room}/`, import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  expect(files.length).toBeGreaterThan(3);
  for (const file of files) expect(readFileSync(new URL(file, folder), 'utf8'), file).not.toMatch(/EMBEDQL_/);
});
