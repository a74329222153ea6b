// Writes docs/licenses.md from the lock file: what users of this package install, by licence. Fails for a licence
// that nobody has looked at yet.
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

/** Licences that have been looked at, with what to know of those that ask for more than being named. */
const known: Record<string, string> = {
  MIT: '',
  ISC: '',
  '0BSD': '',
  'Apache-2.0': '',
  'BSD-2-Clause': '',
  'BSD-3-Clause': '',
  'BlueOak-1.0.0': '',
  '(MIT OR CC0-1.0)': '',
  'MIT AND Apache-2.0': "transformers.js and ONNX Runtime's CPU binaries, with their licences beside them.",
  'LGPL-3.0-or-later':
    'A shared library of sharp, which transformers.js brings along for images; loaded, never linked in.',
  'Apache-2.0 AND LGPL-3.0-or-later': 'As above, for other platforms.',
  'Apache-2.0 AND LGPL-3.0-or-later AND MIT': 'As above, for other platforms.',
  'Elastic-2.0':
    "Comes with @apollo/subgraph, which Pothos' federation plugin needs. It may be used and passed on; it may not itself be sold as a managed service.",
};

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  packages: Record<string, Locked>;
};
const byLicense = new Map<string, Set<string>>();
const withScripts = new Set<string>();
for (const [path, locked] of Object.entries(packages)) {
  const { version, license = 'none', link, dev, devOptional, hasInstallScript } = locked;
  if (path === '' || link || dev || devOptional) continue;
  const name = locked.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  if (hasInstallScript) withScripts.add(name);
  const names = byLicense.get(license) ?? new Set();
  byLicense.set(license, names.add(`${name} ${version}`));
}
const unknown = [...byLicense.keys()].filter((license) => !(license in known));
if (unknown.length > 0) {
  const found = unknown.map((license) => `${license}: ${[...byLicense.get(license)!].join(', ')}`);
  throw new Error(`look at these licences and add them, or take other packages:\n${found.join('\n')}`);
}
const sections = [...byLicense]
  .sort(([a], [b]) => a.localeCompare(b))
  .map(([license, names]) => {
    const note = known[license] ? `${known[license]}\n\n` : '';
    return `## ${license}\n\n${note}${[...names].sort().join(', ')}\n`;
  });
writeFileSync(
  'docs/licenses.md',
  `# Licences\n\nWhat \`npm install embedql\` brings along, on any platform; made by \`npm run licenses\` from the lock file.\n\n` +
    `Packages with an install script, none of which is run (\`ignore-scripts=true\` in \`.npmrc\`): ${[...withScripts].sort().join(', ')}.\n\n` +
    sections.join('\n'),
);
