import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { stand } from './support.ts';

const page = readFileSync(new URL('../../../docs/clients.md', import.meta.url), 'utf8');
const snippets = [...page.matchAll(/^### (.+)\n[\s\S]*?^```js\n([\s\S]*?)^```/gm)].map(([, name, code]) => ({
  name: name!,
  code: code!.replaceAll('127.0.0.1:4000', new URL(stand.keyless).host),
  /** What the last line says that it prints. */
  output: /\/\/ (.+)\n$/.exec(code!)?.[1],
}));

test('the page has a snippet for every client', () => {
  expect(snippets.length).toBeGreaterThanOrEqual(10);
});

test.each(snippets)('docs/clients.md: $name', async ({ code, output }) => {
  // Packages are found from the folder that this runs in.
  const options = { cwd: import.meta.dirname, timeout: 50_000 };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', code],
    options,
  );
  expect(output).toBeDefined();
  expect(stdout.trim()).toBe(output);
});
