import { describe, expect, test } from 'vitest';
import { BatchLimit } from '../../../src/core/batch-limit.ts';
import { EmbedQLError, InputRefusedError, ServerFailedError } from '../../../src/core/errors.ts';
import { Places } from '../../../src/core/places.ts';
import { type Computed, Sender, type SendTask } from '../../../src/core/sender.ts';
import { noTracer } from '../../../src/core/tracing.ts';
import { FakeModel, noEvents } from '../../support/fake-model.ts';
import { VirtualTime } from '../../support/virtual-time.ts';

function create(maxBatchSize = 100) {
  const time = new VirtualTime();
  const model = new FakeModel(time, { maxBatchSize });
  const limit = new BatchLimit({ size: maxBatchSize, tokens: 1_000_000 }, time, () => {});
  const outcomes = new Map<string, Array<Computed | Error>>();
  const sender = new Sender<SendTask>({
    model,
    places: new Places(() => model.concurrency),
    limit,
    events: noEvents,
    tracer: noTracer,
    settle: (tasks, results) => {
      for (const [i, { text }] of tasks.entries())
        outcomes.set(text, [...(outcomes.get(text) ?? []), results[i]!]);
    },
  });
  const group = { draw: () => {} };
  const task = (text: string): SendTask => ({
    text,
    group,
    kind: 'doc',
    maxBatchSize,
    maxTokens: text.length,
    submittedAt: 0,
  });
  /** Sends texts as one batch. @returns the further calls that it took */
  const send = async (texts: readonly string[]) => {
    const before = model.calls.length;
    const sending = sender.send(texts.map(task));
    if (model.behaviour.embedMs > 0) expect(await time.drain()).toBe(true);
    await sending;
    return model.calls.length - before - 1;
  };
  return { time, model, limit, outcomes, send };
}

const texts = (n: number) => Array.from({ length: n }, (_, i) => `text ${i}`);

/** Every text has been settled once: those for whom `failed` is true with an error. */
function expectSettledOnce(
  outcomes: ReadonlyMap<string, ReadonlyArray<Computed | Error>>,
  asked: readonly string[],
  failed: (text: string) => boolean,
) {
  const wrong = asked.filter((text) => {
    const [outcome, ...more] = outcomes.get(text) ?? [];
    const isRight = failed(text)
      ? outcome instanceof EmbedQLError
      : outcome !== undefined && 'vector' in outcome && outcome.vector[0] === text.length;
    return !isRight || more.length > 0;
  });
  expect([wrong, outcomes.size]).toEqual([[], asked.length]);
}

describe('one text that a provider refuses', () => {
  test('is found in at most 2 · log₂(n) further calls, in a batch of any size and at any place', async () => {
    for (let n = 1; n <= 120; n++) {
      const asked = texts(n);
      for (let poison = 0; poison < n; poison++) {
        const { model, outcomes, send } = create(n);
        const culprit = asked[poison]!;
        model.behaviour.embedMs = 0;
        model.behaviour.refuse = (sent) => {
          if (sent.includes(culprit)) throw new InputRefusedError('no');
        };
        const further = await send(asked);
        if (further > Math.ceil(2 * Math.log2(n))) expect.fail(`${further} calls for ${poison} of ${n}`);
        expectSettledOnce(outcomes, asked, (text) => text === culprit);
      }
    }
  });

  test('and so are several, each alone to blame', async () => {
    const asked = texts(100);
    for (let seed = 0; seed < 200; seed++) {
      const { model, outcomes, send, time } = create();
      const culprits = new Set(
        Array.from({ length: 2 + (seed % 5) }, () => `text ${((seed * 7919) ^ (time.random() * 1e6)) % 100}`),
      );
      model.behaviour.refuse = (sent) => {
        if (sent.some((text) => culprits.has(text))) throw new InputRefusedError('no');
      };
      const further = await send(asked);
      expect(further).toBeLessThanOrEqual(culprits.size * 2 * Math.log2(100));
      expectSettledOnce(outcomes, asked, (text) => culprits.has(text));
    }
  });

  test('says nothing about the number of texts that a call may carry', async () => {
    const { model, limit, send } = create();
    model.behaviour.refuse = (sent) => {
      if (sent.includes('text 3')) throw new InputRefusedError('no');
    };
    await send(texts(100));
    expect(limit.current.size).toBe(100);
  });

  test('is looked for within the limit of calls in flight', async () => {
    const { model, send } = create();
    model.concurrency = 2;
    model.behaviour.refuse = (sent) => {
      if (sent.some((text) => Number(text.slice(5)) % 9 === 0)) throw new InputRefusedError('no');
    };
    await send(texts(100));
    expect(model.mostInFlight).toBe(2);
  });
});

