// Tries other people's clients against the built server: `npm run test:clients [-- js] [-- python]`. They are
// installed into a cache folder, once for each list of versions. What is not there to install them is skipped loudly.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.join(here, '../..');
const cache = path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'embedql-ci');
/** What npm and pip print where nobody answers. */
const offline =
  /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|network|Failed to establish a new connection|Name or service not known|Temporary failure in name resolution/i;

const failed = [];
const suites = process.argv.slice(2);
run('npm', ['run', '--silent', 'build']) || process.exit(1);
if (suites.length === 0 || suites.includes('js')) tryJavaScript();
if (suites.length === 0 || suites.includes('python')) tryPython();
if (failed.length > 0) {
  process.stderr.write(`failed: ${failed.join(', ')}\n`);
  process.exit(1);
}

function tryJavaScript() {
  const folder = path.join(here, 'js');
  const lists = ['package.json', 'package-lock.json'].map((name) => path.join(folder, name));
  const install = (target) => {
    for (const list of lists) copyFileSync(list, path.join(target, path.basename(list)));
    return captured('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', target]);
  };
  const installed = installOnce('clients-js', [process.version.split('.')[0], ...lists.map(read)], install);
  if (!installed) return;
  const link = path.join(folder, 'node_modules');
  // A folder that somebody has installed there is theirs.
  if (!existsSync(link) || lstatSync(link).isSymbolicLink()) {
    rmSync(link, { force: true });
    symlinkSync(path.join(installed, 'node_modules'), link);
  }
  const bin = (name) => path.join(root, 'node_modules/.bin', name);
  run(bin('tsc'), ['--noEmit', '-p', folder]) || failed.push('types of the JavaScript clients');
  run(bin('vitest'), ['run', '--config', path.join(folder, 'vitest.config.ts')]) ||
    failed.push('JavaScript clients');
}

function tryPython() {
  const python = ['python3.11', 'python3.12', 'python3.13', 'python3'].find(isUsable);
  if (!python) return skip('Python clients', 'there is no Python from 3.11 on with venv');
  const version = captured(python, ['-c', 'import sys; print(sys.version)']).output;
  for (const generation of ['current', 'older']) {
    const folder = path.join(here, 'python', generation);
    const lists = ['requirements.txt', 'constraints.txt'].map((name) => path.join(folder, name));
    const install = (target) => {
      const made = captured(python, ['-m', 'venv', target]);
      const [requirements, constraints] = lists;
      const options = [
        'install',
        '--quiet',
        '--disable-pip-version-check',
        '-r',
        requirements,
        '-c',
        constraints,
      ];
      return made.ok ? captured(path.join(target, 'bin/pip'), options) : made;
    };
    const installed = installOnce(`clients-python-${generation}`, [version, ...lists.map(read)], install);
    if (!installed) continue;
    run(path.join(installed, 'bin/python'), ['-m', 'pytest', '-q', generation], path.join(here, 'python')) ||
      failed.push(`Python clients (${generation})`);
  }
}

/** The folder that `install` has filled, now or at an earlier time; undefined where nobody serves the packages. */
function installOnce(name, contents, install) {
  const digest = createHash('sha256').update(contents.join('\n')).digest('hex').slice(0, 12);
  const target = path.join(cache, `${name}-${digest}`);
  const done = path.join(target, '.installed');
  if (existsSync(done)) return target;
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const { ok, output } = install(target);
  if (ok) {
    writeFileSync(done, '');
    return target;
  }
  process.stderr.write(output);
  if (offline.test(output)) skip(name, 'no registry answers');
  else failed.push(`installing ${name}`);
  return undefined;
}

function isUsable(command) {
  return captured(command, ['-c', 'import sys, venv; sys.exit(sys.version_info < (3, 11))']).ok;
}

function read(file) {
  return readFileSync(file, 'utf8');
}

function skip(what, why) {
  process.stderr.write(`SKIPPED: ${what}: ${why}\n`);
}

function captured(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return { ok: status === 0, output: `${stdout ?? ''}${stderr ?? ''}` };
}

function run(command, args, cwd = root) {
  return spawnSync(command, args, { cwd, stdio: 'inherit' }).status === 0;
}
