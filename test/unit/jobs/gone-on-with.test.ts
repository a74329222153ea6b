import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Purse } from '../../../src/admission/purse.ts';
import type { Batches } from '../../../src/core/batches.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { Embedder } from '../../../src/core/embedder.ts';
import type { EmbeddingModel } from '../../../src/core/model.ts';
import type { Payer } from '../../../src/core/request.ts';
import { silentLog } from '../../../src/core/surroundings.ts';
import { computeJob } from '../../../src/jobs/compute.ts';
import { DayPurchases, type JobBooks } from '../../../src/jobs/day.ts';
import { openDiskVault } from '../../../src/jobs/disk-vault.ts';
import type { JobRecord } from '../../../src/jobs/job.ts';
import { JobRun, textsOf } from '../../../src/jobs/job-run.ts';
import { Jobs, type JobsOptions } from '../../../src/jobs/jobs.ts';
import { LocalCrew } from '../../../src/jobs/local-crew.ts';
import { createRunner, type RunnerOptions } from '../../../src/jobs/runner.ts';
import type { Vault } from '../../../src/jobs/vault.ts';
import { DiskBooks } from '../../../src/ledger/disk-books.ts';
import { Ledger } from '../../../src/ledger/ledger.ts';

const id = `job_${'0'.repeat(24)}`;
const texts = Array.from({ length: 1_100 }, (_, i) => `text ${i}`);
const lines = Buffer.from(texts.map((text) => `${JSON.stringify(text)}\n`).join(''));

let folder: string;
let vault: Vault;
let charged: string[];
let ending: AbortController;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'embedql-gone-on-'));
  vault = (await openDiskVault(folder, silentLog))!;
  charged = [];
  ending = new AbortController();
});
afterEach(() => vault.close());

const model = {
  spec: { name: 'fake', maxBatchSize: 10, maxInputTokens: 100, batchCostPer1kTokens: 1, costPer1kTokens: 2 },
  concurrency: 4,
  identity: async () => 'fake',
  fit: async (some: string[]) => some.map((text) => ({ text, truncated: false })),
  countTokens: async (some: string[]) => some.map(() => 2),
} as unknown as EmbeddingModel;

const charge = (tokens: readonly number[], payer: Payer) => {
  payer.asked?.('fake', tokens.length);
  for (const some of tokens) payer.charged(some / 1_000, some, 'fake');
  return 0;
};
const embedder = {
  async receive(
    _model: unknown,
    requests: ReadonlyArray<{ text: string }>,
    computed: ReadonlyArray<{ tokens: number }>,
    { payer }: { payer: Payer },
  ) {
    charged.push(...requests.map(({ text }) => text));
    return charge(
      computed.map(({ tokens }) => tokens),
      payer,
    );
  },
  charge: (_model: unknown, tokens: readonly number[], { payer }: { payer: Payer }) => charge(tokens, payer),
} as unknown as Embedder;

const noBooks: JobBooks = { bookedOf: async () => undefined, flush: async () => true };

/** A provider whose batch has ended with all texts. */
const batches = {
  cancel: async () => {},
  forget: async () => {},
  look: async () => ({ state: 'ended', outputs: ['out'] }),
  async *read() {
    for (const index of texts.keys())
      yield { id: `t${index}`, vector: new Float32Array([1, index]), tokens: 2 };
  },
} as unknown as Batches;

const clock = { ...systemClock, after: (_ms: number, work: () => void) => systemClock.after(0, work) };
const purse = () => new Purse({ key: 'web', charged: () => {} }, undefined);

async function putJob(by: Partial<JobRecord> = {}): Promise<JobRecord> {
  const job: JobRecord = {
    id,
    key: 'web',
    epoch: 0,
    createdAt: 1_000,
    status: 'RUNNING',
    model: 'fake',
    kind: 'doc',
    dimensions: 2,
    truncate: true,
    takesBlank: false,
    deadline: 'DAY',
    total: texts.length,
    done: 0,
    cached: 0,
    failed: 0,
    tokens: 0,
    paidTokens: 0,
    batchTokens: 0,
    textBytes: lines.length,
    textsAt: 0,
    resultBytes: 0,
    batches: [],
    ...by,
  };
  await vault.texts.write(textsOf(id), 0, lines);
  await vault.records.add('jobs', job);
  return job;
}

/** All texts of the job, as they lie at the provider. */
const wholeBatch = {
  number: 0,
  state: 'submitted',
  id: 'b',
  since: 0,
  texts: 1_100,
  from: 0,
  to: 1_099,
} as const;

async function takeUp(): Promise<JobRun> {
  const job = (await vault.records.takeUp(id))!;
  return new JobRun(job, ending.signal, { vault, clock, log: silentLog, nameOption: (hint) => hint });
}