describe('a failure of the server', () => {
  test('is divided like a refusal, without trying parts again and again, and learns no size', async () => {
    const { model, limit, outcomes, send } = create();
    model.behaviour.refuse = (sent) => {
      if (sent.includes('text 17')) throw new ServerFailedError('500', false);
    };
    const asked = texts(100);
    expect(await send(asked)).toBeLessThanOrEqual(2 * Math.log2(100));
    expectSettledOnce(outcomes, asked, (text) => text === 'text 17');
    expect(model.calls.map(({ options }) => options?.retryServerFailures)).toEqual([
      undefined,
      ...model.calls.slice(1).map(() => false),
    ]);
    expect(limit.current.size).toBe(100);
  });

  test('that has passed when the parts are sent learns no size either', async () => {
    const { model, limit, outcomes, send } = create();
    model.behaviour.refuse = (sent) => {
      if (sent.length === 100) throw new ServerFailedError('500', false);
    };
    await send(texts(100));
    expectSettledOnce(outcomes, texts(100), () => false);
    expect(limit.current.size).toBe(100);
  });
});

test('any other failure is everybody’s, in one call', async () => {
  for (const failure of [
    new EmbedQLError('RATE_LIMITED', 'later'),
    new EmbedQLError('PROVIDER_TIMEOUT', 'late'),
    new TypeError('a bug'),
  ]) {
    const { model, outcomes, send } = create();
    model.behaviour.refuse = () => {
      throw failure;
    };
    expect(await send(texts(100))).toBe(0);
    expectSettledOnce(outcomes, texts(100), () => true);
  }
});

test('an answer that is too short is nobody’s', async () => {
  const { model, outcomes, send } = create();
  const embed = model.embed.bind(model);
  model.embed = async (sent, options) => (await embed(sent, options)).slice(1);
  await send(texts(3));
  expectSettledOnce(outcomes, texts(3), () => true);
});

describe('a provider that takes fewer texts than its entry says', () => {
  test('is asked at most 1.8 times as often as it has to be, once it has refused a batch', async () => {
    for (let truth = 1; truth <= 99; truth++) {
      const { model, limit, time, send, outcomes } = create();
      model.behaviour.embedMs = 0;
      model.behaviour.refuse = (sent) => {
        if (sent.length > truth) throw new InputRefusedError('too many');
      };
      // Each 100 tokens: that the tokens were not why is for the provider to know.
      const long = (from: number, n: number) =>
        Array.from({ length: n }, (_, i) => `${from + i} `.padEnd(100, 'x'));
      await send(long(0, 100));
      expectSettledOnce(outcomes, long(0, 100), () => false);
      const before = model.calls.length;
      for (const n of [100, 1_000]) {
        const begun = model.calls.length;
        let sent = 0;
        while (sent < n) {
          const size = Math.min(limit.next().size, n - sent);
          expect(await send(long(10_000 + sent, size)), `limit ${truth}`).toBe(0);
          sent += size;
        }
        const calls = model.calls.length - begun;
        expect(calls, `${n} texts, limit ${truth}`).toBeLessThanOrEqual(1.8 * Math.ceil(n / truth));
      }
      expect(Math.max(...model.calls.slice(before).map((call) => call.texts.length))).toBeLessThanOrEqual(
        truth,
      );
      await time.advance(60_000);
      expect([limit.next().size, limit.next().size]).toEqual([100, limit.current.size]);
    }
  });

  test('and one that takes less and less is followed', async () => {
    const { model, limit, send } = create();
    for (const truth of [50, 20, 7, 1]) {
      model.behaviour.refuse = (sent) => {
        if (sent.length > truth) throw new InputRefusedError('too many');
      };
      await send(texts(limit.current.size));
      expect(limit.current.size).toBeLessThanOrEqual(truth);
    }
  });
});
