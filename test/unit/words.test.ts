import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { filesBelow, root, sourceFile } from '../support/source-files.ts';

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
  const found = texts.flatMap(({ path: file, text }) =>
    text
      .split('\n')
      .flatMap((line, i) => [...line.matchAll(avoided)].map(([word]) => `${file}:${i + 1} says ${word}`)),
  );
  expect(found).toEqual([]);
  expect(texts.length).toBeGreaterThan(200);
});

test('every link of the documentation leads to a file or a heading', () => {
  const pages = texts.filter(({ path: name }) => name.endsWith('.md'));
  const headings = (text: string) =>
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
  const dead = pages.flatMap(({ path: page, text }) =>
    [...text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(
      ([link, file = '', heading]) => {
        const target = file === '' ? page : path.posix.join(path.posix.dirname(page), file);
        if (!existsSync(path.join(root, target))) return [`${page}: ${link}`];
        const lacks = heading !== undefined && !headings(sourceFile(target).text).includes(heading);
        return lacks ? [`${page}: ${link}`] : [];
      },
    ),
  );
  expect(dead).toEqual([]);
});