function runnerOf(kept: Vault, more: Partial<RunnerOptions> = {}) {
  return createRunner({
    vault: kept,
    catalogue: { all: () => [{ ...model, batches }], get: () => ({ ...model, batches }) } as never,
    embedder,
    budgets: { adoptPurse: purse },
    books: noBooks,
    clock,
    log: silentLog,
    nameOption: (hint) => hint,
    queueLimit: 100,
    keepMs: 1_000,
    spoolFolder: folder,
    ...more,
  });
}

test('a cancelled job whose server is killed while it books what was paid books no text twice', async () => {
  await putJob({ batches: [wholeBatch] });
  await vault.records.cancel(id);
  for (let life = 0; life < 2; life++) {
    const run = await takeUp();
    const signal = ending.signal;
    const parts = { embedder, model, batches, purse: purse(), clock, log: silentLog, signal };
    const purchases = await DayPurchases.begin(run, {
      ...parts,
      records: vault.records,
      books: noBooks,
      spoolFolder: folder,
    });
    await purchases.settle();
    await purchases.close();
    run.end();
  }
  expect(charged).toEqual(texts);
  expect(await vault.records.get('jobs', id)).toMatchObject({ batchTokens: 2 * texts.length });
});

const moments = ['before it is booked', 'before the books are written', 'once they are written'] as const;

/**
 * Runs the job in a process of its own, to its end or to the moment of the second booking at which the process is killed.
 * @returns the books of that process
 */
async function live(killed?: (typeof moments)[number]): Promise<Ledger> {
  const store = new DiskBooks(path.join(folder, 'ledger'));
  const ledger = new Ledger({ store });
  let bookings = 0;
  let isDead = false;
  const booking = () => {
    bookings += 1;
    reach('before it is booked');
  };
  const failIfDead = () => {
    if (isDead) throw new Error('killed');
  };
  const reach = (moment: (typeof moments)[number]) => {
    isDead ||= moment === killed && bookings === 2;
    failIfDead();
  };
  const write = store.write.bind(store);
  store.write = async (...rows) => {
    failIfDead();
    return write(...rows);
  };
  const run = runnerOf(vault, {
    embedder: {
      charge(...call: Parameters<Embedder['charge']>) {
        booking();
        return embedder.charge(...call);
      },
      async receive(...call: Parameters<Embedder['receive']>) {
        booking();
        return embedder.receive(...call);
      },
    } as Embedder,
    budgets: {
      adoptPurse: (key, job, _money, tag) =>
        new Purse(ledger.account(key, tag), undefined, ledger.account(key, tag, job)),
    },
    books: {
      bookedOf: (job, since) => ledger.bookedOf(job, since),
      async flush() {
        reach('before the books are written');
        await ledger.flush();
        reach('once they are written');
      },
    },
  });
  const ended = run(id, ending.signal);
  await (killed ? expect(ended).rejects.toThrow() : ended);
  if (killed) await store.close();
  return ledger;
}

describe.each(moments)('killed %s', (moment) => {
  test.each(['DONE', 'CANCELLED', 'FAILED'] as const)(
    'what batches brought is booked once: %s',
    async (status) => {
      const batch = {
        number: 0,
        state: 'ended',
        outputs: ['out'],
        since: 0,
        texts: 1_100,
        from: 0,
        to: 1_099,
      } as const;
      await putJob({ batches: [batch], createdAt: Date.now(), tag: 'nightly' });
      if (status === 'CANCELLED') await vault.records.cancel(id);
      if (status === 'FAILED') await vault.texts.remove(textsOf(id));
      await live(moment);
      const ledger = await live();
      expect(await vault.records.get('jobs', id)).toMatchObject({ status, batchTokens: 2_200 });
      const spent = await ledger.spend({ from: '2026-01-01', to: '2999-01-01', groupBy: ['KEY', 'TAG'] });
      expect(spent).toMatchObject([
        { key: 'web', tag: 'nightly', texts: 1_100, computed: 1_100, tokens: 2_200, costUsd: 2.2 },
      ]);
      await ledger.close();
    },
  );
});

test('what a job has claimed and not handed in is free once it is cancelled', async () => {
  await putJob();
  await vault.records.claim(['a', 'b'], id);
  await vault.records.cancel(id);
  const run = runnerOf(vault);
  await run(id, ending.signal);
  expect(await vault.records.get('jobs', id)).toMatchObject({ status: 'CANCELLED' });
  expect(await vault.records.claim(['a', 'b'], 'job_other')).toEqual([true, true]);
});

test('a cancelled job whose texts are gone fails; while they cannot be read it goes on later', async () => {
  await putJob({ batches: [wholeBatch] });
  await vault.records.cancel(id);
  const read = vi.spyOn(vault.texts, 'read').mockImplementation(async function* () {
    yield lines.subarray(0, 100);
    throw new Error('EIO');
  });
  await expect(runnerOf(vault)(id, ending.signal)).rejects.toThrow('EIO');
  expect(await vault.records.get('jobs', id)).toMatchObject({ status: 'RUNNING' });
  read.mockRestore();
  await vault.texts.remove(textsOf(id));
  await runnerOf(vault)(id, ending.signal);
  expect(await vault.records.get('jobs', id)).toMatchObject({
    status: 'FAILED',
    failure: { code: 'BAD_USER_INPUT' },
  });
});

