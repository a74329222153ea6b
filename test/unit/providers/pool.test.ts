import { describe, expect, test } from 'vitest';
import { sleep } from '../../../src/core/clock.ts';
import { EmbedQLError, InputRefusedError, ServerFailedError } from '../../../src/core/errors.ts';
import type { CanaryCall, ProviderCall } from '../../../src/core/events.ts';
import type { EmbeddedText, ModelSpec } from '../../../src/core/model.ts';
import { type Log, type LogLine, silentLog } from '../../../src/core/surroundings.ts';
import { canaryText } from '../../../src/providers/dependable/canaries.ts';
import { checkedModel } from '../../../src/providers/dependable/checked-model.ts';
import { ReliableModel } from '../../../src/providers/dependable/reliable-model.ts';
import { noEvents } from '../../support/fake-model.ts';
import { VirtualTime } from '../../support/virtual-time.ts';

const spec: ModelSpec = {
  ...{ name: 'm', provider: 'fake', dimension: 2, maxBatchSize: 10, maxInputTokens: 100 },
  ...{ costPer1kTokens: 1, supportsDimensions: false },
};

/** What an endpoint does when it is asked. */
type Mode = 'well' | 'dead' | 'hangs' | 'busy' | 'another model' | 'wrong key' | 'fails with 500';

class Place {
  mode: Mode = 'well';
  ms = 100;
  available = true;
  /** Texts that it was given, the canary left out. */
  texts: string[] = [];
  calls = 0;
  canaries = 0;
  readonly time: VirtualTime;

  constructor(time: VirtualTime) {
    this.time = time;
  }

  async embed(texts: readonly string[], signal: AbortSignal): Promise<EmbeddedText[]> {
    const isCanary = texts[0] === canaryText;
    if (isCanary) this.canaries += 1;
    else this.calls += 1;
    const { mode } = this;
    if (mode === 'dead') throw new EmbedQLError('PROVIDER_ERROR', 'cannot be reached', { retryable: true });
    if (mode === 'busy') throw new EmbedQLError('RATE_LIMITED', 'busy', { retryAfterMs: 5_000 });
    if (mode === 'wrong key') throw new EmbedQLError('PROVIDER_ERROR', 'does not accept the key');
    if (mode === 'fails with 500') throw new ServerFailedError('500', false);
    if (mode === 'hangs') {
      await new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(new DOMException('gone', 'AbortError'))),
      );
    }
    await sleep(this.time, this.ms);
    if (!isCanary) this.texts.push(...texts);
    if (texts.includes('500 for it')) throw new ServerFailedError('500', false);
    if (texts.includes('refused')) throw new InputRefusedError('refused');
    if (texts.includes('nothing for it')) throw new EmbedQLError('PROVIDER_ERROR', 'a vector of nothing');
    const vector = mode === 'another model' ? [0, 1] : [1, 0.001];
    return texts.map(() => ({ vector: Float32Array.from(vector), tokens: 1 }));
  }
}

interface Line {
  level: string;
  message: string;
  endpoint?: string;
  reason?: string;
}

