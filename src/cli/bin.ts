#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { runCli } from './cli.ts';

if (existsSync('.env')) process.loadEnvFile('.env');

process.exit(
  await runCli({
    argv: process.argv.slice(2),
    env: process.env,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  }),
);
