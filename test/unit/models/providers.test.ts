import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../../src/config/config.ts';
import { silentLog, silentProgress } from '../../../src/core/surroundings.ts';
import { loadProviders } from '../../../src/models/providers.ts';
import { modelSpecs } from '../../../src/models/specs.ts';
import { openModel } from '../../../src/providers/open.ts';
import type { Provider } from '../../../src/providers/provider.ts';
import { providers as builtin } from '../../../src/providers/registry.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'embedql-providers-'));
let files = 0;

/** Writes a module. @returns its name, as EMBEDQL_PROVIDERS has it. */
function fileWith(code: string): string {
  const name = `./provider-${files++}.mjs`;
  writeFileSync(path.join(folder, name), code);
  return name;
}

function packageWith(name: string, exports: object, code: string): void {
  const directory = path.join(folder, 'node_modules', name);
  mkdirSync(directory, { recursive: true });
  writeFileSync(path.join(directory, 'package.json'), JSON.stringify({ name, type: 'module', exports }));
  writeFileSync(path.join(directory, 'index.js'), code);
}

describe('EMBEDQL_PROVIDERS', () => {
  test('is read as a list, blanks around the names ignored', () => {
    expect(readConfig({}).providers).toEqual([]);
    expect(readConfig({ EMBEDQL_PROVIDERS: './my acme.mjs , @scope/other' }).providers).toEqual([
      './my acme.mjs',
      '@scope/other',
    ]);
    expect(() => readConfig({ EMBEDQL_PROVIDERS: './a.js,,b' })).toThrow(/none empty.*EMBEDQL_PROVIDERS=/);
  });

  test('brings files and packages, from the folder that is given', async () => {
    const code = (name: string) => `export default { name: '${name}', open() {} };`;
    packageWith('@scope/embedql-one', { '.': { import: './index.js' } }, code('one'));
    const names = [fileWith(code('two')), '@scope/embedql-one', path.join(folder, fileWith(code('three')))];
    const providers = await loadProviders(names, folder);
    expect(providers.slice(-3).map(({ name }) => name)).toEqual(['two', 'one', 'three']);
  });

  const nearly = "name: 'nearly', open() {}";
  test.each([
    ['no default export', 'export const acme = {};', /has no default export; it exports only acme;/],
    ['nothing at all', '', /has no default export;/],
    ['something else', 'export default 5;', /is not a Provider: it is a number/],
    ['no name', 'export default { open() {} };', /"name" must be a word/],
    ['no open', "export default { name: 'half' };", /"open" must be a function/],
    ['a name that is taken', "export default { name: 'local', open() {} };", /its name, local, is taken/],
    ['an option that all have', `export default { ${nearly}, options: { id: String } };`, /option "id"/],
    ['a reader that is none', `export default { ${nearly}, options: { a: 5 } };`, /"options\.a" must be/],
    [
      'a wrong default',
      `export default { ${nearly}, defaults: { maxBatchSize: 0 } };`,
      /defaults\.maxBatchSize:/,
    ],
    ['an unknown default', `export default { ${nearly}, defaults: { batch: 1 } };`, /defaults: .*batch/],
    [
      'a wrong model',
      `export default { ${nearly}, models: [{ name: 'm' }] };`,
      /nearly is wrong at models\[0\]\.dimension:/,
    ],
    [
      'a model that there is',
      `export default { ${nearly}, models: [{ name: 'all-MiniLM-L6-v2', dimension: 3 }] };`,
      /that name is taken/,
    ],
    ['a throw at import', "throw new Error('not today\\nnor tomorrow');", /cannot be imported \(not today\)/],
  ])('%s stops the start with one line', async (_name, code, message) => {
    const start = async () =>
      modelSpecs({ modelsFile: undefined }, await loadProviders([fileWith(code)], folder));
    await expect(start()).rejects.toThrow(message);
    await expect(start()).rejects.toThrow(/^EMBEDQL_PROVIDERS: [^\n]+$/);
  });

  test('a package or file that is not there', async () => {
    await expect(loadProviders(['embedql-nowhere'], folder)).rejects.toThrow(
      /no such package in .*; install it/,
    );
    await expect(loadProviders(['./nowhere.mjs'], folder)).rejects.toThrow(/cannot be imported/);
  });
});

test('models of the file take the place of those that a provider brings', () => {
  const spark: Provider = {
    name: 'sparks',
    models: [{ name: 'spark', dimension: 2, colour: 'red' }],
    options: { colour: String } as NonNullable<Provider['options']>,
    aliases: (name) => [`${name}-latest`],
    open: () => {
      throw new Error('not now');
    },
  };
  const file = path.join(folder, 'models.json');
  const find = (modelsFile?: string) =>
    modelSpecs({ modelsFile }, [...builtin, spark]).filter(({ name }) => name === 'spark');
  expect(find()).toMatchObject([{ dimension: 2, options: { colour: 'red' }, aliases: ['spark-latest'] }]);
  writeFileSync(
    file,
    JSON.stringify({
      models: [{ name: 'spark', provider: 'sparks', dimension: 3, options: { colour: 'blue' } }],
    }),
  );
  expect(find(file)).toMatchObject([{ dimension: 3, options: { colour: 'blue' } }]);

  const context = { env: {}, modelsDir: '', log: silentLog, progress: silentProgress };
  const open = (provider: Provider) => openModel(find()[0]!, [provider], context);
  expect(() => open(spark)).toThrow(/sparks cannot open spark: Error: not now/);
  expect(() => open({ ...spark, open: (spec) => ({ spec }) as never })).toThrow(/has no method "status"/);
});