function create(weights: readonly number[], { retries = 3, timeoutMs = 2_000, seed = 1 } = {}) {
  const time = new VirtualTime(seed);
  const places = weights.map(() => new Place(time));
  const lines: Line[] = [];
  const line =
    (level: string): LogLine =>
    (fields: object | string, message?: string) =>
      void lines.push({ level, message: message ?? String(fields), ...(fields as object) });
  const log: Log = { ...silentLog, info: line('info'), warn: line('warn'), error: line('error') };
  const calls: ProviderCall[] = [];
  const canaries: CanaryCall[] = [];
  const events = {
    ...noEvents,
    providerCall: (call: ProviderCall) => void calls.push(call),
    canary: (call: CanaryCall) => void canaries.push(call),
  };
  const model = new ReliableModel(
    places.map((place, i) => ({
      ...{ name: `place-${i}`, weight: weights[i]! },
      model: checkedModel(
        {
          ...{ spec, remote: true },
          status: () => ({ available: place.available, loaded: place.available, reason: 'needs KEY' }),
          identity: async () => 'm',
          fit: async (texts) => texts.map((text) => ({ text, maxTokens: text.length, truncated: false })),
          embed: (texts, signal) => place.embed(texts, signal),
          close: async () => {},
        },
        silentLog,
      ),
    })),
    { concurrency: 8, timeoutMs, retries, breakerMs: 10_000, clock: time },
    events,
    log,
  );
  const failures: unknown[] = [];
  let sent = 0;
  /** Callers who each ask again as soon as they have an answer. */
  const load = (callers: number) => {
    let stopped = false;
    const done = Array.from({ length: callers }, async () => {
      while (!stopped) {
        sent += 1;
        const text = `text ${sent}`;
        await model
          .embed([text], { maxTokens: Math.ceil(20 * time.random()) })
          .catch((error) => failures.push(error));
      }
    });
    return {
      stop: async () => {
        stopped = true;
        await time.advance(60_000);
        await Promise.all(done);
      },
    };
  };
  const shares = () => {
    const before = places.map(({ calls }) => calls);
    return () => {
      const made = places.map(({ calls }, i) => calls - before[i]!);
      const all = made.reduce((sum, count) => sum + count, 0);
      return made.map((count) => count / all);
    };
  };
  const healthy = () => model.endpoints().map((endpoint) => endpoint.healthy);
  return { time, places, model, lines, calls, canaries, failures, load, shares, healthy };
}

/** What became of a call, once time has gone on. */
async function outcome(time: VirtualTime, call: Promise<unknown>, ms = 60_000): Promise<unknown> {
  const settled = call.then(
    () => 'ok',
    (error: unknown) => error,
  );
  await time.advance(ms);
  return settled;
}

