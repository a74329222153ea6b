import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import acme from '../../../examples/provider/acme.mjs';
import { silentLog, silentProgress } from '../../../src/core/surroundings.ts';
import { readModelsFile } from '../../../src/models/file.ts';
import { openModel } from '../../../src/providers/open.ts';
import type { Provider } from '../../../src/providers/provider.ts';
import { providers as builtin } from '../../../src/providers/registry.ts';
import { sourceFile } from '../../support/source-files.ts';

const providers = [...builtin, acme as Provider];
const folder = mkdtempSync(path.join(tmpdir(), 'embedql-documentation-'));

/** Every block of JSON that is a models file. */
const blocks = ['docs/providers.md', 'docs/operations/models.md'].flatMap((page) =>
  [...sourceFile(page).text.matchAll(/^```json\n(.*?)^```$/gms)]
    .map(([, json]) => json!)
    .filter((json) => json.includes('"models"'))
    .map((json, i): [string, string] => [`${page}, ${i + 1}`, json]),
);

test.each(blocks)('%s is a models file that runs as it is', (_where, json) => {
  const file = path.join(folder, 'models.json');
  writeFileSync(file, json);
  const specs = readModelsFile(file, providers);
  expect(specs.length).toBeGreaterThan(0);
  const context = { env: {}, modelsDir: folder, log: silentLog, progress: silentProgress };
  for (const spec of specs) expect(openModel(spec, providers, context).status()).toHaveProperty('available');
});

test('there is an entry for every provider', () => {
  const named = blocks.flatMap(([, json]) =>
    (JSON.parse(json) as { models: Array<{ provider: string }> }).models.map(({ provider }) => provider),
  );
  expect(new Set(named)).toEqual(new Set(providers.map(({ name }) => name)));
});
