// Puts defects into the core, one at a time, and lets the simulation look for each. Ends with 1 where it misses one.
//   npm run simulate:mutants [-- --seeds 5000] [--only H8]
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { type Mutation, mutations } from './mutations.ts';

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '5000' }, only: { type: 'string', default: '' } },
});

/** Milliseconds for one mutant; one that makes the core go round in circles is found, too. */
const patienceMs = 180_000;

const root = resolve(import.meta.dirname, '../..');
const say = (text: string) => void process.stdout.write(`${text}\n`);

/** The simulator with a core that has the defect, as one file. */
async function bundle({ file, text, replacement }: Mutation, outfile: string): Promise<void> {
  const mutated = join(root, 'src', file);
  await build({
    entryPoints: [join(root, 'test/simulation/run.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
    plugins: [
      {
        name: 'mutate',
        setup({ onLoad }) {
          onLoad({ filter: new RegExp(`${basename(file).replaceAll('.', '\\.')}$`) }, async ({ path }) => {
            if (path !== mutated) return undefined;
            const source = await readFile(path, 'utf8');
            if (source.split(text).length !== 2) throw new Error(`${file} does not have this once: ${text}`);
            return { contents: source.replace(text, () => replacement), loader: 'ts' };
          });
        },
      },
    ],
  });
}

interface Verdict {
  found: boolean;
  how: string;
}

function simulate(file: string, breaks: string): Promise<Verdict> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [file, '--seeds', values.seeds, '--no-shrink', '--breaks', breaks]);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (data: string) => {
        output += data;
      });
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    child.once('close', (code) => {
      clearTimeout(timer);
      if (code === 0) return resolve({ found: false, how: 'NOT FOUND' });
      const [, seed, why] = /^seed (\d+) (?:fails|breaks): (.*)$/m.exec(output) ?? [];
      if (seed !== undefined) return resolve({ found: true, how: `seed ${seed}: ${why}` });
      resolve({
        found: code === null,
        how: code === null ? 'never ends' : `does not run: ${output.slice(0, 300)}`,
      });
    });
  });
}

const folder = join(root, 'node_modules/.cache/embedql-mutants');
await mkdir(folder, { recursive: true });
let missed = 0;
const chosen = mutations.filter(({ what }) => what.startsWith(values.only));
for (const [i, mutation] of chosen.entries()) {
  const outfile = join(folder, `${process.pid}-${i}.mjs`);
  await bundle(mutation, outfile);
  const { found, how } = await simulate(outfile, mutation.breaks ?? '');
  if (!found) missed += 1;
  say(`${found ? 'found ' : 'MISSED'}  ${mutation.what.padEnd(84)}  ${how}`);
  await rm(outfile);
}
say(`${chosen.length - missed} of ${chosen.length} defects found within ${values.seeds} seeds`);
process.exitCode = missed > 0 ? 1 : 0;
