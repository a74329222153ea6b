// A provider in a process of its own, so that what it costs is not taken for what the server costs. Every text
// gets the same vector, encoded once. GET /calls tells how many calls there were since the last GET.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const delayMs = Number(process.argv[2] ?? 20);
const encode = (dimension: number) =>
  Buffer.from(new Float32Array(dimension).fill(1 / Math.sqrt(dimension)).buffer).toString('base64');
/** By model; any other has 1,536 numbers. */
const embeddings: Record<string, string> = { tiny: encode(8) };
const large = encode(1_536);
let calls = 0;

const server = createServer((request, response) => {
  if (request.url === '/calls') {
    response.end(String(calls));
    calls = 0;
    return;
  }
  // Some clients look around before they ask.
  if (request.method !== 'POST') {
    response.writeHead(404).end();
    return;
  }
  calls += 1;
  const arrived = performance.now();
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { input, model } = JSON.parse(Buffer.concat(chunks).toString()) as {
      input: string | string[];
      model: string;
    };
    const embedding = embeddings[model] ?? large;
    const count = Array.isArray(input) ? input.length : 1;
    const data = Array.from({ length: count }, (_, index) => `{"index":${index},"embedding":"${embedding}"}`);
    const body = `{"data":[${data.join(',')}],"usage":{"prompt_tokens":${count * 4},"total_tokens":${count * 4}}}`;
    setTimeout(
      () => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
        response.end(body);
      },
      Math.max(0, delayMs - (performance.now() - arrived)),
    );
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
