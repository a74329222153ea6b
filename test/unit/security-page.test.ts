import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { variables } from '../../src/config/settings.ts';

const page = readFileSync(new URL('../../SECURITY.md', import.meta.url), 'utf8');
const [, table] = /## What is bounded by what\n\n(\|[\s\S]*?)\n\n/.exec(page)!;
const rows = table!
  .split('\n')
  .slice(2)
  .map((row) => row.split('|').map((cell) => cell.trim()));

test('each limit of the page names settings and code that are there', () => {
  const names = new Set<string>(Object.values(variables).map(([name]) => name));
  expect(rows.length).toBeGreaterThan(20);
  for (const row of rows) {
    expect(row, String(row)).toHaveLength(8);
    for (const [name] of row[2]!.matchAll(/EMBEDQL_\w+/g)) expect(names, row[1]).toContain(name);
    const [, file] = /^`(.+)`$/.exec(row[6]!)!;
    expect(existsSync(new URL(`../../src/${file}`, import.meta.url)), file).toBe(true);
  }
});
