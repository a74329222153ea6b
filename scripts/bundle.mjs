// Bundles the command with the packages that it loads at every start into dist/bundle: reading one file in place of a thousand
// halves the time until it listens. Programs that import the library get dist/ and their own packages. The licences of what
// is inside lie beside it. Does nothing where it is up to date.
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
const dist = path.join(root, 'dist');
const out = path.join(dist, 'bundle');

/** A file finds what lies beside it by its own address: in the bundle by the address that it had. */
const ownAddress = {
  name: 'own-address',
  setup(build) {
    build.onLoad({ filter: /\.js$/ }, ({ path: file }) => {
      if (!file.startsWith(dist + path.sep)) return undefined;
      const relative = path.relative(out, file).split(path.sep).join('/');
      const address = `new URL(${JSON.stringify(relative)}, import.meta.url).href`;
      return { contents: readFileSync(file, 'utf8').replaceAll('import.meta.url', address), loader: 'js' };
    });
  },
};

/** Changes where one of the files does. */
const stampOf = (files) =>
  files.map((file) => {
    const { mtimeMs, size } = statSync(path.join(root, file), { throwIfNoEntry: false }) ?? {};
    return [file, mtimeMs, size];
  });
const stampFile = path.join(dist, '.bundle-inputs');
if (existsSync(stampFile)) {
  const stamp = readFileSync(stampFile, 'utf8');
  if (JSON.stringify(stampOf(JSON.parse(stamp).map(([file]) => file))) === stamp) process.exit();
}

rmSync(out, { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: [path.join(dist, 'cli/cli.js')],
  outdir: out,
  absWorkingDir: root,
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  metafile: true,
  logLevel: 'warning',
  legalComments: 'none',
  mainFields: ['module', 'main'],
  plugins: [ownAddress],
  // Packages in CommonJS require what Node has built in.
  banner: {
    js: "import { createRequire as createRequireHere } from 'node:module'; const require = createRequireHere(import.meta.url);",
  },
  external: [
    // What runs in threads of its own, has native parts, or is a package of the user's.
    '#*',
    'piscina',
    'ioredis',
    'bullmq',
    '@embedql/local-runtime',
    '@embedql/all-minilm-l6-v2',
    '@huggingface/*',
    '@graphql-yoga/render-graphiql',
    '@ai-sdk/*',
    'voyage-ai-provider',
    '@opentelemetry/core',
    '@opentelemetry/exporter-trace-otlp-http',
    '@opentelemetry/resources',
    '@opentelemetry/sdk-trace-node',
  ],
});

const folders = new Set();
for (const file of Object.keys(metafile.inputs)) {
  const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
  if (folder) folders.add(folder);
}
const nameOf = (author) => (typeof author === 'string' ? author : (author?.name ?? 'its authors'));
const mit = readFileSync(path.join(root, 'packages/look-ahead/LICENSE'), 'utf8').trim();
/** Of a package without a file of its own: MIT's text is the same for all. */
function commonText(name, license, author) {
  if (license !== 'MIT')
    throw new Error(`${name} (${license}) has no file with its licence: leave it out of the bundle`);
  return `Copyright (c) ${nameOf(author)}\n\n${mit.slice(mit.indexOf('Permission is hereby granted'))}`;
}
const notices = [...folders].sort().map((folder) => {
  const { name, version, license, author } = JSON.parse(
    readFileSync(path.join(root, folder, 'package.json'), 'utf8'),
  );
  const file = readdirSync(path.join(root, folder)).find((name) => /^licen[cs]e/i.test(name));
  const text = file
    ? readFileSync(path.join(root, folder, file), 'utf8').trim()
    : commonText(name, license, author);
  return `${name} ${version} (${license})\n\n${text}`;
});
writeFileSync(path.join(out, 'licenses.txt'), `${notices.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`);
const files = [...Object.keys(metafile.inputs), ...Object.keys(metafile.outputs)];
// What npm has installed, and where.
files.push('scripts/bundle.mjs', 'node_modules/.package-lock.json');
writeFileSync(stampFile, JSON.stringify(stampOf(files)));
