#!/usr/bin/env node
import { existsSync } from 'node:fs';

if (existsSync('.env')) process.loadEnvFile('.env');
// graphql-js checks much more at every value where this is not set; it reads it when it is loaded.
process.env['NODE_ENV'] ??= 'production';
// When whoever reads what we print has gone, such lines are lost, and nothing else.
process.stdout.on('error', () => {});
const { runCli } = await import('#cli');

process.exit(
  await runCli({
    argv: process.argv.slice(2),
    env: process.env,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  }),
);
