import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from '@babel/parser';

// Writes docs/reference/ from the doc comments of what the packages export; CI fails when what is there is not this.
// It reads the declarations that `npm run build` makes.

const root = fileURLToPath(new URL('..', import.meta.url));

const entries = [
  {
    page: 'client',
    title: '@embedql/client',
    intro:
      'The client, also as `embedql/client`. How it is used: [its README](../../packages/client/README.md).',
    file: 'packages/client/dist/index.d.ts',
  },
  {
    page: 'library',
    title: 'embedql',
    intro: 'The embedder without a server. How it is used: [As a library](../library.md).',
    file: 'dist/index.d.ts',
  },
  {
    page: 'server',
    title: 'embedql/server',
    intro:
      'The server inside a program. How it is used: [As a library](../library.md#embedqlserver-the-server-in-your-process).',
    file: 'dist/server.d.ts',
  },
  {
    page: 'testing',
    title: 'embedql/testing',
    intro:
      'The contracts of providers and caches. How they are used: [Adding a provider](../providers.md#adding-a-provider).',
    file: 'dist/testing.d.ts',
  },
];

interface Export {
  name: string;
  /** Everything between the comment's marks, without the stars. */
  comment: string;
  code: string;
}

for (const { page, title, intro, file } of entries) {
  const found = [...(await exportsOf(path.join(root, file))).values()];
  // Functions and classes first: what one begins with.
  const isType = ({ code }: Export) => /^(?:declare )?(?:interface|type) /.test(code);
  const sorted = [...found.filter((one) => !isType(one)), ...found.filter(isType)];
  const text = [
    `# ${title}`,
    '<!-- written by `npm run reference` from the comments in the source -->',
    intro,
    ...sorted.map(section),
  ].join('\n\n');
  await mkdir(path.join(root, 'docs/reference'), { recursive: true });
  await writeFile(path.join(root, `docs/reference/${page}.md`), `${text}\n`);
}

/** What a file of declarations exports, its own and what it passes on, by name and in its order. */
async function exportsOf(file: string): Promise<Map<string, Export>> {
  const source = await readFile(file, 'utf8');
  const { program } = parse(source, { sourceType: 'module', plugins: [['typescript', { dts: true }]] });
  const found = new Map<string, Export>();
  const own = new Map<string, Export>();
  for (const node of program.body) {
    const isExport = node.type === 'ExportNamedDeclaration';
    const declaration = isExport ? node.declaration : node;
    const comment = node.leadingComments?.findLast(({ type }) => type === 'CommentBlock');
    for (const name of declaration ? namesOf(declaration) : []) {
      const code = source.slice(declaration!.start!, declaration!.end!);
      const one = { name, comment: comment?.value.startsWith('*') ? unstarred(comment.value) : '', code };
      own.set(name, one);
      if (isExport) found.set(name, one);
    }
    if (!isExport) continue;
    const passedOn = node.source && (await exportsOf(declarationsOf(file, node.source.value)));
    for (const specifier of node.specifiers) {
      if (specifier.type !== 'ExportSpecifier' || specifier.exported.type !== 'Identifier') continue;
      const { name } = specifier.exported;
      const one = (passedOn ?? own).get(specifier.local.name);
      if (one) found.set(name, { ...one, name });
    }
  }
  return found;
}

function namesOf(declaration: object): string[] {
  const { id, declarations } = declaration as {
    id?: { name?: string } | null;
    declarations?: Array<{ id: { name?: string } }>;
  };
  const ids = declarations ? declarations.map((one) => one.id) : [id];
  return ids.flatMap((one) => (one?.name === undefined ? [] : [one.name]));
}

function declarationsOf(from: string, specifier: string): string {
  return path.join(path.dirname(from), specifier.replace(/\.[tj]s$/, '.d.ts'));
}

function unstarred(comment: string): string {
  return comment
    .slice(1)
    .replace(/^[ \t]*\* ?/gm, '')
    .trim();
}

function section({ name, comment, code }: Export): string {
  const [text = '', ...tags] = comment.split(/^(?=@\w)/m);
  const parts = [`## ${name}`, prose(text)];
  const shown = code.replace(/^declare /, '').replace(/^ {4}/gm, '  ');
  parts.push(`\`\`\`ts\n${shown}\n\`\`\``);
  for (const tag of tags) {
    const [, kind, rest = ''] = /^@(\w+)\s*(.*)$/s.exec(tag.trim()) ?? [];
    if (kind === 'example') parts.push(example(rest));
    else if (kind === 'throws') parts.push(`Throws ${prose(rest.replace(/^\{(\w+)\}/, '`$1`'))}`);
    else if (kind === 'returns') parts.push(`Gives ${prose(rest)}`);
    else if (kind === 'param') parts.push(prose(rest.replace(/^(\S+)/, '`$1`:')));
    else if (kind === 'default') parts.push(`Default: ${prose(rest)}`);
  }
  return parts.filter((part) => part !== '').join('\n\n');
}

/** A comment's lines, in which a tag may stand in the middle. */
function prose(text: string): string {
  return text
    .trim()
    .replace(/\{@link (\w+)\}/g, '`$1`')
    .replace(/ ?@(throws|returns|default)\b ?/g, (_all, tag: string) => ` ${words[tag]} `)
    .trim();
}

const words: Record<string, string> = { throws: 'Throws', returns: 'Gives', default: 'Default:' };

function example(text: string): string {
  const fence = text.indexOf('```');
  if (fence === -1) return `\`\`\`ts\n${text.trim()}\n\`\`\``;
  const caption = text.slice(0, fence).trim();
  return `${caption === '' ? '' : `${caption}:\n\n`}${text.slice(fence).trim()}`;
}
