import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('npm start builds what it needs, serves, and passes SIGTERM on, without anything from elsewhere', async () => {
  const home = await mkdtemp(path.join(tmpdir(), 'embedql-home-'));
  const clone = await mkdtemp(path.join(tmpdir(), 'embedql-clone-'));
  const entries = [
    'package.json',
    '.npmrc',
    'tsconfig.json',
    'tsconfig.build.json',
    'packages',
    'scripts',
    'src',
    'assets',
  ];
  for (const entry of entries) {
    await cp(path.join(root, entry), path.join(clone, entry), {
      recursive: true,
      filter: (file) => !/[/\\](dist|node_modules)$/.test(path.relative(root, file)),
    });
  }
  await symlink(path.join(root, 'node_modules'), path.join(clone, 'node_modules'));
  // Nothing at home, and nobody to fetch from.
  const alone = {
    HOME: home,
    EMBEDQL_MODELS_DIR: '',
    HF_ENDPOINT: 'http://127.0.0.1:9',
    npm_config_registry: 'http://127.0.0.1:9',
  };
  const npm = spawn('npm', ['start'], {
    cwd: clone,
    env: { ...process.env, ...alone, PORT: '0', NODE_ENV: '' },
  });
  let output = '';
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  await expect.poll(() => output, { timeout: 50_000 }).toMatch(/GraphiQL: http/);
  const [, url] = /GraphiQL: (http\S+\/graphql)/.exec(output)!;
  const response = await fetch(url!, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: 'mutation { embed(text: "cat") { dimension } }' }),
  });
  expect(await response.json()).toEqual({ data: { embed: { dimension: 384 } } });
  expect((await readdir(home)).filter((name) => name !== '.npm')).toEqual([]);
  npm.kill('SIGTERM');
  const [code] = await once(npm, 'exit');
  expect(code).toBe(0);
  expect(output).toContain('"msg":"stopped"');
});
