import { createRequire } from 'node:module';
import { defineConfig } from 'vitest/config';

const unitOnly = process.env['SKIP_INTEGRATION'] === '1';

export default defineConfig({
  // graphql must be there once: as the libraries under node_modules load it.
  resolve: {
    alias: { graphql: createRequire(import.meta.url).resolve('graphql') },
    // Our own packages as their sources, built or not.
    conditions: ['embedql-source'],
  },
  ssr: { resolve: { conditions: ['embedql-source'] } },
  test: {
    include: [
      unitOnly ? 'test/unit/**/*.test.ts' : 'test/{unit,contracts,integration}/**/*.test.ts',
      'packages/*/test/**/*.test.ts',
    ],
    globalSetup: unitOnly ? [] : ['test/support/global-setup.ts'],
    pool: 'forks',
    // Most of the long ones wait: for timers, processes, a Redis that is away.
    maxWorkers: 3,
    reporters: ['default', ['json', { outputFile: 'coverage/tests.json' }]],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // No test is about how fast this machine is.
    expect: { poll: { timeout: 20_000 } },
    coverage: {
      enabled: process.env['COVERAGE'] === '1',
      provider: 'v8',
      include: ['src/**/*.ts', 'packages/*/src/**/*.ts'],
      reporter: ['text'],
      clean: false,
      thresholds: { lines: 95 },
    },
  },
});
