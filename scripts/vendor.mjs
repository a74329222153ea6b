// Bundles the one encoding that the server uses of gpt-tokenizer into dist/vendor: 1.2 MB in place of the 30 MB that the
// package takes with all its encodings, twice, and their sources. Does nothing where it is up to date.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { build } from 'esbuild';

const out = path.resolve(import.meta.dirname, '../dist/vendor');
const entry = createRequire(import.meta.url).resolve('gpt-tokenizer/encoding/cl100k_base');
const home = entry.slice(0, entry.indexOf('gpt-tokenizer') + 'gpt-tokenizer'.length);
const contents =
  "export { countTokens, setMergeCacheSize } from 'gpt-tokenizer/encoding/cl100k_base';" +
  "export { default as ranks } from 'gpt-tokenizer/bpeRanks/cl100k_base';";
const { version } = JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8'));
const stamp = `${version}\n${contents}`;
const stampFile = path.join(out, 'cl100k.version.txt');
if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) process.exit();

await build({
  stdin: {
    contents,
    resolveDir: import.meta.dirname,
  },
  outfile: path.join(out, 'cl100k.js'),
  bundle: true,
  minify: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
});
mkdirSync(out, { recursive: true });
copyFileSync(path.join(home, 'LICENSE'), path.join(out, 'cl100k.license.txt'));
// What the tokens stand for, under the name that it has in the package, and out of the same megabyte.
writeFileSync(path.join(out, 'cl100k-ranks.js'), "export { ranks as default } from './cl100k.js';\n");
writeFileSync(stampFile, stamp);
