import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from '@babel/parser';

/** The repository's folder. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

export interface SourceFile {
  /** From the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** Files below a folder of the repository, by their endings; what is installed or built is left out. */
export function filesBelow(folder: string, endings: RegExp): SourceFile[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => path.posix.join(folder, name.split(path.sep).join('/')))
    .filter((name) => endings.test(name) && !/(^|\/)(node_modules|dist)\//.test(name))
    .sort()
    .map(sourceFile);
}

export function sourceFile(name: string): SourceFile {
  return { path: name, text: readFileSync(path.join(root, name), 'utf8') };
}

/** Everything that a file imports: values and types, static and dynamic, and what it exports again. */
export function importsOf({ path: name, text }: SourceFile): Import[] {
  const tree = parse(text, {
    sourceType: 'module',
    sourceFilename: name,
    createImportExpressions: true,
    plugins: name.endsWith('.ts') ? [['typescript', { dts: name.endsWith('.d.ts') }]] : [],
  });
  const found: Import[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    if (!isNode(value)) return;
    const specifier = specifierOf(value);
    if (specifier !== undefined) found.push({ specifier, line: value.loc.start.line });
    for (const [key, child] of Object.entries(value)) if (key !== 'loc') visit(child);
  };
  visit(tree.program);
  return found;
}

interface Node {
  readonly type: string;
  readonly loc: { readonly start: { readonly line: number } };
  readonly source?: unknown;
  readonly argument?: unknown;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'loc' in value;
}

/** What a node imports from; undefined where it imports nothing, or what only the run time knows. */
function specifierOf(node: Node): string | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportAllDeclaration':
    case 'ExportNamedDeclaration':
    case 'ImportExpression':
      return textOf(node.source);
    case 'TSImportType':
      return textOf(node.source ?? node.argument);
    default:
      return undefined;
  }
}

function textOf(source: unknown): string | undefined {
  return isNode(source) && source.type === 'StringLiteral' && 'value' in source
    ? String(source.value)
    : undefined;
}
