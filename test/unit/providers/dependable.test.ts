import { describe, expect, test } from 'vitest';
import { EmbedQLError, ServerFailedError } from '../../../src/core/errors.ts';
import { silentLog } from '../../../src/core/surroundings.ts';
import { checkedModel } from '../../../src/providers/dependable/checked-model.ts';
import { ReliableModel } from '../../../src/providers/dependable/reliable-model.ts';
import { FakeModel, noEvents } from '../../support/fake-model.ts';
import { VirtualTime } from '../../support/virtual-time.ts';

function create({ retries = 0, timeoutMs = 120_000 } = {}) {
  const time = new VirtualTime();
  const fake = new FakeModel(time);
  const checked = checkedModel(
    {
      ...{ spec: fake.spec, remote: true },
      status: () => fake.status(),
      identity: () => fake.identity(),
      fit: (texts) => fake.fit(texts),
      countTokens: (texts) => fake.countTokens(texts),
      embed: (texts) => fake.embed(texts),
      close: () => fake.close(),
    },
    silentLog,
  );
  const options = { concurrency: 8, timeoutMs, retries, breakerMs: 10_000, clock: time };
  const model = new ReliableModel(
    [{ name: 'place', weight: 1, model: checked }],
    options,
    noEvents,
    silentLog,
  );
  /** What became of a call, once time has gone on as far as it takes. */
  const ask = async (...texts: string[]) => {
    const asked = model.embed(texts).then(
      () => 'ok',
      (error: EmbedQLError) => error,
    );
    await time.advance(20);
    return asked;
  };
  return { time, fake, model, ask };
}

const rateLimited = (retryAfterMs?: number) =>
  new EmbedQLError('RATE_LIMITED', 'later', retryAfterMs === undefined ? {} : { retryAfterMs });

describe('the breaker', () => {
  test('HTTP 500 for one text never opens it; a gateway’s 503 does, and says how long', async () => {
    const { time, fake, ask } = create();
    fake.behaviour.refuse = () => {
      throw new ServerFailedError('500', false);
    };
    for (let i = 0; i < 30; i++) expect(await ask(`text ${i}`)).toMatchObject({ message: '500' });
    expect(fake.calls).toHaveLength(30);
    fake.behaviour.refuse = () => {
      throw new ServerFailedError('503', true);
    };
    for (let i = 0; i < 8; i++) await ask('text');
    expect(await ask('text')).toMatchObject({
      code: 'PROVIDER_ERROR',
      retryable: true,
      retryAfterMs: 10_000,
    });
    expect(fake.calls).toHaveLength(38);
    fake.behaviour.refuse = () => {};
    await time.advance(10_000);
    expect(await ask('text')).toBe('ok');
  });
});

describe('a pause', () => {
  test('is one for all calls; afterwards one tries first, then the others together', async () => {
    const { time, fake, model } = create({ retries: 5 });
    fake.behaviour.refuse = () => {
      throw rateLimited(5_000);
    };
    const first = model.embed(['first']);
    await time.advance(20);
    fake.behaviour.refuse = () => {};
    fake.behaviour.embedMs = 1_000;
    const others = ['a', 'b', 'c', 'd'].map((text) => model.embed([text]));
    await time.advance(4_900);
    expect(fake.calls).toHaveLength(1);
    await time.advance(600);
    expect(fake.calls).toHaveLength(2);
    await time.advance(1_000);
    expect(fake.calls).toHaveLength(6);
    await time.advance(1_000);
    await Promise.all([first, ...others]);
    expect(fake.calls).toHaveLength(6);
  });

  test('that the first call meets again is kept by the others, too', async () => {
    const { time, fake, model } = create({ retries: 5 });
    fake.behaviour.refuse = () => {
      throw rateLimited(5_000);
    };
    const calls = ['a', 'b', 'c'].map((text) => model.embed([text]));
    await time.advance(20);
    const together = fake.calls.length;
    await time.advance(5_500);
    expect(fake.calls).toHaveLength(together + 1);
    fake.behaviour.refuse = () => {};
    await time.advance(20_000);
    await Promise.all(calls);
    expect(fake.calls).toHaveLength(together + 1 + 3);
  });

  test('that names no time is longer than the one after a failure', async () => {
    const { time, fake, model } = create({ retries: 1 });
    fake.behaviour.refuse = () => {
      throw rateLimited();
    };
    const call = model.embed(['text']).catch(() => 'failed');
    await time.advance(450);
    expect(fake.calls).toHaveLength(1);
    await time.advance(1_100);
    expect(fake.calls).toHaveLength(2);
    expect(await call).toBe('failed');
  });

  test('is 15 minutes at the most, and told at once where nobody waits that long', async () => {
    const { time, fake, ask } = create();
    fake.behaviour.refuse = () => {
      throw rateLimited(3_000_000_000);
    };
    expect(await ask('text')).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 900_000 });
    const told = (await ask('text')) as EmbedQLError;
    expect(told.retryAfterMs).toBeGreaterThan(890_000);
    expect(fake.calls).toHaveLength(1);
    fake.behaviour.refuse = () => {};
    await time.advance(900_000);
    expect(await ask('text')).toBe('ok');
  });
});
