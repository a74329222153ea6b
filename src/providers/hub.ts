import { createHash, type Hash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ProgressTask } from '../core/surroundings.ts';

export interface HubOptions {
  /** Default: the public hub. */
  endpoint?: string | undefined;
  token?: string | undefined;
  /** True never asks it. */
  offline: boolean;
  /** Milliseconds for the first answer: a network that swallows packets must not hang the start. */
  connectMs: number;
  /** Milliseconds without a byte after which a download is given up. */
  stallMs: number;
}

/** Reads the variables that Hugging Face's own tools read. */
export function hubOptions(env: Readonly<Record<string, string | undefined>>): HubOptions {
  return {
    endpoint: env['HF_ENDPOINT'] || undefined,
    token: env['HF_TOKEN'] || undefined,
    offline: ['1', 'true', 'yes', 'on'].includes((env['HF_HUB_OFFLINE'] ?? '').toLowerCase()),
    connectMs: 5_000,
    stallMs: 30_000,
  };
}

/** A file of a repository. */
export interface HubFile {
  rfilename: string;
  size: number;
  blobId: string;
  lfs?: { sha256: string } | null | undefined;
}

/** The hub's answer to `/api/models/<id>/revision/main?blobs=true`, as far as it matters here. zod is loaded for it alone. */
async function readRepository(answer: unknown): Promise<{ sha: string; siblings: HubFile[] }> {
  const { z } = await import('zod');
  const schema = z.object({
    sha: z.string().regex(/^[0-9a-f]{40}$/),
    siblings: z.array(
      z.object({
        rfilename: z.string(),
        size: z.number(),
        blobId: z.string(),
        lfs: z.object({ sha256: z.string() }).nullish(),
      }),
    ),
  });
  return schema.parse(answer);
}

/**
 * Fetches files of a repository of the Hugging Face hub into a folder, all at one commit, each checked against the hash that
 * the hub states.
 * @param id `owner/name`. @param choose which of its files. @throws Error in a few words
 */
export async function fetchFromHub(
  id: string,
  choose: (files: readonly HubFile[]) => readonly HubFile[],
  into: string,
  progress: (totalBytes: number) => ProgressTask,
  options: HubOptions,
): Promise<void> {
  const endpoint = (options.endpoint ?? 'https://huggingface.co').replace(/\/$/, '');
  const headers: Record<string, string> = options.token ? { authorization: `Bearer ${options.token}` } : {};
  const answer = await fetch(`${endpoint}/api/models/${id}/revision/main?blobs=true`, {
    headers,
    signal: AbortSignal.timeout(options.connectMs),
  }).catch((error: unknown) => {
    throw new Error('it cannot be reached from here', { cause: error });
  });
  if (!answer.ok) throw new Error(`it answered HTTP ${answer.status} for ${id}`);
  const repository = await readRepository(await answer.json());
  const files = choose(repository.siblings);
  const task = progress(files.reduce((sum, file) => sum + file.size, 0));
  let done = 0;
  const onBytes = (bytes: number) => {
    done += bytes;
    task.update(done);
  };
  let complete = false;
  try {
    for (const file of files) {
      const url = `${endpoint}/${id}/resolve/${repository.sha}/${file.rfilename}`;
      await download(url, file, into, headers, options, onBytes);
    }
    complete = true;
  } finally {
    task.end(complete);
  }
}

async function download(
  url: string,
  file: HubFile,
  into: string,
  headers: Record<string, string>,
  options: HubOptions,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(new Error('the download stalled')), options.stallMs);
  try {
    const answer = await fetch(url, { headers, signal: stalled.signal });
    if (!answer.ok || !answer.body)
      throw new Error(`it answered HTTP ${answer.status} for ${file.rfilename}`);
    const target = path.join(into, file.rfilename);
    await mkdir(path.dirname(target), { recursive: true });
    const hash = startHash(file);
    const check = async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        timer.refresh();
        hash.update(chunk);
        onBytes(chunk.byteLength);
        yield chunk;
      }
    };
    await pipeline(answer.body, check, createWriteStream(target));
    if (hash.digest('hex') !== (file.lfs?.sha256 ?? file.blobId)) {
      throw new Error(`${file.rfilename} arrived damaged (its hash differs from the one stated)`);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Large files state a SHA-256; the others their git blob id. */
function startHash(file: HubFile): Hash {
  if (file.lfs) return createHash('sha256');
  return createHash('sha1').update(`blob ${file.size}\0`);
}
