import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEmbedQL } from '../support/embedql.ts';
import { root, sourceFile } from '../support/source-files.ts';

const run = promisify(execFile);
const { text: readme } = sourceFile('README.md');
let server: Awaited<ReturnType<typeof startEmbedQL>>;

beforeAll(async () => {
  server = await startEmbedQL({});
}, 120_000);
afterAll(() => server?.stop());

/** The first code block of a language that has some text in it. */
function block(language: string, text: string): string {
  const blocks = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, name, code]) => ({
    name,
    code: code!,
  }));
  const found = blocks.find(({ name, code }) => name === language && code.includes(text));
  if (!found) throw new Error(`README.md has no ${language} block with ${text} in it.`);
  return found.code;
}

/** Runs a block as a program beside the built package. @returns what it says that it prints, and what it prints */
async function printed(code: string): Promise<{ stated: string | undefined; actual: string }> {
  const [, stated] = /\/\/ (.*)$/m.exec(code) ?? [];
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: path.resolve(root),
  });
  return { stated, actual: stdout.trim() };
}

test('the operation of the README gives the answer of the README', async () => {
  const answer = await server.graphql(block('graphql', 'catAgain'));
  expect(answer).toEqual(JSON.parse(block('json', 'catAgain')));
});

test('the client example prints what it says', async () => {
  const code = block('ts', 'createClient').replace('http://127.0.0.1:4000', server.url);
  const { stated, actual } = await printed(code);
  expect(actual).toBe(stated);
});

test('the library example prints what it says', async () => {
  const { stated, actual } = await printed(block('ts', 'createEmbedder'));
  expect(actual).toBe(stated);
});
