// What is measured: each function runs its rounds in turns, so that a noisy minute is everybody's, and prints a table. A ratio
// is the median over the rounds of ours by theirs (or theirs by ours where less is better): above 1, we are ahead.
import { setTimeout as wait } from 'node:timers/promises';
import { post } from '../http-client.ts';
import { load } from '../load.ts';
import type { BenchProvider } from '../processes.ts';
import { median, milliseconds, print, table } from '../report.ts';
import { hits, newTexts, request, sentence } from './requests.ts';
import type { Running } from './running.ts';

export const rounds = 3;
const clients = 64;
const hitConnections = 10;
const listLength = 1_000;
/** Between a load and a look at the memory. */
const restMs = 1_000;

/** One figure of each server in each round: `figures[server][round]`. */
type Figures = number[][];

/** Local models: texts a second of many clients, and of one list. The first of `servers` is ours. */
export async function local(servers: readonly Running[], seconds: number): Promise<void> {
  const single = servers.map(() => [] as number[]);
  const listed = servers.map(() => [] as number[]);
  for (const running of servers) await oneSentenceEach(running, 1);
  for (const running of servers) await list(running);
  for (let round = 0; round < rounds; round++) {
    for (const [i, running] of servers.entries()) single[i]!.push(await oneSentenceEach(running, seconds));
    for (const [i, running] of servers.entries()) listed[i]!.push(await list(running));
  }
  print(`\nlocal model, texts of 18 tokens a second, median of ${rounds} rounds`);
  const rows = [];
  for (const [i, { server, vector }] of servers.entries())
    rows.push([
      server.name,
      server.weights,
      cosine(vector, servers[0]!.vector).toFixed(3),
      (await middle(single[i]!)).toFixed(0),
      await ahead(single, i),
      (await middle(listed[i]!)).toFixed(0),
      await ahead(listed, i),
    ]);
  table(
    [
      '',
      'weights',
      'cosine with ours',
      `${clients} clients`,
      'ours by it',
      `a list of ${listLength}`,
      'ours by it',
    ],
    rows,
  );
}

/** Cached texts through `/v1`. The first of `servers` is ours. @param provider what they all stand in front of */
export async function cached(
  servers: readonly Running[],
  provider: BenchProvider,
  seconds: number,
): Promise<void> {
  const rates = servers.map(() => [] as number[]);
  const calls = servers.map(() => 0);
  for (let round = 0; round < rounds; round++)
    for (const [i, { url, server }] of servers.entries()) {
      const body = hits(server.model);
      for (let n = 0; n < 2 * hits.texts; n++) await post(url, body(), server.headers);
      await provider.calls();
      const { perSecond, answered } = await load(url, hitConnections, seconds, body, server.headers);
      rates[i]!.push(perSecond);
      calls[i]! += (await provider.calls()) / answered / rounds;
    }
  print(`\ncached texts through /v1, ${hitConnections} connections, median of ${rounds} rounds`);
  const rows = [];
  for (const [i, { server }] of servers.entries())
    rows.push([
      server.name,
      (await middle(rates[i]!)).toFixed(0),
      await ahead(rates, i),
      calls[i]!.toFixed(3),
    ]);
  table(['', 'a second', 'ours by it', 'provider calls a text'], rows);
}

/** New texts through `/v1`, and with no server between. The first of `servers` is ours. */
export async function missed(
  servers: readonly Running[],
  provider: BenchProvider,
  seconds: number,
): Promise<void> {
  const targets = [
    ...servers.map(({ server, url }) => ({
      name: server.name,
      model: server.model,
      headers: server.headers,
      url,
    })),
    { name: 'no server', model: servers[0]!.server.model, headers: {}, url: `${provider.url}/embeddings` },
  ];
  const rates: Figures = targets.map(() => []);
  const waits: Figures = targets.map(() => []);
  const calls: Figures = targets.map(() => []);
  for (const { url, model, headers } of targets) await load(url, clients, 1, newTexts(model), headers);
  for (let round = 0; round < rounds; round++)
    for (const [i, { url, model, headers }] of targets.entries()) {
      await provider.calls();
      const { perSecond, p50, answered } = await load(url, clients, seconds, newTexts(model), headers);
      rates[i]!.push(perSecond);
      waits[i]!.push(p50);
      calls[i]!.push((await provider.calls()) / answered);
    }
  print(`\nnew texts through /v1, ${clients} connections, median of ${rounds} rounds`);
  const rows = [];
  for (const [i, { name }] of targets.entries())
    rows.push([
      name,
      (await middle(rates[i]!)).toFixed(0),
      await ahead(rates, i),
      (await middle(waits[i]!)).toFixed(0),
      (await middle(calls[i]!)).toFixed(3),
    ]);
  table(['', 'a second', 'ours by it', 'p50, ms', 'provider calls a text'], rows);
}

export interface Launch {
  startedMs: number;
  restMb: number;
  loadedMb: number;
}

/** @returns the memory at rest and, after `seconds` of new texts (0: none), again. */
export async function weigh(running: Running, seconds: number): Promise<Launch> {
  await wait(restMs);
  const restMb = running.residentMb();
  if (seconds > 0) {
    await load(running.url, clients, seconds, newTexts(running.server.model), running.server.headers);
    await list(running);
    await wait(restMs);
  }
  return { startedMs: running.startedMs, restMb, loadedMb: running.residentMb() };
}

/** @param launches of each server; the last one of each has its memory */
export async function printLaunches(
  launches: ReadonlyArray<{ name: string; weights: string; of: readonly Launch[] }>,
  what: { start: boolean; memory: boolean },
): Promise<void> {
  const head = ['', 'weights'];
  if (what.start) head.push('start to first vector, ms');
  if (what.memory) head.push('MB at rest', `MB after ${clients} clients and a list`);
  const rows = [];
  for (const { name, weights, of } of launches) {
    const row = [name, weights];
    if (what.start) row.push((await median(of.length, async (round) => of[round]!.startedMs)).toFixed(0));
    if (what.memory) row.push(of.at(-1)!.restMb.toFixed(0), of.at(-1)!.loadedMb.toFixed(0));
    rows.push(row);
  }
  print('\nstart and memory');
  table(head, rows);
}

async function oneSentenceEach({ url, server }: Running, seconds: number): Promise<number> {
  const { perSecond } = await load(url, clients, seconds, newTexts(server.model), server.headers);
  // What was under way when the time was over is answered first.
  await post(url, request(server.model, sentence()), server.headers);
  return perSecond;
}

async function list({ url, server }: Running): Promise<number> {
  const body = request(server.model, Array.from({ length: listLength }, sentence));
  return listLength / ((await milliseconds(() => post(url, body, server.headers))) / 1_000);
}

/** How far ours, the first, is ahead of the one at `index`. */
async function ahead(rates: Figures, index: number): Promise<string> {
  if (index === 0) return '';
  return (await median(rounds, async (round) => rates[0]![round]! / rates[index]![round]!)).toFixed(2);
}

function middle(of: readonly number[]): Promise<number> {
  return median(of.length, async (round) => of[round]!);
}

/** Of unit vectors; 0 where their lengths differ. */
function cosine(a: readonly number[], b: readonly number[]): number {
  return a.length === b.length ? a.reduce((sum, value, i) => sum + value * b[i]!, 0) : 0;
}
