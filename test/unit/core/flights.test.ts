import { describe, expect, test } from 'vitest';
import { Accounting } from '../../../src/core/accounting.ts';
import type { Cache, CacheHit, Claimed } from '../../../src/core/cache.ts';
import { sleep } from '../../../src/core/clock.ts';
import { EmbedQLError, InputRefusedError } from '../../../src/core/errors.ts';
import type { Outcome } from '../../../src/core/flight.ts';
import { Flights } from '../../../src/core/flights.ts';
import type { ModelSpec } from '../../../src/core/model.ts';
import type { Operation, Payer, TextRequest } from '../../../src/core/request.ts';
import { silentLog } from '../../../src/core/surroundings.ts';
import { noTracer } from '../../../src/core/tracing.ts';
import { FakeModel } from '../../support/fake-model.ts';
import { VirtualTime } from '../../support/virtual-time.ts';

/** A cache that replicas share, in the hand of the test. */
class FakeCache implements Cache {
  readonly backend = 'fake';
  readonly degraded = false;
  readonly values = new Map<string, Omit<CacheHit, 'tier'>>();
  /** Keys that another replica computes. */
  readonly theirs = new Set<string>();
  /** Keys that this process has claimed. */
  readonly ours = new Set<string>();
  readonly waits: number[] = [];
  lookMs = 0;
  failsToKeep = false;
  readonly #time: VirtualTime;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  peek(): undefined {}

  async getMany(): Promise<Array<CacheHit | undefined>> {
    throw new Error('a cache with claims is asked for claims');
  }

  async claimMany(keys: readonly string[], waitMs: number): Promise<Claimed[]> {
    this.waits.push(waitMs);
    await sleep(this.#time, Math.min(waitMs, this.lookMs));
    if (this.lookMs > waitMs) return keys.map(() => undefined);
    return keys.map((key) => {
      const value = this.values.get(key);
      if (value) return { ...value, tier: 'fake' };
      if (this.theirs.has(key)) return 'theirs';
      this.ours.add(key);
      return 'ours';
    });
  }

  release(keys: readonly string[]): void {
    for (const key of keys) this.ours.delete(key);
  }

  setMany(entries: ReadonlyArray<readonly [string, Omit<CacheHit, 'tier'>]>): void {
    if (this.failsToKeep) throw new Error('full');
    for (const [key, value] of entries) {
      this.values.set(key, value);
      this.ours.delete(key);
    }
  }

  async flush(): Promise<void> {}
  async close(): Promise<void> {}
}

/** Somebody who pays, and whose bank takes its time. */
class FakePayer implements Payer {
  readonly charges: number[] = [];
  held = 0;
  answerMs = 0;
  refuses = false;
  readonly key: string;
  reserve?: Required<Payer>['reserve'];

  constructor(key: string, time: VirtualTime, limited: boolean) {
    this.key = key;
    if (!limited) return;
    this.reserve = async (usd) => {
      if (this.answerMs > 0) await sleep(time, this.answerMs);
      if (this.refuses) throw new EmbedQLError('RATE_LIMITED', `${key} has spent its money`);
      this.held += usd;
      return {
        settle: () => {
          this.held -= usd;
        },
        release: () => {
          this.held -= usd;
        },
      };
    };
  }

  get paid(): number {
    return this.charges.reduce((sum, usd) => sum + usd, 0);
  }

