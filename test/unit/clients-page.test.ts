import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
const page = read('docs/clients.md');
/** What the suites need besides the clients: for the tests themselves, and for the recipes. */
const helpers = new Set([
  ...['@langchain/core', 'graphql', 'llama-index-core', 'pytest', 'rxjs', 'wonka', 'ws'],
  ...['@electric-sql/pglite', '@electric-sql/pglite-pgvector', '@electric-sql/pglite-socket', 'pg'],
  ...['@qdrant/js-client-rest', '@types/react', 'react'],
]);

test('docs/clients.md names the versions that the suites install', () => {
  const { dependencies } = JSON.parse(read('test/clients/js/package.json')) as {
    dependencies: Record<string, string>;
  };
  const pinned = Object.entries(dependencies).map(([name, version]) => {
    const [, other, aliased] = /^npm:(.+)@(.+)$/.exec(version) ?? [];
    return [other ?? name, aliased ?? version] as const;
  });
  for (const generation of ['current', 'older'])
    for (const [, name, version] of read(`test/clients/python/${generation}/requirements.txt`).matchAll(
      /^([\w-]+)(?:\[.*\])?==(.+)$/gm,
    ))
      pinned.push([name!, version!]);
  expect(pinned.length).toBeGreaterThan(20);
  const rows = page.split('\n').filter((line) => line.startsWith('|'));
  for (const [name, version] of pinned.filter(([one]) => !helpers.has(one))) {
    const row = rows.find((line) => line.includes(`\`${name}\` `) && line.includes(` ${version}`));
    expect(row, `${name} ${version}`).toBeDefined();
  }
});
