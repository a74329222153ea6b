import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stand } from './support.ts';

// Runs the programs of the recipes as they stand there, and has the compiler read those in TypeScript.

const run = promisify(execFile);
const here = import.meta.dirname;
const docs = path.join(here, '../../../docs');
const folders = ['recipes', 'migrating'];
/** What these need is told by the page of the first steps, and tried by the test of the install. */
const triedElsewhere = new Set(['recipes/search.md']);

async function blocks(language: string): Promise<Array<{ page: string; code: string }>> {
  const found = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(path.join(docs, folder))).map((name) => path.posix.join(folder, name)),
    ),
  );
  const pages = found.flat().filter((page) => !triedElsewhere.has(page));
  const texts = await Promise.all(pages.map((page) => readFile(path.join(docs, page), 'utf8')));
  return texts.flatMap((text, i) =>
    [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => ({
      page: pages[i]!,
      code: code!,
    })),
  );
}

const programs = await blocks('js');
const typed = (await Promise.all(['ts', 'tsx'].map(blocks))).flat();

let databases: Record<string, string>;
let stop: () => Promise<void>;

beforeAll(async () => {
  const postgres = await PGlite.create({ extensions: { vector } });
  const socket = new PGLiteSocketServer({ db: postgres, port: 0, host: '127.0.0.1' });
  await socket.start();
  const qdrant = await startQdrant();
  databases = {
    DATABASE_URL: `postgresql://postgres@${socket.getServerConn()}/postgres?sslmode=disable`,
    QDRANT_URL: qdrant.url,
  };
  stop = async () => {
    await socket.stop();
    await postgres.close();
    qdrant.close();
  };
});
afterAll(() => stop());

test('there are recipes of both kinds', () => {
  expect(programs.length).toBeGreaterThanOrEqual(6);
  expect(typed.length).toBeGreaterThanOrEqual(2);
});

test.each(programs)('docs/$page prints what it says', async ({ code }) => {
  const [, stated] = /\/\/ ([^\n]+)\n(?:[^/\n][^\n]*\n)?$/.exec(code) ?? [];
  const source = code.replaceAll('127.0.0.1:4000', new URL(stand.keyless).host);
  const options = { cwd: here, timeout: 50_000, env: { ...process.env, ...databases } };
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', source], options);
  expect(stated).toBeDefined();
  expect(stdout.trim()).toBe(stated);
});

test('the compiler takes what is in TypeScript', async () => {
  const folder = await mkdtemp(path.join(here, '.recipes-'));
  try {
    await mkdir(folder, { recursive: true });
    await Promise.all(
      typed.map(({ code }, i) =>
        writeFile(path.join(folder, `recipe-${i}.${code.includes('</') ? 'tsx' : 'ts'}`), code),
      ),
    );
    const tsconfig = {
      extends: '../../../../tsconfig.json',
      compilerOptions: {
        lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
        jsx: 'react-jsx',
        types: ['node'],
        typeRoots: ['../../../../node_modules/@types'],
      },
      include: ['*.ts', '*.tsx'],
      exclude: [],
    };
    await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));
    const tsc = path.join(here, '../../../node_modules/.bin/tsc');
    const { stdout } = await run(tsc, ['--noEmit', '-p', folder]).catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** As much of Qdrant as the recipe asks for, over its real client: a collection, points, the nearest ones. */
async function startQdrant() {
  const collections = new Map<string, { size: number; points: Array<{ id: number; vector: number[] }> }>();
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk;
    });
    request.on('end', () => {
      const [, name = '', what = ''] =
        /^\/collections\/(\w+)(\/points\/query|\/points)?/.exec(request.url ?? '') ?? [];
      const sent = body === '' ? {} : JSON.parse(body);
      let result: unknown = true;
      const collection = collections.get(name);
      // The client asks for the version first.
      if (name === '') result = { title: 'qdrant', version: '1.19.0' };
      else if (what === '') collections.set(name, { size: sent.vectors.size, points: [] });
      else if (what === '/points') {
        for (const { vector } of sent.points) expect(vector).toHaveLength(collection!.size);
        collection!.points.push(...sent.points);
        result = { operation_id: 0, status: 'completed' };
      } else {
        const dot = (vector: number[]) => vector.reduce((sum, x, i) => sum + x * sent.query[i], 0);
        const points = collection!.points.toSorted((a, b) => dot(b.vector) - dot(a.vector));
        result = { points: points.slice(0, sent.limit).map((point) => ({ version: 0, score: 1, ...point })) };
      }
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(name === '' ? result : { time: 0, status: 'ok', result }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
