import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DefaultTheme, defineConfig } from 'vitepress';

/** A copy of docs/, made by scripts/docs.mjs: Vue is looked for from where the pages are. */
const docs = fileURLToPath(new URL('../pages', import.meta.url));
const repository = 'https://github.com/embedql/embedql';

/** The list of pages, as it stands in docs/README.md: its headings and links are the menu. */
function sidebar(): DefaultTheme.SidebarItem[] {
  const groups = [...pageOf('README.md').matchAll(/^## (.*)\n\n((?:(?:- | {2}).*\n)+)/gm)];
  return groups.map(([, text, list]) => ({
    text: text!,
    collapsed: false,
    items: [...list!.matchAll(/\[([^\]]+)\]\(([^)#]+\.md)\)/g)].flatMap(([, name, link]) =>
      link === 'operations/README.md'
        ? operations()
        : [{ text: name!, link: `/${link!.replace(/\.md$/, '')}` }],
    ),
  }));
}

function operations(): DefaultTheme.SidebarItem[] {
  const rows = [...pageOf('operations/README.md').matchAll(/^\| \[([^\]]+)\]\((\S+)\.md\)/gm)];
  return [
    { text: 'Operations', link: '/operations/' },
    ...rows.map(([, text, link]) => ({ text: text!, link: `/operations/${link}` })),
  ];
}

function pageOf(name: string): string {
  return readFileSync(path.join(docs, name), 'utf8');
}

/** What lies outside of docs/ is in the repository. */
function linkTo(href: string, page: string): string {
  if (/^(?:[a-z]+:|#|\/)/.test(href)) return href;
  const [file = '', heading] = href.split('#');
  const target = path.posix.join('docs', path.posix.dirname(page), file);
  const isPage =
    target.startsWith('docs/') && !target.startsWith('docs/decisions/') && /\.(?:md|svg|png)$/.test(file);
  if (isPage) return href;
  return `${repository}/blob/main/${target}${heading === undefined ? '' : `#${heading}`}`;
}

export default defineConfig({
  title: 'EmbedQL',
  description: 'Text embeddings through GraphQL, in the fewest possible provider calls.',
  lang: 'en',
  srcDir: './pages',
  outDir: './dist',
  cacheDir: './node_modules/.cache',
  srcExclude: ['decisions/**'],
  rewrites: { 'README.md': 'index.md', 'operations/README.md': 'operations/index.md' },
  cleanUrls: true,
  // A dead link fails the build.
  ignoreDeadLinks: false,
  head: [['link', { rel: 'icon', href: '/icon.svg' }]],
  markdown: {
    config(md) {
      md.core.ruler.push('links-to-the-repository', ({ tokens, env }) => {
        const page = path
          .relative(docs, env.path ?? '')
          .split(path.sep)
          .join('/');
        for (const token of tokens)
          for (const child of token.children ?? []) {
            const href = child.type === 'link_open' ? child.attrGet('href') : null;
            if (href !== null) child.attrSet('href', linkTo(href, page));
          }
      });
    },
  },
  themeConfig: {
    logo: '/icon.svg',
    nav: [
      { text: 'Getting started', link: '/getting-started' },
      { text: 'Operations', link: '/operations/' },
      { text: 'Troubleshooting', link: '/troubleshooting' },
    ],
    sidebar: sidebar(),
    search: { provider: 'local' },
    outline: { level: [2, 3] },
    socialLinks: [{ icon: 'github', link: repository }],
    footer: { message: 'MIT licensed.' },
  },
});
