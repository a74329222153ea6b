// Hostile requests, one after another, against a server in a process of its own: how each is answered, how long the event
// loop is held in one piece, and how much memory the process takes at its peak. Of each input the block is the least of three
// rounds, for the machine may be busy; memory and answer are the worst. Ends with 1 where a request gets no answer, or an
// error of ours, or holds the event loop for more than 100 ms beside JSON.parse.
//   npm run bench:hostile [-- rounds] [-- --only words] [-- -v]
import { type HostileRequest, hostileRequests, sendHostile } from '../test/support/hostile.ts';
import { serveEmbedQL } from '../test/support/processes.ts';
import { startProvider } from '../test/support/provider-server.ts';
import { metered, meterOf } from './blocks.ts';
import { machine, print, table } from './report.ts';

/** What SECURITY.md promises. */
const longestBlockMs = 100;

const rounds = Number(process.argv.find((argument) => /^\d+$/.test(argument)) ?? 3);
const onlyAt = process.argv.indexOf('--only');
const only = onlyAt === -1 ? '' : (process.argv[onlyAt + 1] ?? '');

const provider = await startProvider();
const server = await serveEmbedQL({
  ...provider.env,
  NODE_OPTIONS: metered,
  EMBEDQL_MEMORY_CACHE_MB: '16',
});
const measured = meterOf(server);

interface Told {
  text: string;
  isFailure: boolean;
}

async function send(request: HostileRequest): Promise<Told> {
  try {
    const { status, text } = await sendHostile(server.url, request);
    const [, code] = /"code":"(\w+)"/.exec(text.slice(0, 2_000)) ?? [];
    return {
      text: `${status} ${code ?? `${(text.length / 1e6).toFixed(2)} MB`}`,
      isFailure: (status >= 500 && status < 600) || code === 'INTERNAL_SERVER_ERROR',
    };
  } catch (error) {
    return { text: `none: ${error instanceof Error ? error.message : error}`, isFailure: true };
  }
}

// What is loaded at first use is no block of the inputs.
await fetch(`${server.url}/graphql`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ query: 'mutation { embed(text: "warm") { tokens } }' }),
});
await measured();

const rows: string[][] = [];
const wrong: string[] = [];
for (const request of hostileRequests()) {
  const { name, body } = request;
  if (!name.includes(only)) continue;
  let blockMs = Number.POSITIVE_INFINITY;
  let wallMs = Number.POSITIVE_INFINITY;
  let parseMs = Number.POSITIVE_INFINITY;
  let cpuMs = Number.POSITIVE_INFINITY;
  let peakMb = 0;
  let told: Told = { text: '', isFailure: false };
  for (let round = 0; round < rounds; round++) {
    // Of a text that was asked for before, vectors and places of pieces are known.
    const answer = await send({ ...request, body: body.replace('"t":"', `"t":"${round} `) });
    if (round === 0 || answer.isFailure) told = answer;
    const now = await measured();
    blockMs = Math.min(blockMs, now.blockMs);
    wallMs = Math.min(wallMs, now.wallMs);
    parseMs = Math.min(parseMs, now.parseMs);
    cpuMs = Math.min(cpuMs, now.cpuMs);
    peakMb = Math.max(peakMb, now.peakMb);
  }
  if (told.isFailure) wrong.push(`${name}: ${told.text}`);
  if (blockMs > longestBlockMs) wrong.push(`${name}: a block of ${blockMs.toFixed(0)} ms`);
  const figures = [blockMs, parseMs, wallMs, cpuMs, peakMb].map((figure) => figure.toFixed(0));
  rows.push([name, (body.length / 1e6).toFixed(2), told.text, ...figures]);
  if (process.argv.includes('-v')) print(rows.at(-1)!.join(' | '));
}
print(`Hostile requests, the least block of ${rounds} rounds each, ${machine()}`);
table(
  [
    'input',
    'MB sent',
    'answer',
    'longest block, ms of processor',
    'JSON.parse, ms',
    'both by the clock, ms',
    'processor in all, ms',
    'peak memory, MB',
  ],
  rows,
);
for (const one of wrong) print(`FAILED: ${one}`);
server.process.kill('SIGTERM');
const { code } = await server.finished;
await provider.close();
process.exit(wrong.length > 0 || code !== 0 ? 1 : 0);
