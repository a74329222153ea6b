// Runs the core in simulated worlds, one for each seed, and checks each.
//   npm run simulate -- --seeds 3000 [--from 1] [--workers 2]
//   npm run simulate -- --seed 42 [--events]        replays one, and makes a world that fails smaller
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Script, scriptOf } from './script.ts';
import { smallest } from './shrink.ts';
import { runWorld } from './world.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    events: { type: 'boolean', default: false },
    workers: { type: 'string', default: '1' },
    // Looks for one broken invariant, whose message has this in it.
    breaks: { type: 'string', default: '' },
    'no-shrink': { type: 'boolean', default: false },
  },
});

/** What a share of the seeds came to. */
interface Tally {
  seeds: number;
  events: number;
  payments: number;
  answers: number;
  excuses: number;
  interleavings: number[];
  failed: number[];
}

/** The seed whose world is running. */
let current = 0;

const isSought = (violation: string) => violation.includes(values.breaks);

const say = (text: string) => void process.stdout.write(`${text}\n`);

async function runSeeds(from: number, count: number): Promise<Tally> {
  const tally: Tally = {
    seeds: 0,
    events: 0,
    payments: 0,
    answers: 0,
    excuses: 0,
    interleavings: [],
    failed: [],
  };
  const seen = new Set<number>();
  for (let seed = from; seed < from + count; seed++) {
    current = seed;
    const run = await runWorld(scriptOf(seed));
    tally.seeds += 1;
    tally.events += run.events;
    tally.payments += run.payments;
    tally.answers += run.answers;
    tally.excuses += run.excuses;
    seen.add(run.interleaving);
    if (run.violations.some(isSought)) {
      tally.failed.push(seed);
      break;
    }
  }
  tally.interleavings = [...seen];
  return tally;
}

/** Shares the seeds out to processes of their own. */
async function runShares(from: number, count: number, workers: number): Promise<Tally> {
  const share = Math.ceil(count / workers);
  const tallies = await Promise.all(
    Array.from({ length: workers }, (_, i) => {
      const child = fork(fileURLToPath(import.meta.url), [
        `--from=${from + i * share}`,
        `--seeds=${Math.min(share, count - i * share)}`,
      ]);
      return new Promise<Tally>((resolve) => {
        let told = false;
        child.once('message', (tally) => {
          told = true;
          resolve(tally as Tally);
        });
        // It has said why.
        child.once('exit', () => told || process.exit(1));
      });
    }),
  );
  return tallies.reduce((sum, tally) => ({
    seeds: sum.seeds + tally.seeds,
    events: sum.events + tally.events,
    payments: sum.payments + tally.payments,
    answers: sum.answers + tally.answers,
    excuses: sum.excuses + tally.excuses,
    interleavings: [...new Set([...sum.interleavings, ...tally.interleavings])],
    failed: [...sum.failed, ...tally.failed],
  }));
}

async function explain(script: Script): Promise<void> {
  const { violations } = await runWorld(script);
  say(`\nseed ${script.seed} fails: ${violations.find(isSought)}`);
  say(`  replay it: npm run simulate -- --seed ${script.seed} --events`);
  if (values['no-shrink']) return;
  const small = await smallest(script);
  const { story } = await runWorld(small, true);
  say(`  the smallest world in which something like that happens (${small.requests.length} requests):`);
  for (const [name, value] of Object.entries(small))
    for (const line of Array.isArray(value) ? value : [value]) say(`    ${name}: ${JSON.stringify(line)}`);
  for (const line of story) say(`    ${line}`);
}

async function replay(seed: number): Promise<boolean> {
  const script = scriptOf(seed);
  current = seed;
  const { story, violations, events } = await runWorld(script, true);
  if (values.events) for (const line of story) say(line);
  say(`seed ${seed}: ${events} events, ${violations.length} violations`);
  if (violations.length > 0) await explain(script);
  return violations.length === 0;
}

async function simulate(from: number, count: number): Promise<boolean> {
  const started = performance.now();
  const workers = Number(values.workers);
  const tally = workers > 1 ? await runShares(from, count, workers) : await runSeeds(from, count);
  if (process.send) {
    process.send(tally, undefined, undefined, () => process.disconnect());
    return true;
  }
  const seconds = (performance.now() - started) / 1_000;
  const { seeds, failed, interleavings } = tally;
  say(
    `${seeds} seeds in ${seconds.toFixed(1)} s (${Math.round(seeds / seconds)} a second): ${Math.round(tally.events / seeds)} events each, ` +
      `${interleavings.length} distinct interleavings, ${tally.answers} answers, ${tally.payments} payments, ${tally.excuses} excuses; ${failed.length} failed`,
  );
  for (const seed of failed.slice(0, 1)) await explain(scriptOf(seed));
  return failed.length === 0;
}

process.on('uncaughtException', (error) => {
  say(`\nseed ${current} breaks: ${error.stack}`);
  say(`  replay it: npm run simulate -- --seed ${current} --events`);
  process.exit(1);
});

const passed =
  values.seed === undefined
    ? await simulate(Number(values.from), Number(values.seeds))
    : await replay(Number(values.seed));
process.exitCode = passed ? 0 : 1;
