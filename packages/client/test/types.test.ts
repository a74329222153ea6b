import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../', import.meta.url));
const typescript = createRequire(import.meta.url).resolve('typescript/package.json');
const workspace = join(root, '../..');
const tsc = join(dirname(typescript), 'bin/tsc');
let folder: string;

const plain = `import {
  type AbortSignalLike, type Client, cosine, createClient, decodeBase64, EmbedError, EmbedManyError, hamming,
} from '@embedql/client';

const client: Client = createClient('http://127.0.0.1:4000/graphql', { apiKey: undefined, timeoutMs: 1_000 });
export async function use(signal: AbortSignalLike): Promise<number> {
  const { vector } = await client.embed('cat', { signal });
  const { results, costUsd } = await client.embedMany(['a'], { onProgress: ({ done }) => void done });
  for (const result of results) if (!(result instanceof EmbedError)) cosine(result.vector, vector);
  for await (const { index, result } of client.embedStream(['a'])) if (result instanceof EmbedManyError) return index;
  const int8: Int8Array = (await client.embedQuery('cat', { form: 'int8', longText: 'average' })).vector;
  const [bits] = await client.embedVectors(['cat'], { form: 'binary' });
  const chunks = await client.embedChunks('cat', { maxTokens: 100, form: 'int8' });
  const first: Int8Array | undefined = chunks[0]?.embedding.vector;
  return costUsd + decodeBase64('').length + hamming(bits ?? [], bits ?? []) + cosine(int8, first ?? int8);
}
`;
const withRuntime = `import { createClient } from '@embedql/client';

const client = createClient(new URL('http://127.0.0.1:4000/graphql'), { fetch });
export const own = createClient('http://127.0.0.1:4000/graphql', {
  fetch: (url, init) => fetch(url, { ...init, headers: {}, body: '', signal: null }),
});
export const one = client.embed('cat', { signal: new AbortController().signal });
`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embedql-client-types-'));
  const installed = join(folder, 'node_modules/@embedql/client');
  await mkdir(installed, { recursive: true });
  await run(process.execPath, [
    tsc,
    '-p',
    root,
    '--incremental',
    'false',
    '--outDir',
    join(installed, 'dist'),
  ]);
  await cp(join(root, 'package.json'), join(installed, 'package.json'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'plain.ts'), plain);
  await writeFile(join(folder, 'runtime.ts'), withRuntime);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a strict compiler says. */
async function check(file: string, resolution: string, lib: string[], types: string[] = []): Promise<string> {
  const compilerOptions = {
    ...{ strict: true, skipLibCheck: false, exactOptionalPropertyTypes: true, noEmit: true },
    ...{ target: 'es2022', module: resolution === 'bundler' ? 'esnext' : resolution },
    ...{ moduleResolution: resolution, lib, types, typeRoots: [join(workspace, 'node_modules/@types')] },
  };
  const project = join(folder, `${file}.${resolution}.${types.length}.json`);
  await writeFile(project, JSON.stringify({ compilerOptions, files: [file] }));
  return run(process.execPath, [tsc, '-p', project]).then(
    () => '',
    ({ stdout }: { stdout: string }) => stdout,
  );
}

describe.each(['nodenext', 'bundler'])('strict TypeScript, %s', (resolution) => {
  test('needs neither DOM nor Node', async () => {
    expect(await check('plain.ts', resolution, ['es2022'])).toBe('');
    expect(await check('runtime.ts', resolution, ['es2022'])).toContain("Cannot find name 'fetch'");
  });

  test('takes fetch and AbortSignal of a browser, and those of Node', async () => {
    expect(await check('runtime.ts', resolution, ['es2022', 'dom', 'dom.iterable'])).toBe('');
    expect(await check('runtime.ts', resolution, ['es2022'], ['node'])).toBe('');
  });
});
