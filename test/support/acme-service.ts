import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface AcmeService {
  url: string;
  /** The texts of each call. */
  calls: string[][];
  /** How many of the next calls fail with 503. */
  failures: number;
  /** How many of the next calls are not answered. */
  silences: number;
  close(): void;
}

/** The made-up service that examples/provider/acme.mjs speaks to: three numbers for a text, one token a character. */
export async function startAcme(): Promise<AcmeService> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { texts } = JSON.parse(Buffer.concat(chunks).toString()) as { texts: string[] };
    service.calls.push(texts);
    if (service.silences > 0) return void service.silences--;
    if (service.failures > 0) {
      service.failures -= 1;
      return response.writeHead(503).end();
    }
    if (request.headers['x-key'] !== 'k') return response.writeHead(401).end();
    if (texts.includes('bad')) return response.writeHead(400).end();
    const vectors = texts.map((text) => [text.length, 1, text.codePointAt(0)! % 97]);
    return response.end(JSON.stringify({ vectors, tokens: texts.map((text) => [...text].length) }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const service: AcmeService = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    calls: [],
    failures: 0,
    silences: 0,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return service;
}
