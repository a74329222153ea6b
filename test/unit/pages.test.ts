import path from 'node:path';
import { parse as parseCode } from '@babel/parser';
import { composeServices } from '@theguild/federation-composition';
import { buildSchema, isTypeSystemDefinitionNode, isTypeSystemExtensionNode, parse, validate } from 'graphql';
import { describe, expect, test } from 'vitest';
import { subgraphSdl } from '../../src/doors/graphql/schema/subgraph-sdl.ts';
import { codeBlocks, pages } from '../support/pages.ts';
import { filesBelow, sourceFile } from '../support/source-files.ts';

const schema = buildSchema(sourceFile('schema.graphql').text);
const named = (blocks: ReturnType<typeof codeBlocks>) =>
  blocks.map((block) => ({ ...block, name: `${block.page}:${block.line}` }));
const hasTypes = (code: string) =>
  parse(code).definitions.some((node) => isTypeSystemDefinitionNode(node) || isTypeSystemExtensionNode(node));

describe('the code of the pages', () => {
  test.each(named(codeBlocks('graphql')))('GraphQL: $name', ({ code }) => {
    if (!hasTypes(code)) expect(validate(schema, parse(code))).toEqual([]);
  });

  test.each(named(codeBlocks('json')))('JSON: $name', ({ code }) => {
    expect(() => JSON.parse(code)).not.toThrow();
  });

  test.each(named(codeBlocks('js', 'ts', 'tsx')))('JavaScript: $name', ({ code, language }) => {
    const plugins: Array<'typescript' | 'jsx'> = language === 'js' ? [] : ['typescript'];
    if (language === 'tsx') plugins.push('jsx');
    expect(() => parseCode(code, { sourceType: 'module', plugins })).not.toThrow();
  });

  test('there is some of each', () => {
    for (const language of ['graphql', 'json', 'js', 'ts', 'tsx', 'python', 'sh'])
      expect(codeBlocks(language).length, language).toBeGreaterThan(0);
  });
});

test('the subgraph of the recipe composes with ours', () => {
  const theirs = codeBlocks('graphql').find(
    ({ page, code }) => page.endsWith('federation.md') && hasTypes(code),
  );
  const keys = new Map([['EmbeddedText', ['text model', 'text']]]);
  const services = [
    { name: 'products', typeDefs: parse(theirs!.code), url: 'http://products' },
    { name: 'embedql', typeDefs: parse(subgraphSdl(schema, keys)), url: 'http://embedql' },
  ];
  const { supergraphSdl, errors = [] } = composeServices(services) as {
    supergraphSdl?: string;
    errors?: Error[];
  };
  expect(errors).toEqual([]);
  expect(supergraphSdl).toContain('type Product');
});

test('every page can be reached from the list of pages', () => {
  const reached = new Set<string>();
  const visit = (page: string) => {
    if (reached.has(page)) return;
    reached.add(page);
    for (const [, target] of sourceFile(page).text.matchAll(/\]\(([^)#\s]+\.md)(?:#[^)]*)?\)/g))
      if (!target!.startsWith('http')) visit(path.posix.join(path.posix.dirname(page), target!));
  };
  visit('docs/README.md');
  const all = filesBelow('docs', /\.md$/).map((file) => file.path);
  expect(all.filter((page) => !page.startsWith('docs/decisions/') && !reached.has(page))).toEqual([]);
  expect(pages.length).toBeGreaterThan(30);
});

test('what the page of troubles quotes is what the code says', () => {
  const { text } = sourceFile('docs/troubleshooting.md');
  const sources = [...filesBelow('src', /\.ts$/), ...filesBelow('packages', /\/src\/.*\.ts$/)];
  // Strings that go on in the next line, as one.
  const said = sources.map((file) => file.text.replace(/['`] \+\s+['`]/g, '')).join('\n');
  const ofOthers = [
    /^blocked by CORS policy$/,
    /^Failed to fetch$/,
    /^Cannot query field$/,
    /^Waiting in the queue$/,
  ];
  const quoted = [...text.matchAll(/"([A-Zn][^"]{8,})"/g)].map(([, quote]) => quote!.replaceAll('\n', ' '));
  expect(quoted.length).toBeGreaterThan(8);
  for (const quote of quoted.filter((one) => !ofOthers.some((other) => other.test(one)))) {
    const parts = quote.split(/ ?… ?|4000|127\.0\.0\.1|OPENAI_API_KEY/).filter((part) => part.length > 3);
    for (const part of parts) expect(said, quote).toContain(part);
  }
});