  charged(usd: number): void {
    this.charges.push(usd);
  }
}

function create(spec: Partial<ModelSpec> = {}, distinguishesKinds = false) {
  const time = new VirtualTime();
  const model = new FakeModel(time, spec);
  model.distinguishesKinds = distinguishesKinds;
  const cache = new FakeCache(time);
  const accounting = new Accounting([model.spec]);
  const flights = new Flights({
    model,
    cache,
    events: accounting,
    tracer: noTracer,
    clock: time,
    log: silentLog,
    windowMs: 5,
    queueLimit: 50,
    cacheWaitMs: 240,
  });
  const asker = (name: string, limited = true) => {
    const payer = new FakePayer(name, time, limited);
    const gone = new AbortController();
    const operation: Operation = { payer, signal: gone.signal, draw: () => {} };
    const ask = (text: string, options: Partial<TextRequest> = {}) => {
      const request: TextRequest = { text, kind: 'doc', useCache: true, truncate: true, ...options };
      const answer: { outcome?: Outcome } = {};
      const done = flights.embed([request], operation).then(([outcome]) => {
        answer.outcome = outcome!;
      });
      return { answer, done };
    };
    return { payer, operation, ask, leave: () => gone.abort() };
  };
  /** Lets everything happen; afterwards nothing is under way, claimed or set aside any more. */
  const settle = async (...payers: FakePayer[]) => {
    expect(await time.drain()).toBe(true);
    expect([flights.size, flights.queueDepth, cache.ours.size]).toEqual([0, 0, 0]);
    for (const { held } of payers) expect(held).toBeCloseTo(0);
  };
  return { time, model, cache, accounting, flights, asker, settle };
}

type World = ReturnType<typeof create>;

/** Where a text may be when somebody else comes, or goes: how to make it stay there, and for how long. */
const phases: Array<{ phase: string; arrange(world: World): void; atMs: number; sent?: true }> = [
  {
    phase: 'is looked up',
    arrange: ({ cache }) => {
      cache.lookMs = 100;
    },
    atMs: 50,
  },
  {
    phase: 'is fitted',
    arrange: ({ model }) => {
      model.behaviour.fitMs = 100;
    },
    atMs: 50,
  },
  { phase: 'waits for money', arrange: () => {}, atMs: 50 },
  { phase: 'is in the queue', arrange: () => {}, atMs: 2 },
  {
    phase: 'has been sent',
    arrange: ({ model }) => {
      model.behaviour.embedMs = 100;
    },
    atMs: 50,
    sent: true,
  },
];

describe.each(phases)('while a text $phase', ({ phase, arrange, atMs, sent }) => {
  const begin = () => {
    const world = create();
    arrange(world);
    const [a, b] = [world.asker('a'), world.asker('b')];
    if (phase === 'waits for money') a.payer.answerMs = 100;
    return { ...world, a, b };
  };

  test('another asker joins; the first pays', async () => {
    const { time, model, accounting, settle, a, b } = begin();
    const first = a.ask('text');
    await time.advance(atMs);
    const second = b.ask('text', { kind: 'query' });
    await settle(a.payer, b.payer);
    expect(model.sent).toEqual(['text']);
    expect([first.answer.outcome, second.answer.outcome]).toMatchObject([
      { source: 'provider', costUsd: 4 },
      { source: 'provider', costUsd: 0 },
    ]);
    expect([a.payer.charges, b.payer.charges]).toEqual([[4], []]);
    expect(accounting.snapshot()).toMatchObject({
      generated: 1,
      coalescedTexts: 1,
      cacheMisses: 1,
      costUsd: 4,
    });
  });

  test('the first leaves; the other gets it and pays', async () => {
    const { time, model, settle, a, b } = begin();
    const first = a.ask('text');
    await time.advance(atMs);
    const second = b.ask('text');
    await time.advance(0);
    a.leave();
    await time.advance(0);
    expect(first.answer.outcome).toMatchObject({ message: 'The request was cancelled.' });
    await settle(a.payer, b.payer);
    expect(model.sent).toEqual(['text']);
    expect(second.answer.outcome).toMatchObject({ source: 'provider', costUsd: 4 });
    expect([a.payer.charges, b.payer.charges]).toEqual([[], [4]]);
  });

  test('everybody leaves: it is sent no more, or paid by who asked and kept', async () => {
    const { time, model, cache, settle, a, b } = begin();
    a.ask('text');
    await time.advance(atMs);
    const second = b.ask('text');
    await time.advance(0);
    b.leave();
    a.leave();
    await second.done;
    await settle(a.payer, b.payer);
    expect(model.sent).toEqual(sent ? ['text'] : []);
    expect(a.payer.paid + b.payer.paid).toBe(sent ? 4 : 0);
    expect(cache.values.size).toBe(sent ? 1 : 0);
  });

  test('everybody leaves and somebody comes at once: it is computed once and answered', async () => {
    const { time, model, settle, asker, a } = begin();
    a.ask('text');
    await time.advance(atMs);
    a.leave();
    const c = asker('c');
    const { answer } = c.ask('text');
    await settle(a.payer, c.payer);
    expect(model.sent).toEqual(['text']);
    expect(answer.outcome).toMatchObject({ source: 'provider', costUsd: 4 });
    expect([a.payer.paid, c.payer.paid]).toEqual([0, 4]);
  });

  test('who has no money rides along with who has, whoever of them was first', async () => {
    for (const poor of ['a', 'b'] as const) {
      const world = begin();
      const { time, model, settle, a, b } = world;
      world[poor].payer.refuses = true;
      const first = a.ask('text');
      if (poor === 'b') await time.advance(atMs);
      const second = b.ask('text');
      await settle(a.payer, b.payer);
      const rich = poor === 'a' ? b : a;
      expect(model.sent).toEqual(['text']);
      expect(rich.payer.charges).toEqual([4]);
      expect(first.answer.outcome).toMatchObject({ costUsd: rich === a ? 4 : 0 });
      expect(second.answer.outcome).toMatchObject({ costUsd: rich === b ? 4 : 0 });
    }
  });

  test('who takes nothing out of the cache joins; what is found is for the others', async () => {
    const { time, model, cache, settle, a, b } = begin();
    const first = a.ask('text');
    await time.advance(atMs);
    // Another replica has written it meanwhile.
    if (cache.lookMs > 0) {
      const key = 'embed:v2:fake:doc:982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1';
      cache.values.set(key, { vector: new Float32Array([9]), tokens: 4, truncated: false });
    }
    const second = b.ask('text', { useCache: false });
    await settle(a.payer, b.payer);
    expect(model.sent).toEqual(['text']);
    expect(first.answer.outcome).toMatchObject({ source: cache.lookMs > 0 ? 'fake' : 'provider' });
    expect(second.answer.outcome).toMatchObject({ source: 'provider', vector: new Float32Array([4]) });
  });
});

describe('a text that is too long', () => {
  test('is cut for some and refused to others, whenever they come', async () => {
    const { time, model, cache, settle, asker } = create({ maxInputTokens: 4 });
    model.behaviour.fitMs = 20;
    model.behaviour.embedMs = 50;
    const [a, b, c, d] = [asker('a'), asker('b'), asker('c'), asker('d')];
    const cut = a.ask('too long');
    const early = b.ask('too long', { truncate: false });
    await time.advance(40);
    const late = c.ask('too long', { truncate: false });
    await settle(a.payer, b.payer, c.payer);
    expect(cut.answer.outcome).toMatchObject({ truncated: true, tokens: 4, costUsd: 4 });
    expect(early.answer.outcome).toMatchObject({ code: 'TEXT_TOO_LONG' });
    expect(late.answer.outcome).toMatchObject({ code: 'TEXT_TOO_LONG' });
    expect([b.payer.paid, c.payer.paid]).toEqual([0, 0]);
    // What was cut is in the cache as such.
    expect(cache.values.size).toBe(1);
    const cached = [d.ask('too long'), d.ask('too long', { truncate: false })];
    await settle();
    expect(cached.map(({ answer }) => answer.outcome)).toMatchObject([
      { source: 'fake', truncated: true },
      { code: 'TEXT_TOO_LONG' },
    ]);
    expect(model.sent).toEqual(['too ']);
  });

  test('is not sent where nobody takes it cut', async () => {
    const { model, settle, asker } = create({ maxInputTokens: 4 });
    const { answer } = asker('a').ask('too long', { truncate: false });
    await settle();
    expect([model.sent, (answer.outcome as EmbedQLError).code]).toEqual([[], 'TEXT_TOO_LONG']);
  });
});

describe('a limit on the texts of one call', () => {
  test('holds for a text that somebody else has asked for without one, as long as it has not been sent', async () => {
    const { time, model, asker, settle } = create({ maxBatchSize: 10 });
    const [free, strict] = [asker('free'), asker('strict')];
    for (const text of ['a', 'b', 'c']) free.ask(text);
    await time.advance(1);
    for (const text of ['a', 'b']) strict.ask(text, { maxBatchSize: 1 });
    await settle(free.payer, strict.payer);
    const calls = model.calls.map(({ texts }) => [...texts]);
    for (const call of calls) if (call.some((text) => text !== 'c')) expect(call).toHaveLength(1);
    expect(calls.flat().sort()).toEqual(['a', 'b', 'c']);
  });
});

describe('documents and queries', () => {
  test('are one text where the model makes no difference', async () => {
    const { model, settle, asker } = create();
    const a = asker('a');
    a.ask('text');
    a.ask('text', { kind: 'query' });
    await settle();
    a.ask('text', { kind: 'query' });
    await settle();
    expect(model.sent).toEqual(['text']);
  });

  test('are two where it puts something before them, or tells them apart by itself', async () => {
    const prefixed = create({ queryPrefix: 'query: ' });
    const telling = create({}, true);
    for (const { model, asker, settle } of [prefixed, telling]) {
      asker('a').ask('text');
      asker('a').ask('text', { kind: 'query' });
      await settle();
      expect(model.sent).toHaveLength(2);
    }
    expect(prefixed.model.sent).toEqual(['text', 'query: text']);
    // A prefix is in the text, so both share a call; a model that is told what they are gets two.
    expect(prefixed.model.calls.map(({ options }) => options?.kind)).toEqual(['doc']);
    expect(telling.model.calls.map(({ options }) => options?.kind)).toEqual(['doc', 'query']);
  });

  test('never share a call, whatever goes wrong, where the model is told which they are', async () => {
    const { model, asker, settle } = create({ maxBatchSize: 4 }, true);
    const isQuery = new Map<string, boolean>();
    model.behaviour.refuse = (texts) => {
      if (texts.some((text) => text.endsWith('7'))) throw new InputRefusedError('refused');
    };
    const a = asker('a', false);
    const answers = Array.from({ length: 30 }, (_, i) => {
      isQuery.set(`text ${i}`, i % 3 === 0);
      return a.ask(`text ${i}`, { kind: i % 3 === 0 ? 'query' : 'doc' });
    });
    await settle();
    for (const { texts, options } of model.calls)
      for (const text of texts) expect(options?.kind).toBe(isQuery.get(text) ? 'query' : 'doc');
    const failed = answers.filter(({ answer }) => answer.outcome instanceof Error);
    expect(failed).toHaveLength(3);
  });
});

describe('the cache that replicas share', () => {
  const keyOf = (cache: FakeCache) => [...cache.ours, ...cache.theirs, ...cache.values.keys()];

  test('what another replica computes is waited for, and is a hit', async () => {
    const { time, model, cache, accounting, settle, asker } = create();
    const a = asker('a');
    a.ask('text');
    await settle();
    const [key] = keyOf(cache) as [string];
    const value = cache.values.get(key)!;
    cache.values.clear();
    cache.theirs.add(key);
    const { answer } = a.ask('text');
    // A slow provider: far longer than anybody may wait for the cache itself.
    await time.advance(10_000);
    expect(answer.outcome).toBeUndefined();
    cache.values.set(key, value);
    await time.advance(400);
    expect(answer.outcome).toMatchObject({ source: 'fake', costUsd: 0 });
    expect(model.sent).toEqual(['text']);
    expect(accounting.snapshot()).toMatchObject({ cacheHits: 1, cacheMisses: 1 });
    await settle(a.payer);
  });

  test('whose holder dies is computed here as soon as its claim has ended', async () => {
    const { time, model, cache, settle, asker } = create();
    const a = asker('a');
    a.ask('text');
    await settle();
    const [key] = keyOf(cache) as [string];
    cache.values.clear();
    cache.theirs.add(key);
    const { answer } = a.ask('text');
    await time.advance(2_999);
    cache.theirs.clear();
    await time.advance(400);
    expect(answer.outcome).toMatchObject({ source: 'provider', costUsd: 4 });
    expect(model.calls).toHaveLength(2);
    await settle(a.payer);
  });

  test('who takes nothing out of the cache does not wait for another replica', async () => {
    const { time, model, cache, settle, asker } = create();
    const a = asker('a');
    a.ask('text');
    await settle();
    const [key] = keyOf(cache) as [string];
    cache.values.clear();
    cache.theirs.add(key);
    const waiting = a.ask('text');
    await time.advance(100);
    const { answer } = a.ask('text', { useCache: false });
    await settle(a.payer);
    expect(answer.outcome).toMatchObject({ source: 'provider' });
    expect(waiting.answer.outcome).toMatchObject({ source: 'provider' });
    expect(model.calls).toHaveLength(2);
  });

  test('those who wait for another replica may leave, or run out of time', async () => {
    const { time, model, cache, flights, settle, asker } = create();
    const [a, b] = [asker('a'), asker('b')];
    a.ask('text');
    await settle();
    const [key] = keyOf(cache) as [string];
    cache.values.clear();
    cache.theirs.add(key);
    model.deadlineMs = 1_000;
    const [left, late] = [b.ask('text'), a.ask('text')];
    await time.advance(500);
    b.leave();
    await time.advance(600);
    expect(left.answer.outcome).toMatchObject({ message: 'The request was cancelled.' });
    expect(late.answer.outcome).toMatchObject({ code: 'PROVIDER_TIMEOUT', retryable: true });
    await time.advance(300);
    expect(flights.size).toBe(0);
    await settle(a.payer, b.payer);
  });

  test('claims are given back where the text fails, is refused, or nobody waits any more', async () => {
    const { time, model, settle, asker } = create();
    model.behaviour.refuse = (texts) => {
      if (texts.includes('bad')) throw new InputRefusedError('no');
    };
    const [a, b, poor] = [asker('a'), asker('b'), asker('poor')];
    poor.payer.refuses = true;
    const bad = a.ask('bad');
    const unpaid = poor.ask('unpaid');
    b.ask('left');
    await time.advance(2);
    b.leave();
    await settle(a.payer, b.payer, poor.payer);
    expect(bad.answer.outcome).toMatchObject({ code: 'PROVIDER_ERROR' });
    expect(unpaid.answer.outcome).toMatchObject({ code: 'RATE_LIMITED' });
    expect(model.sent).toEqual(['bad']);
  });

  test('is waited for 240 ms in all by one operation, however often it asks', async () => {
    const { time, cache, model, settle, asker } = create();
    cache.lookMs = 100;
    const a = asker('a');
    for (const text of ['one', 'two', 'three', 'four']) {
      a.ask(text);
      await time.drain();
    }
    expect(cache.waits).toEqual([240, 140, 40]);
    // Another operation has time of its own.
    asker('b').ask('five');
    await settle();
    expect(cache.waits.at(-1)).toBe(240);
    expect(model.sent).toEqual(['one', 'two', 'three', 'four', 'five']);
  });

  test('that fails to keep what was computed harms nobody', async () => {
    const { cache, settle, asker } = create();
    cache.failsToKeep = true;
    const a = asker('a');
    const { answer } = a.ask('text');
    await settle(a.payer);
    expect(answer.outcome).toMatchObject({ source: 'provider', costUsd: 4 });
  });

  test('that fails instead of missing harms nobody', async () => {
    const { cache, settle, asker } = create();
    cache.claimMany = () => Promise.reject(new Error('a bug'));
    const a = asker('a');
    const { answer } = a.ask('text');
    await settle(a.payer);
    expect(answer.outcome).toMatchObject({ source: 'provider' });
  });
});

describe('what goes wrong', () => {
  test('without an identity everybody is told why, and nothing is under way', async () => {
    const { model, settle, asker } = create();
    model.identity = () => Promise.reject(new EmbedQLError('PROVIDER_NOT_CONFIGURED', 'set the key'));
    const { answer } = asker('a').ask('text');
    await settle();
    expect(answer.outcome).toMatchObject({ code: 'PROVIDER_NOT_CONFIGURED' });
  });

  test('a model that cannot fit a text fails that text, and not the next', async () => {
    const { model, settle, asker } = create();
    const fit = model.fit.bind(model);
    model.fit = () => Promise.reject(new Error('a bug'));
    const a = asker('a');
    const first = a.ask('text');
    await settle(a.payer);
    expect(first.answer.outcome).toMatchObject({ code: 'INTERNAL_SERVER_ERROR' });
    model.fit = fit;
    const second = a.ask('text');
    await settle(a.payer);
    expect(second.answer.outcome).toMatchObject({ source: 'provider' });
  });

  test('somebody who has gone before anything begins is answered and sends nothing', async () => {
    const { model, settle, asker } = create();
    const a = asker('a');
    a.leave();
    const { answer } = a.ask('text');
    await settle(a.payer);
    expect([model.sent, answer.outcome]).toMatchObject([[], { message: 'The request was cancelled.' }]);
  });

  test('an operation whose time is up is told so; a text that was sent is kept and paid for', async () => {
    const { model, time, cache, settle, asker } = create();
    model.deadlineMs = 100;
    model.behaviour.embedMs = 500;
    const a = asker('a');
    const { answer } = a.ask('text');
    await time.advance(100);
    expect(answer.outcome).toMatchObject({ code: 'PROVIDER_TIMEOUT', hint: 'timeoutMs' });
    expect(a.payer.held).toBe(4);
    await settle(a.payer);
    expect([a.payer.paid, cache.values.size]).toEqual([4, 1]);
  });

  test('what does not fit into the queue is refused and holds nothing', async () => {
    const { flights, settle, asker } = create();
    const a = asker('a');
    const requests = Array.from(
      { length: 60 },
      (_, i): TextRequest => ({
        text: `text ${i}`,
        kind: 'doc',
        useCache: true,
        truncate: true,
      }),
    );
    const embedding = flights.embed(requests, a.operation);
    await settle(a.payer);
    const codes = (await embedding).map((outcome) => outcome instanceof EmbedQLError && outcome.code);
    expect(codes).toEqual([...Array(50).fill(false), ...Array(10).fill('OVERLOADED')]);
  });

  test('a payer whose books fail harms nobody else in the batch', async () => {
    const { settle, asker, model } = create();
    const [a, b] = [asker('a'), asker('b')];
    a.payer.charged = () => {
      throw new Error('a bug');
    };
    const [first, second] = [a.ask('one'), b.ask('two')];
    await settle(b.payer);
    expect(model.calls).toHaveLength(1);
    expect([first.answer.outcome, second.answer.outcome]).toMatchObject([
      { source: 'provider' },
      { source: 'provider' },
    ]);
    expect(b.payer.charges).toEqual([3]);
  });

  test('who has money leaves while others are still asked; who has none is told, and nothing is sent', async () => {
    const { time, flights, model, settle, asker } = create();
    const [scarce, poor, late] = [asker('scarce'), asker('poor'), asker('late')];
    // Money for one text of two.
    const { reserve } = scarce.payer;
    let asked = 0;
    scarce.operation.payer!.reserve = (usd) => {
      scarce.payer.refuses = ++asked > 1;
      return reserve!(usd);
    };
    poor.payer.refuses = true;
    poor.payer.answerMs = 10;
    late.payer.answerMs = 100;
    const request = (text: string): TextRequest => ({ text, kind: 'doc', useCache: true, truncate: true });
    const both = flights.embed([request('text'), request('other')], scarce.operation);
    const unpaid = poor.ask('text');
    await time.advance(5);
    const waiting = late.ask('other');
    await time.advance(50);
    scarce.leave();
    await both;
    await settle(scarce.payer, poor.payer, late.payer);
    expect(unpaid.answer.outcome).toMatchObject({ code: 'RATE_LIMITED' });
    expect(waiting.answer.outcome).toMatchObject({ source: 'provider' });
    expect(model.sent).toEqual(['other']);
    expect([scarce.payer.paid, poor.payer.paid, late.payer.paid]).toEqual([0, 0, 5]);
  });
});

describe('an operation that can wait', () => {
  const request = (text: string): TextRequest => ({ text, kind: 'doc', useCache: true, truncate: true });

  test('gives its texts to whoever cannot, and they are paid once', async () => {
    const { time, model, flights, asker, settle } = create({ maxBatchSize: 2 });
    model.concurrency = 2;
    model.behaviour.embedMs = 100;
    const corpus = asker('corpus');
    const patient = { ...corpus.operation, canWait: true };
    const texts = ['j1', 'j2', 'j3', 'j4', 'j5'].map(request);
    const job = flights.embed(texts, patient);
    await time.advance(20);
    expect(model.sent).toEqual(['j1', 'j2']);
    const person = asker('person');
    const { answer } = person.ask('j5');
    await time.advance(10);
    expect(model.sent).toEqual(['j1', 'j2', 'j5']);
    await settle(corpus.payer, person.payer);
    expect(answer.outcome).toMatchObject({ tokens: 2 });
    expect((await job).map((outcome) => (outcome as { tokens: number }).tokens)).toEqual([2, 2, 2, 2, 2]);
    expect(model.sent.toSorted()).toEqual(['j1', 'j2', 'j3', 'j4', 'j5']);
    expect(corpus.payer.charges.length + person.payer.charges.length).toBe(5);
  });

  test('waits longer than anybody else would', async () => {
    const { time, model, flights, asker, settle } = create();
    model.deadlineMs = 50;
    model.behaviour.embedMs = 200;
    const { operation, payer } = asker('corpus');
    const job = flights.embed([request('slow')], { ...operation, canWait: true });
    await time.advance(210);
    expect((await job)[0]).toMatchObject({ tokens: 4 });
    await settle(payer);
  });
});

test('what a batch of the provider brings is cached, counted and charged at its price', async () => {
  const { cache, accounting, flights, asker } = create({ costPer1kTokens: 1_000, batchCostPer1kTokens: 500 });
  const { operation, payer } = asker('corpus');
  const texts = ['one', 'three'].map(
    (text) => ({ text, kind: 'doc', useCache: true, truncate: true }) as const,
  );
  const computed = texts.map(({ text }) => ({
    vector: new Float32Array([text.length]),
    tokens: text.length,
    truncated: false,
  }));
  expect(await flights.receive(texts, computed, operation)).toBe(4);
  expect(payer.charges).toEqual([1.5, 2.5]);
  expect(accounting.snapshot()).toMatchObject({ generated: 2, tokens: 8, costUsd: 4, coalescedTexts: 0 });
  const looks = await flights.look([...texts, { ...texts[0]!, text: 'new' }]);
  expect(looks.map(({ key }) => cache.values.has(key))).toEqual([true, true, false]);
  // Those whose vectors are written down elsewhere already.
  expect(flights.charge([4, 0], operation)).toBe(2);
  expect(payer.charges).toEqual([1.5, 2.5, 2, 0]);
  expect(accounting.snapshot()).toMatchObject({ generated: 4, tokens: 12, costUsd: 6 });
});