test('a job whose texts are lost ends its batches at the provider, and books what those bring, before it fails', async () => {
  const batch = { number: 0, state: 'submitted', id: 'b', since: 0, texts: 10, from: 5, to: 14 } as const;
  await putJob({ batches: [batch] });
  await vault.texts.remove(textsOf(id));
  const calls: string[] = [];
  const tokens: number[] = [];
  const asked: Batches = {
    ...batches,
    async cancel(one) {
      calls.push(`cancel ${one}`);
    },
    async forget(one) {
      calls.push(`forget ${one} ${(await vault.records.get('jobs', id))?.status}`);
    },
    async *read() {
      // Twice, none of the batch's, and counts that are not to be believed.
      for (const index of [6, 5, 6, 99, 7, 8])
        yield {
          id: `t${index}`,
          vector: new Float32Array(2),
          tokens: index === 7 ? 1e9 : index === 8 ? undefined : 2,
        };
    },
  };
  const asking = { ...model, batches: asked };
  await runnerOf(vault, {
    catalogue: { all: () => [asking], get: () => asking } as never,
    embedder: {
      charge: (_model: unknown, some: readonly number[]) => {
        tokens.push(...some);
        return 0;
      },
    } as never,
  })(id, ending.signal);
  expect(calls).toEqual(['cancel b', 'forget b FAILED']);
  const guess = Math.ceil(lines.length / texts.length / 4);
  expect(tokens).toEqual([2, 2, guess, guess]);
  expect(await vault.records.get('jobs', id)).toMatchObject({
    status: 'FAILED',
    failure: { code: 'BAD_USER_INPUT' },
    batchTokens: 4 + 2 * guess,
  });
});

test('a replica that stalls before it books leaves that to whoever has the job meanwhile', async () => {
  const ended = {
    number: 0,
    state: 'ended',
    outputs: ['out'],
    since: 0,
    texts: 1_100,
    from: 0,
    to: 1_099,
  } as const;
  await putJob({ batches: [ended], createdAt: Date.now() });
  let goOn = () => {};
  let isStalled = () => {};
  const stalling = new Promise<void>((resolve) => {
    isStalled = resolve;
  });
  const save = vault.records.save.bind(vault.records);
  const stalled = vi.spyOn(vault.records, 'save').mockImplementation(async (job) => {
    const saved = await save(job);
    if (!job.bought) return saved;
    stalled.mockRestore();
    isStalled();
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    return saved;
  });
  const first = live();
  await stalling;
  const other = await live();
  expect(await vault.records.get('jobs', id)).toMatchObject({ status: 'DONE' });
  goOn();
  const late = await first;
  await late.flush();
  await late.close();
  const [spent] = await other.spend({ from: '2026-01-01', to: '2999-01-01', groupBy: ['KEY'] });
  expect(spent).toMatchObject({ texts: 1_100, computed: 1_100, tokens: 2_200 });
  await other.close();
});

test('what jobs are kept in is closed where it cannot be started, so that the next attempt finds it free', async () => {
  await vault.close();
  let attempts = 0;
  const jobs = new Jobs({
    async open() {
      const opened = await openDiskVault(folder, silentLog);
      if (!opened) return undefined;
      attempts += 1;
      const crew = new LocalCrew(opened.records, silentLog);
      if (attempts === 1) opened.records.list = () => Promise.reject(new Error('EIO'));
      if (attempts === 2) crew.start = () => Promise.reject(new Error('EIO'));
      return { vault: opened, crew };
    },
    unavailable: undefined,
    log: silentLog,
    maxFileBytes: 1_000,
    keepMs: 1_000,
    clock,
  } as unknown as JobsOptions);
  const asker = { key: 'web', seesAll: true };
  for (let i = 0; i < 2; i++)
    await expect(jobs.list(10, asker)).rejects.toMatchObject({
      code: 'OVERLOADED',
      message: expect.stringContaining('cannot keep jobs'),
    });
  expect(await jobs.list(10, asker)).toEqual([]);
  await jobs.close();
  vault = (await openDiskVault(folder, silentLog))!;
});

test('a spool that cannot be read ends the attempt, and nothing else', async () => {
  await putJob({ deadline: 'NOW' });
  const run = await takeUp();
  const broken = async () => {
    throw new Error('EIO');
  };
  // A rejection that nobody handles ends the server; here it fails the test.
  await expect(
    computeJob(run, { embedder, model, purse: purse(), clock, queueLimit: 400, known: broken }),
  ).rejects.toThrow('EIO');
  run.end();
});
