import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;

/** What a stranger writes, with everything that the packages export. */
const program = `
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import {
  createEmbedder, EmbedQLError, local, memoryCache, openai, openaiCompatible, redisCache,
  type Cache, type Embedding, type EmbeddingModel, type ModelDefinition, type Provider,
} from 'embedql';
import { ConfigError, createServer, type EmbedQLServer } from 'embedql/server';
import { testCache, testProvider } from 'embedql/testing';
import * as client from 'embedql/client';

const embedder = await createEmbedder({
  models: [
    openai('text-embedding-3-small', { apiKey: process.env['KEY'] }),
    openaiCompatible('nomic', { baseUrl: 'http://127.0.0.1:11434/v1', dimension: 768 }),
    local('all-MiniLM-L6-v2'),
  ],
  cache: memoryCache({ maxBytes: 64e6 }),
  log: console,
});
const { vector, tokens, costUsd, cached, truncated } = await embedder.embed('cat');
const sum: number = vector.reduce((a: number, b: number) => a + b, 0) + tokens + costUsd;
const both: boolean = cached && truncated;
await embedder.embedQuery('What purrs?', { model: 'nomic', dimensions: 3, signal: AbortSignal.timeout(1) });
const { results } = await embedder.embedMany(['a'], { useCache: false });
for (const result of results) {
  if (result instanceof EmbedQLError) console.log(result.code, result.retryable);
  else console.log(result.vector.length);
}
redisCache({ url: 'redis://127.0.0.1:6379', memory: false });
// @ts-expect-error: a slip in an option is found by the compiler, too
openai('text-embedding-3-small', { baseURL: '' });

const server: EmbedQLServer = await createServer({ env: process.env, basePath: '/ai', log: console });
createHttpServer(server.handler).on('upgrade', server.upgrade);
createHttpServer((request: IncomingMessage, response) => server.handler(request, response, () => response.end()));
console.log(await server.listen({ port: 0 }), server.address);
export type Used = [Cache, Embedding, EmbeddingModel, ModelDefinition, Provider];
export { both, client, ConfigError, sum, testCache, testProvider };
`;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'embedql-types-'));
  await mkdir(path.join(folder, 'node_modules/@types'), { recursive: true });
  await symlink(root, path.join(folder, 'node_modules/embedql'));
  await symlink(path.join(root, 'node_modules/@types/node'), path.join(folder, 'node_modules/@types/node'));
  await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(path.join(folder, 'program.ts'), program);
});
afterAll(() => rm(folder, { recursive: true }));

test.each([
  { module: 'nodenext', moduleResolution: 'nodenext' },
  { module: 'preserve', moduleResolution: 'bundler' },
])('a strict compiler of somebody else accepts our types: %o', async (resolution) => {
  const compilerOptions = {
    ...resolution,
    ...{ target: 'es2022', lib: ['es2022'], types: ['node'] },
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ...{ skipLibCheck: false, noEmit: true },
  };
  await writeFile(
    path.join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['program.ts'] }),
  );
  const compiler = path.join(root, 'node_modules/.bin/tsc');
  const { stdout } = await promisify(execFile)(compiler, ['-p', folder]).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toBe('');
});
