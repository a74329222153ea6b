import { filesBelow, type SourceFile, sourceFile } from './source-files.ts';

/** A block of code as it stands in a page. */
export interface CodeBlock {
  /** The page, from the root of the repository. */
  page: string;
  /** The line of the page that its first line is on. */
  line: number;
  language: string;
  code: string;
}

/** What users read: decisions are for those who change the server; the reference is made from code that is compiled. */
export const pages: readonly SourceFile[] = [
  sourceFile('README.md'),
  ...filesBelow('docs', /\.md$/).filter(({ path }) => !/^docs\/(?:decisions|reference)\//.test(path)),
  ...filesBelow('packages', /^packages\/[\w-]+\/README\.md$/),
];

/** The blocks of some languages in all pages. */
export function codeBlocks(...languages: string[]): CodeBlock[] {
  return pages.flatMap(({ path: page, text }) =>
    [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
      .map((match) => ({
        page,
        line: text.slice(0, match.index).split('\n').length + 1,
        language: match[1]!,
        code: match[2]!,
      }))
      .filter(({ language }) => languages.includes(language)),
  );
}
