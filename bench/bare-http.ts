// node:http with nothing around it: reads a request and writes bytes that it has in memory. The first POST to /set sets them.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

let answer = Buffer.alloc(0);
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (request.url === '/set') answer = Buffer.concat(chunks);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length });
    response.end(answer);
  });
});
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`),
);
