import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  test: {
    include: ['*.test.ts'],
    globalSetup: ['global-setup.ts'],
    pool: 'forks',
    // They share the stand's servers: what one file does to a model must not reach another's.
    fileParallelism: false,
    reporters: ['default', ['json', { outputFile: '../../../coverage/clients-js.json' }]],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
