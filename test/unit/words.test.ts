import { expect, test } from 'vitest';
import { filesBelow, sourceFile } from '../support/source-files.ts';

// Plain English, in code as in public texts: a server requires, a caller asks for, a function takes.
const avoided = /\b\w*want\w*/gi;

const texts = [
  ...filesBelow('src', /\.(?:ts|md)$/),
  ...filesBelow('packages', /\/(?:src\/.*\.ts|README\.md)$/),
  ...filesBelow('assets', /\.(?:js|html|css|graphql)$/),
  ...filesBelow('docs', /\.(?:md|ya?ml|json)$/),
  ...filesBelow('examples', /\.(?:ts|mjs|md)$/),
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'schema.graphql'].map(sourceFile),
];

test('nothing "wants" anything', () => {
  const found = texts.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, i) => [...line.matchAll(avoided)].map(([word]) => `${path}:${i + 1} says ${word}`)),
  );
  expect(found).toEqual([]);
  expect(texts.length).toBeGreaterThan(200);
});
