import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { filesBelow, importsOf, type SourceFile, sourceFile } from '../support/source-files.ts';

// Who may import whom stands in this table, and nowhere else. To allow an arrow, change the table, with the reason.
const decision = 'docs/decisions/2026-11-rooms.md';

/** Rooms that a room may import, itself included; undefined for a room that may import every other. */
type Rules = ReadonlyMap<string, ReadonlySet<string> | undefined>;

interface Arrow {
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  /** The file that is imported, or the specifier of a package. */
  readonly target: string;
}

const names = (cell: string) => [...cell.matchAll(/`([^`]+?)\/?`/g)].map(([, name]) => name!);

function readRules(document: string): Rules {
  const [, table] = /^\| room \|.*\n\|[-|]+\|\n((?:\|.*\n)+)/m.exec(document) ?? [];
  const rules = new Map<string, ReadonlySet<string> | undefined>();
  for (const row of table?.trim().split('\n') ?? []) {
    const [, rooms = '', , allowed = ''] = row.split('|');
    for (const room of names(rooms))
      rules.set(room, allowed.includes('everything') ? undefined : new Set([room, ...names(allowed)]));
  }
  return rules;
}

const rules = readRules(sourceFile(decision).text);
const isCode = /\.(?:ts|mts|js|mjs)$/;

/** The most particular room of the table that a file below `src` belongs to. */
function roomOf(file: string): string {
  const inside = file.slice('src/'.length);
  const folder = path.posix.dirname(inside);
  const candidates = [inside, `${folder}/*.ts`, ...ancestors(folder)];
  return candidates.find((name) => rules.has(name)) ?? `src/${inside}, which is in no room of ${decision}`;
}

function ancestors(folder: string): string[] {
  return folder === '.' ? [] : [folder, ...ancestors(path.posix.dirname(folder))];
}

function arrowsOf(file: SourceFile): Arrow[] {
  return importsOf(file).map(({ specifier, line }) => ({
    file: file.path,
    line,
    specifier,
    target: specifier.startsWith('.')
      ? path.posix.join(path.posix.dirname(file.path), specifier)
      : specifier.replace(/^embedql(?:$|\/)(.*)/, (_, entry: string) => `src/${entry || 'index'}.ts`),
  }));
}

const ofServer = filesBelow('src', isCode).flatMap(arrowsOf);
const within = ofServer.filter(({ target }) => target.startsWith('src/'));

/** A way from a node back to itself, or undefined. */
function circle(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const done = new Set<string>();
  const search = (node: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(node)) return [...way.slice(way.indexOf(node)), node];
    if (done.has(node)) return undefined;
    for (const next of edges.get(node) ?? []) {
      const found = search(next, [...way, node]);
      if (found) return found;
    }
    done.add(node);
    return undefined;
  };
  for (const node of edges.keys()) {
    const found = search(node, []);
    if (found) return found;
  }
  return undefined;
}

function graph(arrows: readonly Arrow[], nameOf: (file: string) => string) {
  const edges = new Map<string, Set<string>>();
  for (const { file, target } of arrows) {
    const [from, to] = [nameOf(file), nameOf(target)];
    if (from !== to) edges.set(from, (edges.get(from) ?? new Set()).add(to));
  }
  return edges;
}

const isAround = (outer: string, inner: string) => inner.startsWith(`${outer}/`);

describe('rooms of src', () => {
  test('the table is read, and every room of it exists', () => {
    const rooms = new Set(filesBelow('src', isCode).map(({ path: file }) => roomOf(file)));
    expect([...rooms].sort()).toEqual([...rules.keys()].sort());
    const unknown = [...rules.values()]
      .flatMap((allowed) => [...(allowed ?? [])])
      .filter((n) => !rules.has(n));
    expect(unknown).toEqual([]);
  });

  test('a room imports only what the table allows', () => {
    const broken = within.flatMap(({ file, line, specifier, target }) => {
      const [from, to] = [roomOf(file), roomOf(target)];
      const allowed = rules.get(from);
      if (allowed === undefined || allowed.has(to)) return [];
      const others = [...allowed].filter((room) => room !== from).join(', ') || 'nothing of ours';
      return [`${file}:${line} imports '${specifier}' of ${to}; ${from} may import ${others} (${decision})`];
    });
    expect(broken).toEqual([]);
  });

  test('every import of a file of ours finds it', () => {
    const existing = new Set(filesBelow('src', isCode).map(({ path: file }) => file));
    const lost = within.filter(({ target }) => !existing.has(target));
    expect(lost).toEqual([]);
  });

  test('no two rooms, folders beside each other, or files import each other in a circle', () => {
    expect(circle(graph(within, roomOf))).toBeUndefined();
    const beside = within.filter(({ file, target }) => {
      const [from, to] = [path.posix.dirname(file), path.posix.dirname(target)];
      return !isAround(from, to) && !isAround(to, from);
    });
    expect(circle(graph(beside, path.posix.dirname))).toBeUndefined();
    expect(circle(graph(within, (file) => file))).toBeUndefined();
  });

  test('the core has no word of what stands around it, not even in a comment', () => {
    const words = /graphql|\bhttps?\b(?!:\/\/)|redis|\bpino\b|embedql_|(['"`])(?:memory|disk)\1/gi;
    const told = filesBelow('src/core', /\.(?:ts|md)$/).flatMap(({ path: file, text }) =>
      text
        .split('\n')
        .flatMap((line, i) =>
          [...line.matchAll(words)].map(
            ([word]) => `${file}:${i + 1} says ${word}; core knows nothing of it (${decision})`,
          ),
        ),
    );
    expect(told).toEqual([]);
  });
});

test('packages import nothing of the server, and nothing of each other', () => {
  const broken = filesBelow('packages', isCode)
    .filter(({ path: file }) => /^packages\/[^/]+\/(?:src\/|index\.)/.test(file))
    .flatMap(arrowsOf)
    .filter(({ file, specifier, target }) => {
      const [, home = ''] = /^(packages\/[^/]+)\//.exec(file) ?? [];
      return specifier.startsWith('.') ? !isAround(home, target) : /^(?:embedql|@embedql\/)/.test(specifier);
    })
    .map(
      ({ file, line, specifier }) =>
        `${file}:${line} imports '${specifier}'; a package stands alone (${decision})`,
    );
  expect(broken).toEqual([]);
});
