// Makes dist/ from what is in node_modules: one bundle of transformers.js and onnxruntime-node's JavaScript, and ONNX
// Runtime's CPU binaries, compressed. Does nothing where dist/ is up to date.
//
//   node scripts/build.mjs           for this machine's platform: enough for work here and for a package used here
//   node scripts/build.mjs --all     for every platform: what is published
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
const dist = path.join(root, 'dist');
const require = createRequire(import.meta.url);
const folderOf = (name, from = require) => {
  // The nearest folder above the entry that is called as the package: exports may hide package.json.
  const entry = from.resolve(name);
  return entry.slice(
    0,
    entry.lastIndexOf(path.join('node_modules', name)) + path.join('node_modules', name).length,
  );
};
const transformers = folderOf('@huggingface/transformers');
const onnxruntime = folderOf('onnxruntime-node', createRequire(path.join(transformers, 'package.json')));
const versionOf = (folder) => JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')).version;

/** What the CPU needs. Left out: DirectML and Direct3D's compilers (loaded only for a GPU), a second copy of the dylib. */
const binaries = {
  'linux-x64': ['libonnxruntime.so.1'],
  'linux-arm64': ['libonnxruntime.so.1'],
  'darwin-arm64': ['libonnxruntime.1.dylib'],
  'win32-x64': ['onnxruntime.dll'],
  'win32-arm64': ['onnxruntime.dll'],
};
const here = `${process.platform}-${process.arch}`;
const partsFile = path.join(dist, 'parts.json');
const made = existsSync(partsFile) ? JSON.parse(readFileSync(partsFile, 'utf8')).platforms : [];
const all = process.argv.includes('--all');
const platforms = Object.keys(binaries).filter((name) => all || name === here || made.includes(name));

const sources = ['scripts/build.mjs', 'src/index.ts', 'src/binding.ts', 'src/absent.ts', 'package.json'];
const stamp = createHash('sha256')
  .update(JSON.stringify([versionOf(transformers), versionOf(onnxruntime), platforms]))
  .update(sources.map((file) => readFileSync(path.join(root, file))).join('\0'))
  .digest('hex');
const stampFile = path.join(dist, '.stamp');
if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) process.exit();

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
await Promise.all([bundle(), ...platforms.map(compress)]);
// A file of re-exports is its own declaration.
cpSync(path.join(root, 'src/index.ts'), path.join(dist, 'index.d.ts'));
licences();
writeFileSync(stampFile, stamp);

async function bundle() {
  await build({
    absWorkingDir: root,
    entryPoints: ['src/index.ts'],
    outfile: path.join(dist, 'index.js'),
    bundle: true,
    minify: true,
    keepNames: true,
    legalComments: 'none',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['onnxruntime-common'],
    alias: { sharp: path.join(root, 'src/absent.ts') },
    banner: {
      js: "import { createRequire as embedqlCreateRequire } from 'node:module'; const require = embedqlCreateRequire(import.meta.url);",
    },
    plugins: [{ name: 'native-binding', setup: redirectBinding }],
    logLevel: 'warning',
  });
}

/** Bundles onnxruntime-node, which transformers.js loads by a `require` of its own, and has it load our binding. */
function redirectBinding({ onLoad }) {
  const rewrite = (filter, from, to) =>
    onLoad({ filter }, async ({ path: file }) => {
      const contents = await readFile(file, 'utf8');
      if (!contents.includes(from))
        throw new Error(`${file} no longer contains ${from}; adapt scripts/build.mjs`);
      return { contents: contents.replace(from, to), loader: 'js' };
    });
  rewrite(/transformers\.node\.mjs$/, 'requireFromHere("onnxruntime-node")', 'require("onnxruntime-node")');
  rewrite(
    /onnxruntime-node[/\\]dist[/\\]binding\.js$/,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a line of their source
    'require(`../bin/napi-v6/${process.platform}/${process.arch}/onnxruntime_binding.node`)',
    `require(${JSON.stringify(path.join(root, 'src/binding.ts'))}).loadBinding()`,
  );
}

async function compress(platform) {
  const from = path.join(onnxruntime, 'bin/napi-v6', ...platform.split('-'));
  const to = path.join(dist, 'native', platform);
  mkdirSync(to, { recursive: true });
  cpSync(path.join(from, 'onnxruntime_binding.node'), path.join(to, 'onnxruntime_binding.node'));
  for (const name of binaries[platform]) {
    const library = await readFile(path.join(from, name));
    // Quality 5 takes two seconds; 9 takes twenty and saves 4 %.
    const params = { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_LGWIN]: 24 };
    await writeFile(path.join(to, `${name}.br`), await promisify(brotliCompress)(library, { params }));
  }
}

/** Versions and licences of all that is bundled. */
function licences() {
  const from = createRequire(path.join(transformers, 'package.json'));
  const parts = [
    '@huggingface/transformers',
    '@huggingface/jinja',
    '@huggingface/tokenizers',
    'onnxruntime-node',
  ];
  const versions = {};
  for (const name of parts) {
    const folder = name === '@huggingface/transformers' ? transformers : folderOf(name, from);
    versions[name] = versionOf(folder);
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const to = path.join(dist, 'licenses', `${name.replace('/', '-')}.txt`);
    mkdirSync(path.dirname(to), { recursive: true });
    if (file) cpSync(path.join(folder, file), to);
  }
  writeFileSync(partsFile, `${JSON.stringify({ versions, platforms }, null, 2)}\n`);
}