describe('calls', () => {
  test.each([[[1, 1, 1]], [[3, 1]], [[5, 2, 1]]])('go to endpoints by their weights %j', async (weights) => {
    for (const callers of [1, 2, 8]) {
      const { time, load, shares, failures, model } = create(weights);
      const under = load(callers);
      await time.advance(5_000);
      const share = shares();
      await time.advance(120_000);
      const sum = weights.reduce((a, b) => a + b);
      for (const [i, part] of share().entries())
        expect(Math.abs(part - weights[i]! / sum) / (weights[i]! / sum), `${callers} callers`).toBeLessThan(
          0.1,
        );
      await under.stop();
      expect(failures).toEqual([]);
      await model.close();
    }
  });

  test('go less to an endpoint that is slower', async () => {
    const { time, places, load, shares, model } = create([1, 1]);
    places[1]!.ms = 400;
    const under = load(8);
    const share = shares();
    await time.advance(60_000);
    expect(share()[0]).toBeGreaterThan(0.55);
    await under.stop();
    await model.close();
  });

  test('are never more than the model may have', async () => {
    const { time, load, model, places } = create([1, 1]);
    const under = load(4);
    await time.advance(1_000);
    expect(model.concurrency).toBe(8);
    expect(model.endpoints().reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(4);
    places[0]!.mode = 'busy';
    await time.advance(1_000);
    expect(model.concurrency).toBeLessThanOrEqual(8);
    await under.stop();
    expect(model.endpoints().map(({ inFlight }) => inFlight)).toEqual([0, 0]);
    await model.close();
  });
});

test('two of three die, hang, are busy and come back, under load: nobody notices, and each gets its share again', async () => {
  for (const seed of [1, 2]) {
    const world = create([2, 1, 1], { seed });
    const { time, places, load, shares, failures, healthy, lines, model } = world;
    const under = load(8);
    await time.advance(10_000);
    for (const modes of [
      ['dead', 'dead'],
      ['hangs', 'hangs'],
      ['busy', 'busy'],
      ['hangs', 'dead'],
      ['fails with 500', 'wrong key'],
    ] as const) {
      for (const away of [
        [0, 1],
        [1, 2],
        [0, 2],
      ]) {
        for (const [n, i] of away.entries()) places[i]!.mode = modes[n]!;
        await time.advance(45_000);
        const told = places.map((_, i) => !away.includes(i));
        expect(healthy(), modes.join()).toEqual(told);
        const only = shares();
        await time.advance(10_000);
        expect(Math.max(...only())).toBe(1);
        for (const place of places) place.mode = 'well';
        await time.advance(25_000);
        expect(healthy()).toEqual([true, true, true]);
        const share = shares();
        await time.advance(60_000);
        for (const [i, part] of share().entries()) {
          const meant = [0.5, 0.25, 0.25][i]!;
          expect(Math.abs(part - meant) / meant, `${modes} ${away}: ${share()}`).toBeLessThan(0.1);
        }
      }
    }
    await under.stop();
    expect(failures).toEqual([]);
    const outs = lines.filter(({ message }) => message === 'endpoint is out');
    const backs = lines.filter(({ message }) => message === 'endpoint is back');
    expect(outs).toHaveLength(30);
    expect(backs).toHaveLength(30);
    for (const { reason } of outs) expect(reason).toBeTruthy();
    await model.close();
  }
});

describe('a failed attempt', () => {
  test('fails nobody whose call was on its way when the breaker opened', async () => {
    for (let turns = 0; turns < 40; turns++) {
      const { time, places, model } = create([1, 1]);
      await outcome(time, model.embed(['warm']), 1_000);
      places[0]!.mode = 'dead';
      const calls = [1, 2, 3, 4, 5, 6].map((n) => model.embed([`first ${n}`]));
      for (let i = 0; i < turns; i++) await null;
      calls.push(...[1, 2, 3, 4].map((n) => model.embed([`later ${n}`])));
      const settled = Promise.allSettled(calls);
      await time.advance(5_000);
      expect(
        (await settled).filter(({ status }) => status === 'rejected'),
        `${turns} turns`,
      ).toEqual([]);
      await model.close();
    }
  });

  test('is tried again once the pause is over, though a canary was under way when it began', async () => {
    const { time, places, model } = create([1, 1]);
    await outcome(time, model.embed(['warm']), 1_000);
    // They answered first after 100 ms, and do so again an hour later.
    await time.advance(3_599_150);
    for (const place of places) place.mode = 'busy';
    const call = model.embed(['cat']).then(() => 'answered');
    for (const place of places) expect(place.canaries).toBe(2);
    await time.advance(1_000);
    for (const place of places) place.mode = 'well';
    await time.advance(5_000);
    expect(await Promise.race([call, 'still waits'])).toBe('answered');
    await model.close();
  });

  test('goes to another endpoint at once, within the same number of attempts', async () => {
    const { time, places, model, calls } = create([1, 1, 1], { retries: 2 });
    await outcome(time, model.embed(['warm']), 1_000);
    const before = calls.length;
    for (const place of places.slice(0, 2)) place.mode = 'dead';
    places[2]!.ms = 10;
    const started = time.now();
    let endedAt = 0;
    for (let i = 0; i < 6; i++) {
      const asked = model.embed([`text ${i}`]).then(() => {
        endedAt = time.now();
      });
      expect(await outcome(time, asked, 10)).toBe('ok');
      expect(endedAt - started).toBeLessThanOrEqual(10 * (i + 1));
    }
    const attempts = calls.slice(before).length;
    expect(attempts).toBeGreaterThan(6);
    expect(attempts).toBeLessThanOrEqual(6 * 3);
    for (const place of places) place.mode = 'dead';
    const dead = calls.length;
    expect(await outcome(time, model.embed(['none']))).toMatchObject({ code: 'PROVIDER_ERROR' });
    expect(calls.length - dead).toBeLessThanOrEqual(3);
    await model.close();
  });

  test('for a text that is refused, or a part that has failed everywhere, goes nowhere else', async () => {
    const { time, model, places } = create([1, 1]);
    await outcome(time, model.embed(['warm']), 1_000);
    const made = () => places[0]!.calls + places[1]!.calls;
    const before = made();
    expect(await outcome(time, model.embed(['refused']))).toBeInstanceOf(InputRefusedError);
    expect(made()).toBe(before + 1);
    for (const place of places) place.mode = 'fails with 500';
    expect(await outcome(time, model.embed(['x'], { retryServerFailures: false }))).toBeInstanceOf(
      ServerFailedError,
    );
    expect(made()).toBe(before + 2);
    await model.close();
  });

  test('of a text for which there is no vector takes no endpoint from the others', async () => {
    const { time, model, healthy, failures, load } = create([1, 1, 1]);
    const under = load(4);
    await time.advance(20_000);
    for (let i = 0; i < 20; i++)
      expect(await outcome(time, model.embed(['nothing for it']), 2_000)).toMatchObject({
        code: 'PROVIDER_ERROR',
      });
    expect(healthy()).toEqual([true, true, true]);
    await under.stop();
    expect(failures).toEqual([]);
    await model.close();
  });

  test('with HTTP 500 for one text opens no breaker', async () => {
    const { time, model, places, healthy } = create([1, 1]);
    await outcome(time, model.embed(['warm']), 1_000);
    for (let i = 0; i < 10; i++)
      expect(await outcome(time, model.embed(['500 for it']), 20_000)).toBeInstanceOf(ServerFailedError);
    expect(healthy()).toEqual([true, true]);
    // Whether it is the text or the endpoint, the canary has said.
    expect(places.every(({ canaries }) => canaries > 1)).toBe(true);
    await model.close();
  });
});

describe('the canary', () => {
  test('comes before the first text, once for each endpoint, and every hour', async () => {
    const { time, model, places, canaries, lines } = create([1, 1, 1]);
    await time.advance(3 * 3_600_000);
    expect(places.map((place) => place.canaries)).toEqual([0, 0, 0]);
    const asked = outcome(time, model.embed(['first']), 1_000);
    await asked;
    expect(places.map((place) => place.canaries)).toEqual([1, 1, 1]);
    expect(places.flatMap(({ texts }) => texts)).toEqual(['first']);
    await time.advance(3 * 3_600_000);
    expect(places.map((place) => place.canaries)).toEqual([4, 4, 4]);
    expect(canaries).toHaveLength(12);
    for (const call of canaries) expect(call).toMatchObject({ model: 'm', outcome: 'ok', tokens: 1 });
    expect(lines.map(({ message }) => message)).toEqual(Array(3).fill('endpoint is in use'));
    await model.close();
    await time.advance(3 * 3_600_000);
    expect(places.map((place) => place.canaries)).toEqual([4, 4, 4]);
  });

  test.each([0, 1, 2])(
    'finds the one of three that serves another model: number %i, whatever the order',
    async (rogue) => {
      for (const order of [
        [10, 500, 500],
        [500, 10, 500],
        [500, 500, 10],
        [900, 300, 300],
      ]) {
        const { time, model, places, healthy, failures, load, lines } = create([1, 1, 1]);
        for (const [i, place] of places.entries()) place.ms = order[i]!;
        places[rogue]!.mode = 'another model';
        const under = load(8);
        await time.advance(100_000);
        expect(places[rogue]!.texts).toEqual([]);
        expect(healthy()).toEqual([0, 1, 2].map((i) => i !== rogue));
        expect(model.endpoints()[rogue]!.reason).toMatch(/differs from the others' \(cosine 0\.001\)/);
        expect(lines.filter(({ level }) => level === 'error')).toMatchObject([
          { message: 'endpoint is shut out', endpoint: `place-${rogue}` },
        ]);
        // Somebody mends it.
        places[rogue]!.mode = 'well';
        await time.advance(61_000);
        expect(healthy()).toEqual([true, true, true]);
        expect(places[rogue]!.texts.length).toBeGreaterThan(0);
        await under.stop();
        expect(failures).toEqual([]);
        await model.close();
      }
    },
  );

  test('believes the first of two, and waits for it before it believes the second', async () => {
    const { time, model, places, healthy } = create([1, 1]);
    places[1]!.mode = 'another model';
    places[0]!.ms = 1_500;
    places[1]!.ms = 10;
    expect(await outcome(time, model.embed(['text']), 10_000)).toBe('ok');
    expect(places[1]!.texts).toEqual([]);
    expect(healthy()).toEqual([true, false]);
    await model.close();
  });

  test('gives nobody’s text to an endpoint that has become another model while it was away', async () => {
    const { time, model, places, failures, load, healthy } = create([1, 1, 1]);
    const under = load(8);
    await time.advance(5_000);
    places[1]!.mode = 'dead';
    await time.advance(15_000);
    const before = places[1]!.texts.length;
    places[1]!.mode = 'another model';
    await time.advance(100_000);
    expect(places[1]!.texts).toHaveLength(before);
    expect(healthy()).toEqual([true, false, true]);
    await under.stop();
    expect(failures).toEqual([]);
    await model.close();
  });

  test('is sent again at once where the first one failed at all of them, so that one bad moment fails nobody', async () => {
    const { time, places, model } = create([1, 1]);
    for (const place of places) {
      const embed = place.embed.bind(place);
      place.embed = async () => {
        place.embed = embed;
        throw new ServerFailedError('503', true);
      };
    }
    expect(await outcome(time, model.embed(['cat']), 1_000)).toBe('ok');
    await model.close();
  });

  test('that nobody answers in time lets the others begin', async () => {
    const { time, model, places, healthy } = create([1, 1], { timeoutMs: 30_000 });
    places[0]!.mode = 'hangs';
    expect(await outcome(time, model.embed(['text']), 11_000)).toBe('ok');
    expect(healthy()).toEqual([false, true]);
    await model.close();
  });

  test('outvoted later, an endpoint is shut out, and it is said that texts went there', async () => {
    const { time, model, places, healthy, lines } = create([1, 1, 1]);
    places[0]!.mode = 'another model';
    places[2]!.mode = 'dead';
    // One against one: the first that is listed is believed.
    expect(await outcome(time, model.embed(['text']), 5_000)).toBe('ok');
    expect(healthy()).toEqual([true, false, false]);
    places[2]!.mode = 'well';
    await time.advance(20_000);
    expect(healthy()).toEqual([false, true, true]);
    expect(lines.some(({ message }) => message.includes('clear the cache'))).toBe(true);
    await model.close();
  });

  test('is not asked of an endpoint without its key; the others serve', async () => {
    const { time, model, places, healthy } = create([1, 1]);
    places[0]!.available = false;
    expect(model.status().available).toBe(true);
    expect(await outcome(time, model.embed(['text']), 5_000)).toBe('ok');
    expect(places[0]!.canaries).toBe(0);
    expect(healthy()).toEqual([false, true]);
    expect(model.endpoints()[0]!.reason).toBe('needs KEY');
    await model.close();
  });
});

describe('where there is nobody', () => {
  test('the error says of each why, and passes', async () => {
    const { time, model, places } = create([1, 1]);
    places[0]!.mode = 'wrong key';
    places[1]!.mode = 'dead';
    const error = (await outcome(time, model.embed(['text']))) as EmbedQLError;
    expect(error).toMatchObject({ code: 'PROVIDER_ERROR', retryable: true, retryAfterMs: 10_000 });
    expect(error.message).toMatch(
      /No endpoint of m can be used.*place-0: does not accept the key.*place-1: cannot be reached/,
    );
    for (const place of places) place.mode = 'well';
    await time.advance(10_000);
    expect(await outcome(time, model.embed(['text']), 5_000)).toBe('ok');
    await model.close();
  });

  /** 503 to everybody until a time. */
  const outUntil = (world: ReturnType<typeof create>, until: number) => {
    for (const place of world.places) {
      const embed = place.embed.bind(place);
      place.embed = async (texts, signal) => {
        if (world.time.now() >= until) return embed(texts, signal);
        if (texts[0] === canaryText) place.canaries += 1;
        else place.calls += 1;
        throw new ServerFailedError('503', true);
      };
    }
  };

  test.each([[[1]], [[1, 1]], [[2, 1, 1]]])(
    'for a moment, from the start or later, nobody fails for it: %j',
    async (weights) => {
      for (const seed of [1, 2, 3, 4, 5]) {
        const fresh = create(weights, { seed });
        outUntil(fresh, fresh.time.now() + 20);
        expect(await outcome(fresh.time, fresh.model.embed(['first']), 8_000)).toBe('ok');
        await fresh.model.close();

        const world = create(weights, { seed, retries: 4 });
        expect(await outcome(world.time, world.model.embed(['warm']), 20_000)).toBe('ok');
        outUntil(world, world.time.now() + 5);
        const asked = Promise.allSettled(['a', 'b'].map((text) => world.model.embed([text])));
        await world.time.advance(8_000);
        expect(
          (await asked).filter(({ status }) => status === 'rejected'),
          `seed ${seed}`,
        ).toEqual([]);
        await world.model.close();
      }
    },
  );

  test('is found out once for all who wait, with as many attempts as are allowed, and then told at once', async () => {
    const world = create([1, 1], { retries: 3, timeoutMs: 30_000 });
    const { time, model, places } = world;
    outUntil(world, time.now() + 3_600_000);
    const asked = Promise.allSettled(Array.from({ length: 20 }, (_, i) => model.embed([`text ${i}`])));
    await time.advance(5_000);
    for (const one of await asked)
      expect(one).toMatchObject({ reason: { code: 'PROVIDER_ERROR', retryable: true } });
    expect(places.map(({ calls, canaries }) => [calls, canaries])).toEqual([
      [0, 5],
      [0, 5],
    ]);
    expect(await outcome(time, model.embed(['later']), 0)).toMatchObject({ code: 'PROVIDER_ERROR' });
    expect(places.map(({ canaries }) => canaries)).toEqual([5, 5]);
    await model.close();
  });

  test('is not waited for after close, nor once another has answered', async () => {
    const closing = create([1, 1]);
    outUntil(closing, closing.time.now() + 3_600_000);
    const left = outcome(closing.time, closing.model.embed(['text']), 1);
    await closing.model.close();
    expect(await left).toMatchObject({ code: 'PROVIDER_ERROR' });
    const before = closing.places.map(({ canaries }) => canaries);
    await closing.time.advance(60_000);
    expect(closing.places.map(({ canaries }) => canaries)).toEqual(before);

    const hanging = create([1, 1]);
    for (const place of hanging.places) place.mode = 'hangs';
    const waiting = hanging.model.embed(['text']).catch((error: unknown) => error);
    await hanging.time.advance(10);
    await hanging.model.close();
    await hanging.time.advance(2_000);
    expect(await waiting).toMatchObject({ code: 'PROVIDER_ERROR' });

    const pausing = create([1, 1], { timeoutMs: 20_000 });
    expect(await outcome(pausing.time, pausing.model.embed(['warm']), 1_000)).toBe('ok');
    for (const place of pausing.places) place.mode = 'busy';
    const patient = pausing.model.embed(['text']).catch((error: unknown) => error);
    await pausing.time.advance(1_000);
    await pausing.model.close();
    await pausing.time.advance(10);
    expect(await Promise.race([patient, 'waits'])).toMatchObject({ code: 'PROVIDER_ERROR' });

    const { time, places, model, healthy } = create([1, 1]);
    places[0]!.mode = 'dead';
    expect(await outcome(time, model.embed(['text']), 201)).toBe('ok');
    expect(healthy()).toEqual([false, true]);
    await model.close();
  });

  test('because all ask for a pause, it is waited for, or told at once where nobody waits that long', async () => {
    const { time, model, places } = create([1, 1], { timeoutMs: 5_000 });
    expect(await outcome(time, model.embed(['warm']), 1_000)).toBe('ok');
    for (const place of places) place.mode = 'busy';
    const waiting = model.embed(['text']).then(() => 'ok');
    await time.advance(1_000);
    expect(model.endpoints()).toMatchObject([
      { healthy: false, reason: 'It asks for a pause.' },
      { healthy: false },
    ]);
    for (const place of places) place.mode = 'well';
    await time.advance(10_000);
    expect(await waiting).toBe('ok');
    const impatient = create([1, 1], { timeoutMs: 100, retries: 0 });
    for (const place of impatient.places) place.ms = 10;
    expect(await outcome(impatient.time, impatient.model.embed(['warm']), 1_000)).toBe('ok');
    for (const place of impatient.places) place.mode = 'busy';
    for (let i = 0; i < 3; i++)
      expect(await outcome(impatient.time, impatient.model.embed(['text']), 500)).toMatchObject({
        code: 'RATE_LIMITED',
      });
    await model.close();
    await impatient.model.close();
  });
});
