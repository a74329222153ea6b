import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';

// Stands in for the line of onnxruntime-node that loads its native binding.

const packed = '.br';

/**
 * ONNX Runtime's native binding for this platform. Its libraries lie compressed in the package (15 MB in place of 46);
 * the first process that needs them unpacks them.
 * @throws Error where the package has no binaries for this platform, or no folder can be written.
 */
export function loadBinding(): unknown {
  const platform = `${process.platform}-${process.arch}`;
  const source = fileURLToPath(new URL(`native/${platform}`, import.meta.url));
  if (!existsSync(source))
    throw new Error(
      `@embedql/local-runtime has no ONNX Runtime for ${platform}; local models need Linux (x64, arm64), macOS (arm64) or Windows (x64, arm64).`,
    );
  const { folder, temporary } = unpacked(source, platform);
  try {
    return createRequire(import.meta.url)(path.join(folder, 'onnxruntime_binding.node'));
  } finally {
    // Once loaded, the files are no longer needed, except on Windows, which does not let them go.
    if (temporary && process.platform !== 'win32')
      rmSync(path.dirname(folder), { recursive: true, force: true });
  }
}

/** Where the libraries are as the system can load them: beside the package, else in the user's cache, else in a new folder. */
function unpacked(source: string, platform: string): { folder: string; temporary: boolean } {
  const { version } = createRequire(import.meta.url)('../package.json') as { version: string };
  const folders = [
    fileURLToPath(new URL(`unpacked/${platform}`, import.meta.url)),
    path.join(homedir(), '.cache', 'embedql', 'runtime', `${version}-${platform}`),
  ];
  const there = folders.find((folder) => existsSync(folder));
  if (there) return { folder: there, temporary: false };
  for (const folder of folders) {
    try {
      unpack(source, folder);
      return { folder, temporary: false };
    } catch (error) {
      // Another process was faster, or this folder cannot be written: a package installed by root, a read-only image.
      if (existsSync(folder)) return { folder, temporary: false };
      if (
        !['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR'].includes(
          (error as NodeJS.ErrnoException).code ?? '',
        )
      )
        throw error;
    }
  }
  // Nobody else can have prepared this one.
  const folder = path.join(mkdtempSync(path.join(tmpdir(), 'embedql-runtime-')), platform);
  unpack(source, folder);
  return { folder, temporary: true };
}

/** Into a folder of its own, then one rename: several processes may do this at once, and the folder is there whole or not at all. */
function unpack(source: string, target: string): void {
  const parent = path.dirname(target);
  mkdirSync(parent, { recursive: true });
  const unfinished = mkdtempSync(`${target}-`);
  try {
    for (const name of readdirSync(source)) {
      const from = path.join(source, name);
      if (name.endsWith(packed))
        writeFileSync(
          path.join(unfinished, name.slice(0, -packed.length)),
          brotliDecompressSync(readFileSync(from)),
        );
      else copyFileSync(from, path.join(unfinished, name));
    }
    // As readable as the package itself: an image is built by root and run by somebody else.
    chmodSync(unfinished, statSync(source).mode);
    renameSync(unfinished, target);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
