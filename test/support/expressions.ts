import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseAst } from 'vitest/node';

/** A regular expression as it stands in a source. */
export interface Expression {
  /** `file:line` */
  at: string;
  /** Undefined where it is put together while the program runs. */
  pattern: string | undefined;
  flags: string;
  /** How it is written. */
  source: string;
}

interface Node {
  type: string;
  start: number;
  end: number;
  [member: string]: unknown;
}

/** Every regular expression in a program: literals, and what is given to `RegExp`. */
export function expressionsIn(source: string, file: string): Expression[] {
  const found: Expression[] = [];
  const add = (node: Node, pattern: string | undefined, flags: string) =>
    found.push({
      at: `${file}:${source.slice(0, node.start).split('\n').length}`,
      pattern,
      flags,
      source: source.slice(node.start, node.end),
    });
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const inside of value) visit(inside);
      return;
    }
    if (typeof value !== 'object' || value === null) return;
    const node = value as Node;
    const { regex } = node as { regex?: { pattern: string; flags: string } };
    if (node.type === 'Literal' && regex) add(node, regex.pattern, regex.flags);
    else if (isRegExpCall(node)) {
      const [pattern, flags] = (node['arguments'] as Node[]).map(textOf);
      add(node, pattern, flags ?? '');
    }
    for (const [member, inside] of Object.entries(node)) if (member !== 'regex') visit(inside);
  };
  visit(parseAst(source, { lang: file.endsWith('.ts') ? 'ts' : 'js' }));
  return found;
}

function isRegExpCall(node: Node): boolean {
  if (node.type !== 'NewExpression' && node.type !== 'CallExpression') return false;
  const { type, name } = node['callee'] as { type: string; name?: string };
  return type === 'Identifier' && name === 'RegExp';
}

function textOf(node: Node): string | undefined {
  if (node.type === 'Literal' && typeof node['value'] === 'string') return node['value'];
  return undefined;
}

/** The programs below a folder: TypeScript, JavaScript, and the scripts of pages. */
export function programsIn(folder: string): Array<{ file: string; source: string }> {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:[cm]?[jt]s|html)$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !/node_modules|[\\/]dist[\\/]|\.d\.ts$/.test(file))
    .flatMap((file) => {
      const source = readFileSync(file, 'utf8');
      if (!file.endsWith('.html')) return [{ file, source }];
      // Everything but the scripts becomes blanks, so that lines keep their numbers.
      let script = '';
      let at = 0;
      for (const { index, 1: open, 2: content } of source.matchAll(
        /(<script(?: type="module")?>)([\s\S]*?)<\/script>/g,
      )) {
        const from = index + open!.length;
        script += source.slice(at, from).replace(/[^\n]/g, ' ') + content;
        at = from + content!.length;
      }
      return [{ file, source: script }];
    });
}
