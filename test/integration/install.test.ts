import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { codeBlocks } from '../support/pages.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const tarballs: string[] = [];
let folder: string;

/** What npm and Node hand down to their children would make a stranger's folder look like this repository. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(npm_(?!config_(registry|cafile|cache))|NODE_|VITEST|INIT_CWD)/i.test(name),
  ),
);

const registryAnswers = await run('npm', ['ping', '--fetch-retries=0', '--fetch-timeout=10000'], { env })
  .then(() => true)
  .catch(async () =>
    // Not every registry has a ping.
    run('npm', ['view', 'graphql', 'version', '--fetch-retries=0', '--fetch-timeout=10000'], { env }).then(
      () => true,
      () => false,
    ),
  );
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'embedql-install-'));
  if (!registryAnswers) return;
  const packed = path.join(folder, 'packed');
  await mkdir(packed);
  await run('npm', ['pack', '--workspaces', '--include-workspace-root', '--pack-destination', packed], {
    cwd: root,
    env,
  });
  tarballs.push(...(await readdir(packed)).map((name) => path.join(packed, name)));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Installs all tarballs in an empty folder. @returns the folder, and all that npm said. */
async function install(name: string, flags: readonly string[] = []): Promise<{ home: string; said: string }> {
  const home = path.join(folder, name);
  await mkdir(home);
  await writeFile(path.join(home, 'package.json'), '{ "name": "stranger", "private": true }');
  const { stdout, stderr } = await run('npm', ['install', ...flags, ...tarballs], { cwd: home, env });
  return { home, said: stdout + stderr };
}

/** `npx embedql` in that folder, on a free port. */
async function start(home: string): Promise<{ url: string; stop(): Promise<unknown> }> {
  const settings = { PORT: '0', EMBEDQL_MODELS_DIR: path.join(folder, 'no models'), OPENAI_API_KEY: '' };
  const server = spawn('npx', ['embedql'], { cwd: home, env: { ...env, ...settings }, detached: true });
  let output = '';
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  }
  const exited = once(server, 'exit');
  const stop = () => {
    process.kill(-server.pid!, 'SIGTERM');
    return exited;
  };
  try {
    await expect.poll(() => output, { timeout: 60_000 }).toMatch(/GraphiQL: http/);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: /GraphiQL: (http\S+)\/graphql/.exec(output)![1]!, stop };
}

/** What `npx embedql` in that folder answers to one operation. */
async function ask(home: string, query: string): Promise<unknown> {
  const { url, stop } = await start(home);
  try {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    return await response.json();
  } finally {
    await stop();
  }
}

/** The first block of a language in a page, for a server at that address. */
function block(page: string, language: string, url: string, having = ''): string {
  const found = codeBlocks(language).find((one) => one.page === page && one.code.includes(having));
  return found!.code.replaceAll('http://127.0.0.1:4000', url);
}

/** Goes the way of the page of the first steps, by its own blocks, in a folder where the packages are installed. */
async function firstSteps(home: string): Promise<void> {
  const page = 'docs/getting-started.md';
  const { url, stop } = await start(home);
  try {
    const { stdout } = await run('sh', ['-c', block(page, 'sh', url, 'curl')], { cwd: home, env });
    expect(JSON.parse(stdout)).toEqual(JSON.parse(block(page, 'json', url)));
    for (const [name, program] of [
      ['first.mjs', block(page, 'js', url)],
      ['search.mjs', block('docs/recipes/search.md', 'js', url)],
    ] as const) {
      await writeFile(path.join(home, name), program);
      const printed = await run('node', [name], { cwd: home, env });
      expect(printed.stdout.trim()).toBe(/\/\/ (.*)\n$/.exec(program)![1]);
    }
  } finally {
    await stop();
  }
}

async function megabytes(home: string): Promise<number> {
  const entries = await readdir(path.join(home, 'node_modules'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(path.join(file.parentPath, file.name))).blocks * 512),
  );
  return sizes.reduce((a, b) => a + b, 0) / 2 ** 20;
}

const embed = 'mutation { embed(text: "cat", model: "all-MiniLM-L6-v2") { dimension } }';

test.skipIf(!registryAnswers)(
  'npm i of the tarballs, without a flag, gives a server with a local model, and the first steps of the pages work',
  async () => {
    const { home, said } = await install('whole');
    expect(said).not.toMatch(/npm error|EBADENGINE/);
    const { stdout } = await run('npx', ['embedql', '--version'], { cwd: home, env });
    expect(stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/);
    expect(await ask(home, embed)).toEqual({ data: { embed: { dimension: 384 } } });
    await firstSteps(home);
    // No part of it can fail an install where its own host is out of reach.
    const lock = await readFile(path.join(home, 'node_modules/.package-lock.json'), 'utf8');
    expect(lock).toContain('"node_modules/@embedql/local-runtime"');
    expect(lock).not.toContain('hasInstallScript');
  },
  180_000,
);

test.skipIf(!registryAnswers)(
  '--omit=optional leaves out the local runtime: small, serving, and saying what to install',
  async () => {
    const { home, said } = await install('lean', ['--omit=optional']);
    expect(said).not.toMatch(/npm error|EBADENGINE/);
    expect(await megabytes(home)).toBeLessThan(150);
    expect(await ask(home, embed)).toMatchObject({
      errors: [
        {
          message: expect.stringContaining('npm i @embedql/local-runtime'),
          extensions: { code: 'PROVIDER_NOT_CONFIGURED' },
        },
      ],
    });
  },
  180_000,
);
