import { readFile, writeFile } from 'node:fs/promises';
import { describeSettings, type SettingDescription } from '../src/config/settings.ts';

// Writes the table of settings into the operators' manual; CI fails when what is there is not this.
const file = new URL('../docs/operations/settings.md', import.meta.url);
const begin = '<!-- settings: written by `npm run settings` from src/config/settings.ts -->\n';
const end = '<!-- end of settings -->\n';

const code = (text: string) =>
  text.includes('`') || text.includes(' ') || text.includes("'") ? text : `\`${text}\``;

function row({ name, default: fallback, expected, meaning }: SettingDescription): string {
  return `| \`${name}\` | ${fallback === undefined ? 'none' : code(fallback)} | ${expected} | ${meaning} |`;
}

const table = [
  '| variable | default | takes | meaning |',
  '|---|---|---|---|',
  ...describeSettings().map(row),
];
const page = await readFile(file, 'utf8');
const [from, to] = [page.indexOf(begin), page.indexOf(end)];
if (from === -1 || to < from)
  throw new Error(`${file.pathname} lacks the lines that the table stands between.`);
await writeFile(file, `${page.slice(0, from + begin.length)}\n${table.join('\n')}\n\n${page.slice(to)}`);
