import { once } from 'node:events';
import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true, maxFreeSockets: 2_000 });

/** Posts JSON and reads the whole answer as bytes, so that what is measured is the server and not a parser. */
export async function post(
  url: string,
  body: string | Buffer,
  more: Record<string, string> = {},
): Promise<Buffer> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...more };
  const sent = request(url, { agent, method: 'POST', headers });
  sent.end(body);
  const [response] = await once(sent, 'response');
  const chunks: Buffer[] = [];
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(response, 'end');
  return Buffer.concat(chunks);
}
