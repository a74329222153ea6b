// Writes docs/licenses.md from the lock file: what users of this package install, by licence. Fails for a licence
// that is not in the list below: one that forbids a use, such as Elastic-2.0, does not come in.
import { readFileSync, writeFileSync } from 'node:fs';

interface Locked {
  /** Only where it differs from the path: our own packages. */
  name?: string;
  /** A link to one of our own packages, which has an entry of its own. */
  link?: boolean;
  version?: string;
  license?: string;
  dev?: boolean;
  devOptional?: boolean;
  hasInstallScript?: boolean;
}

/** Packages of which we ship a part ourselves, bundled: for development as far as npm knows. */
const bundled = new Set([
  '@huggingface/jinja',
  '@huggingface/tokenizers',
  '@huggingface/transformers',
  'gpt-tokenizer',
  'onnxruntime-node',
]);

/** Licences that a package may have, with what to know of it: free ones, which ask for nothing but being named. */
const allowed: Record<string, string> = {
  MIT: '',
  ISC: '',
  '0BSD': '',
  'Apache-2.0': '',
  'BSD-2-Clause': '',
  'BSD-3-Clause': '',
  'BlueOak-1.0.0': '',
  '(MIT OR CC0-1.0)': '',
  'MIT AND Apache-2.0': "transformers.js and ONNX Runtime's CPU binaries, with their licences beside them.",
};

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  packages: Record<string, Locked>;
};
const byLicense = new Map<string, Set<string>>();
const withScripts = new Set<string>();
for (const [path, locked] of Object.entries(packages)) {
  const { version, license = 'none', link, dev, devOptional, hasInstallScript } = locked;
  const name = locked.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  if (path === '' || link || ((dev || devOptional) && !bundled.has(name))) continue;
  if (hasInstallScript && !bundled.has(name)) withScripts.add(name);
  const names = byLicense.get(license) ?? new Set();
  byLicense.set(license, names.add(`${name} ${version}`));
}
if (withScripts.size > 0) {
  throw new Error(
    `these bring an install script, which may ask another host: ${[...withScripts].join(', ')}; bundle them or take others`,
  );
}
const unknown = [...byLicense.keys()].filter((license) => !(license in allowed));
if (unknown.length > 0) {
  const found = unknown.map((license) => `${license}: ${[...byLicense.get(license)!].join(', ')}`);
  throw new Error(
    `these licences are not in the list; take other packages, or add a licence that is free:\n${found.join('\n')}`,
  );
}
const sections = [...byLicense]
  .sort(([a], [b]) => a.localeCompare(b))
  .map(([license, names]) => {
    const note = allowed[license] ? `${allowed[license]}\n\n` : '';
    return `## ${license}\n\n${note}${[...names].sort().join(', ')}\n`;
  });
writeFileSync(
  'docs/licenses.md',
  `# Licences\n\nWhat \`npm install embedql\` brings along, on any platform; made by \`npm run licenses\` from the lock file. Of ${[...bundled].join(', ')} a part is bundled into our own packages, with their licences.\n\n` +
    'None of them has an install script.\n\n' +
    sections.join('\n'),
);
