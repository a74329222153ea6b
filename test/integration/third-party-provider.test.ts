import { copyFile, mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AcmeService, startAcme } from '../support/acme-service.ts';
import { type Running, runEmbedQL } from '../support/processes.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const example = path.join(repository, 'examples/provider/acme.mjs');

let acme: AcmeService;
/** A folder as a stranger has it: the example, a models file, and this package installed. */
let folder: string;

beforeAll(async () => {
  acme = await startAcme();
  folder = await mkdtemp(path.join(tmpdir(), 'embedql-acme-'));
  const entry = { provider: 'acme', baseUrl: acme.url, dimension: 3, maxInputTokens: 10, costPer1kTokens: 1 };
  await writeFile(
    path.join(folder, 'models.json'),
    JSON.stringify({ models: [{ ...entry, name: 'acme-embed' }] }),
  );
  await copyFile(example, path.join(folder, 'acme.mjs'));
  await mkdir(path.join(folder, 'node_modules'));
  await symlink(repository, path.join(folder, 'node_modules/embedql'));
});
afterAll(() => acme.close());

const settings = { EMBEDQL_PROVIDERS: './acme.mjs', EMBEDQL_MODELS_FILE: './models.json' };

async function packageOf(name: string, code: string): Promise<void> {
  const directory = path.join(folder, 'node_modules', name);
  await mkdir(directory, { recursive: true });
  const manifest = { name, type: 'module', exports: { '.': { import: './index.js' } } };
  await writeFile(path.join(directory, 'package.json'), JSON.stringify(manifest));
  await writeFile(path.join(directory, 'index.js'), code);
}

test('the example of docs/providers.md is the one that runs here', async () => {
  const code = await readFile(example, 'utf8');
  const page = await readFile(path.join(repository, 'docs/providers.md'), 'utf8');
  expect(page).toContain(`\`\`\`js\n${code}\`\`\``);
});

describe('a server with a provider from outside', () => {
  let server: Running;
  let url: string;
  const graphql = async (query: string) => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
    return (await response.json()) as any;
  };
  beforeAll(async () => {
    const env = { ...settings, EMBEDQL_DEFAULT_MODEL: 'acme-embed', ACME_KEY: 'k', PORT: '0' };
    server = runEmbedQL([], env, folder);
    url = (await server.printed(/(http:\/\/[\d.:[\]]+)\/graphql/))[1]!;
  });
  afterAll(async () => {
    server.process.kill();
    await server.finished;
  });

  test('it gets batches, retries, splitting, truncation and accounting', async () => {
    acme.failures = 1;
    const { data, errors } = await graphql(`mutation {
      a: embed(text: "one") { embedding cost tokens }
      b: embed(text: "bad") { embedding }
      c: embed(text: "three, and more") { embedding truncated tokens }
    }`);
    expect(errors).toMatchObject([{ path: ['b'], message: 'Acme refuses this text; change it.' }]);
    expect(data).toEqual({
      a: { embedding: [3, 1, 14], cost: 0.003, tokens: 3 },
      b: null,
      c: { embedding: [10, 1, 19], truncated: true, tokens: 10 },
    });
    expect(acme.calls[0]).toEqual(['one', 'bad', 'three, and']);
    expect(acme.calls[1]).toEqual(acme.calls[0]);
    const { metrics } = (await graphql('{ metrics { providerCalls totalTokens totalCostUsd } }')).data;
    expect(metrics).toEqual({ providerCalls: acme.calls.length, totalTokens: 13, totalCostUsd: 0.013 });
  });

  test('its status is what the catalogue shows', async () => {
    const { models } = (await graphql('{ models { name available } }')).data;
    expect(models).toContainEqual({ name: 'acme-embed', available: true });
  });
});

test('embedql models says what the provider says', async () => {
  const { stdout } = await runEmbedQL(['models'], settings, folder).finished;
  expect(stdout).toMatch(/acme-embed +acme +3 +10 +96 +1\.00000 +acme-embed needs ACME_KEY; set it\./);
  const withKey = await runEmbedQL(['models'], { ...settings, ACME_KEY: 'k' }, folder).finished;
  expect(withKey.stdout).toMatch(/acme-embed .* ready/);
});

test('a package can bring models, and something to pull', async () => {
  await packageOf(
    'embedql-sparks',
    `export default {
      name: 'sparks',
      models: [{ name: 'spark', dimension: 2, maxInputTokens: 9 }],
      open: (spec) => ({
        spec, remote: false, status: () => ({ available: true, loaded: true, note: 'bright' }),
        identity: async () => 'spark', fit: async () => [], embed: async () => [], close: async () => {},
        pull: async () => 'was there already',
      }),
    };`,
  );
  const env = { EMBEDQL_PROVIDERS: 'embedql-sparks' };
  expect((await runEmbedQL(['models'], env, folder).finished).stdout).toMatch(
    /spark +sparks +2 +9 .* bright/,
  );
  const pulled = await runEmbedQL(['pull', 'spark'], env, folder).finished;
  expect(pulled).toMatchObject({ code: 0, stdout: 'spark was there already.\n' });
});

test('a module that cannot be used stops the start with one line', async () => {
  const env = { EMBEDQL_PROVIDERS: './models.mjs', PORT: '0' };
  const { code, stderr } = await runEmbedQL([], env, folder).finished;
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^EMBEDQL_PROVIDERS: \.\/models\.mjs: cannot be imported \(Cannot find module [^\n]+; for example EMBEDQL_PROVIDERS=[^\n]+\n$/,
  );
});
