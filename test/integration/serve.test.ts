import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { serve } from '../../src/cli/serve.ts';
import { startProvider } from '../support/provider-server.ts';

test('serve prints where it listens, warns, and ends with 0 on SIGTERM', async () => {
  const provider = await startProvider();
  const output = new PassThrough();
  let printed = '';
  output.on('data', (chunk: Buffer) => {
    printed += chunk;
  });
  const env = { ...provider.env, PORT: '0', EMBEDQL_CACHE_TLL: '1' };
  const before = process.listeners('SIGTERM');
  const exitCode = serve(env, pino(output));
  await expect.poll(() => printed).toMatch(/GraphiQL: http:\/\/127\.0\.0\.1:\d+\/graphql/);
  expect(printed).toContain('did you mean EMBEDQL_CACHE_TTL?');
  process.emit('SIGTERM');
  // Passed on twice, as npm and a terminal do: it is the same one.
  process.emit('SIGTERM');
  expect(await exitCode).toBe(0);
  expect(printed).toContain('"msg":"stopped"');
  for (const listener of process.listeners('SIGTERM')) {
    if (!before.includes(listener)) process.off('SIGTERM', listener);
  }
  await provider.close();
});
