import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

export interface HubServer {
  url: string;
  requests: string[];
  /** What a file arrives as, instead of itself. */
  damage: ((file: string) => Buffer | undefined) | undefined;
  close(): Promise<void>;
}

const sha = 'a'.repeat(40);

/** A hub that offers one folder as the repository `id`, with the hashes that the real one states. */
export async function startHub(id: string, folder: string): Promise<HubServer> {
  const server = createServer(async (request, response) => {
    hub.requests.push(request.url!);
    if (request.url === `/api/models/${id}/revision/main?blobs=true`) {
      response.setHeader('content-type', 'application/json');
      return response.end(JSON.stringify({ sha, siblings: await describe(folder) }));
    }
    const prefix = `/${id}/resolve/${sha}/`;
    if (!request.url!.startsWith(prefix)) return response.writeHead(404).end();
    const file = request.url!.slice(prefix.length);
    const damaged = hub.damage?.(file);
    if (damaged) return response.end(damaged);
    return createReadStream(path.join(folder, file)).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const hub: HubServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    damage: undefined,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return hub;
}

async function describe(folder: string) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  return Promise.all(
    files.map(async (file) => {
      const { size } = await stat(file);
      const content = await readFile(file);
      const blobId = createHash('sha1').update(`blob ${size}\0`).update(content).digest('hex');
      const lfs = size > 1_000_000 ? { sha256: createHash('sha256').update(content).digest('hex') } : null;
      return { rfilename: path.relative(folder, file), size, blobId, lfs };
    }),
  );
}
