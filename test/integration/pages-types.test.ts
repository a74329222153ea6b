import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { codeBlocks } from '../support/pages.ts';
import { importsOf, root } from '../support/source-files.ts';

// Whole programs of the pages, as the compiler of a stranger reads them. Those with other people's packages are read in
// test/clients/js; parts of programs import nothing, and are only parsed (test/unit/pages.test.ts).
const programs = codeBlocks('ts').filter(({ code }) => {
  const specifiers = importsOf({ path: 'program.ts', text: code }).map(({ specifier }) => specifier);
  return (
    specifiers.length > 0 &&
    specifiers.every((specifier) => /^(?:embedql(?:\/|$)|@embedql\/client$|node:)/.test(specifier))
  );
});
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'embedql-pages-'));
  await mkdir(path.join(folder, 'node_modules/@types'), { recursive: true });
  await mkdir(path.join(folder, 'node_modules/@embedql'), { recursive: true });
  const links = {
    embedql: root,
    '@embedql/client': path.join(root, 'packages/client'),
    '@types/node': path.join(root, 'node_modules/@types/node'),
  };
  for (const [name, target] of Object.entries(links))
    await symlink(target, path.join(folder, 'node_modules', name));
  await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
});
afterAll(() => rm(folder, { recursive: true }));

test('the compiler takes the programs of the pages', async () => {
  expect(programs.length).toBeGreaterThanOrEqual(5);
  const names = await Promise.all(
    programs.map(async ({ page, line, code }) => {
      const name = `${page.replaceAll(/[/.]/g, '-')}-${line}.ts`;
      // What a page has brought before: `texts` and the like.
      const before =
        'declare const texts: string[];\ndeclare function save(...values: unknown[]): Promise<void>;\n';
      const declared = /^(?:const|let) (?:\[?)texts\b/m.test(code) ? '' : before;
      await writeFile(path.join(folder, name), `${declared}${code}\nexport {};\n`);
      return name;
    }),
  );
  const compilerOptions = {
    ...{ target: 'es2023', lib: ['es2023', 'dom', 'dom.asynciterable'], types: ['node'] },
    ...{ module: 'nodenext', moduleResolution: 'nodenext', strict: true, skipLibCheck: true, noEmit: true },
  };
  await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: names }));
  const compiler = path.join(root, 'node_modules/.bin/tsc');
  const { stdout } = await promisify(execFile)(compiler, ['-p', folder]).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toBe('');
});
