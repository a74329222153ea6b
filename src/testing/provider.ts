import assert from 'node:assert/strict';
import { EmbedQLError, InputRefusedError } from '../core/errors.ts';
import type { EmbeddedText, ModelSpec, TextKind } from '../core/model.ts';
import { type Environment, silentLog, silentProgress } from '../core/surroundings.ts';
import { readOptions } from '../providers/options.ts';
import type { Provider, ProviderModel } from '../providers/provider.ts';
import { type ContractTest, cosine } from './contract.ts';

/** A provider to be tested, and what its service does in the cases that only its author can bring about. */
export interface ProviderContract {
  readonly provider: Provider;
  /** A model of it, as an entry of the models file: the provider's options stand in `options`, unread. */
  readonly model: Partial<Omit<ModelSpec, 'options'>> &
    Pick<ModelSpec, 'name' | 'dimension'> & { readonly options?: object };
  /** The environment in which the model can be asked. Default: empty. */
  readonly env?: Environment;
  /** Where weights are, for models that are computed with on this machine. */
  readonly modelsDir?: string;
  /** An environment in which it cannot, because a key is missing. Without it that is not tested. */
  readonly envWithoutKey?: Environment;
  /** A text that the service refuses. Without it that is not tested. */
  readonly refusedText?: string;
  /** Makes the service fail once in a way that passes, such as HTTP 503. Without it that is not tested. */
  readonly failOnce?: () => void;
  /** Makes the service not answer the next call. Without it, only a signal that has been aborted before is tested. */
  readonly hangOnce?: () => void;
}

/** Different enough for any model to tell apart, and of different lengths. */
const samples = [
  'A cat purrs on the windowsill.',
  'Interest rates rose by half a percent.',
  'λ',
  'How do I bake bread without yeast? Flour, water, salt and some patience are enough for a flat one.',
];

/** A signal of its own for each call: nobody aborts it. */
const never = () => new AbortController().signal;

const asDocuments = { kind: 'doc' } as const;

/** All texts, in as many calls as the model's batch size asks for. */
async function call(
  model: ProviderModel,
  texts: readonly string[],
  options: { kind: TextKind } = asDocuments,
): Promise<EmbeddedText[]> {
  const { maxBatchSize } = model.spec;
  const embedded: EmbeddedText[] = [];
  for (let from = 0; from < texts.length; from += maxBatchSize)
    embedded.push(...(await model.embed(texts.slice(from, from + maxBatchSize), never(), options)));
  return embedded;
}

/**
 * What the core relies on, as tests for any runner. Tests of what the given service cannot show are left out of the list.
 *
 * @example
 * import { test } from 'node:test';
 * import { testProvider } from 'embedql/testing';
 * import acme from './acme.mjs';
 *
 * const model = { name: 'acme-embed', dimension: 768, options: { baseUrl: 'http://127.0.0.1:9000' } };
 * for (const { name, run } of testProvider({ provider: acme, model, env: { ACME_KEY: 'k' } })) test(name, run);
 */
export function testProvider(contract: ProviderContract): ContractTest[] {
  const { provider, refusedText, failOnce, hangOnce, envWithoutKey, env = {} } = contract;
  const tests: ContractTest[] = [];
  const open = (environment = env): ProviderModel => {
    const spec = {
      maxBatchSize: 100,
      maxInputTokens: 8_191,
      costPer1kTokens: null,
      supportsDimensions: false,
      ...provider.defaults,
      ...contract.model,
      provider: provider.name,
      options: readOptions(provider.options ?? {}, { ...contract.model.options }),
    };
    const modelsDir = contract.modelsDir ?? '';
    return provider.open(spec, { env: environment, modelsDir, log: silentLog, progress: silentProgress });
  };
  const check = (name: string, run: (model: ProviderModel) => Promise<void>, environment = env): void => {
    tests.push({
      name: `${provider.name}: ${name}`,
      async run() {
        const model = open(environment);
        try {
          await run(model);
        } finally {
          await model.close();
        }
      },
    });
  };
  /** As the core does: fitted first, then one call. */
  const embed = async (model: ProviderModel, texts: readonly string[], kind: TextKind = 'doc') => {
    await model.identity();
    const fitted = await model.fit(texts);
    return call(
      model,
      fitted.map(({ text }) => text),
      { kind },
    );
  };

  check('has a name, and gives a model with the specification that it was given', async (model) => {
    assert.match(provider.name, /^[\w.-]{1,64}$/);
    assert.equal(model.spec.name, contract.model.name);
    assert.equal(model.spec.dimension, contract.model.dimension);
    assert.equal(typeof model.remote, 'boolean');
  });

  check('can be asked, and is loaded once it has answered', async (model) => {
    const { available, loaded } = model.status();
    assert.deepEqual([available, typeof loaded], [true, 'boolean']);
    await embed(model, samples.slice(0, 1));
    const after = model.status();
    assert.deepEqual([after.available, after.loaded], [true, true]);
  });

  check('has an identity that stays the same, for another instance too', async (model) => {
    const identity = await model.identity();
    assert.match(identity, /^\S+$/, 'an identity is part of a cache key, so it has no blanks');
    assert.equal(await model.identity(), identity);
    const other = open();
    assert.equal(await other.identity(), identity);
    await other.close();
  });

  check('gives a complete vector and a token count for every text', async (model) => {
    checkEmbedded(await embed(model, samples), samples.length, model.spec);
    checkEmbedded(await embed(model, samples.slice(0, 1)), 1, model.spec);
  });

  check('fills a batch of the largest size', async (model) => {
    const texts = Array.from({ length: model.spec.maxBatchSize }, (_, i) => `text number ${i}`);
    checkEmbedded(await embed(model, texts), texts.length, model.spec);
  });

  check('keeps the order, whatever stands beside a text', async (model) => {
    const forward = await embed(model, samples);
    const backward = (await embed(model, samples.toReversed())).toReversed();
    for (const [i, { vector }] of forward.entries()) {
      for (const [j, { vector: other }] of backward.entries()) {
        const likeness = cosine(vector, other);
        if (i === j)
          assert.ok(likeness > 0.999, `text ${i} has another vector in another order (${likeness})`);
        else assert.ok(likeness < 0.999, `texts ${i} and ${j} have the same vector`);
      }
    }
  });

  check('gives each of two equal texts its vector', async (model) => {
    const [first, , second] = await embed(model, [samples[0]!, samples[1]!, samples[0]!]);
    assert.ok(cosine(first!.vector, second!.vector) > 0.999);
  });

  check('answers calls that are under way at the same time each with its own', async (model) => {
    await embed(model, samples.slice(0, 1));
    const alone = await Promise.all(samples.map((text) => embed(model, [text])));
    const together = await embed(model, samples);
    for (const [i, { vector }] of together.entries()) assert.ok(cosine(vector, alone[i]![0]!.vector) > 0.999);
  });

  check('embeds a text as what it is, where it tells documents and queries apart', async (model) => {
    await model.identity();
    if (!model.distinguishesKinds) return;
    const documents = await embed(model, samples, 'doc');
    const queries = await embed(model, samples, 'query');
    for (const [i, { vector }] of documents.entries()) {
      const likeness = cosine(vector, queries[i]!.vector);
      assert.ok(likeness < 0.99999, `text ${i} has the same vector as a document and as a query`);
    }
  });

  check('cuts a text to its limit, at no place inside a character', async (model) => {
    const { maxInputTokens } = model.spec;
    const long = '🙂 purr '.repeat(maxInputTokens);
    // One more at the start, so that a cut by UTF-16 units falls on the other half of a character, too.
    const texts = ['short', long, `x${long}`];
    const fitted = await model.fit(texts);
    assert.equal(fitted.length, texts.length);
    assert.deepEqual({ ...fitted[0], maxTokens: 0 }, { text: 'short', maxTokens: 0, truncated: false });
    for (const [i, { text, truncated, maxTokens }] of fitted.entries()) {
      assert.ok(texts[i]!.startsWith(text), 'a text is cut at its end');
      // Half a character does not survive UTF-8.
      assert.equal(Buffer.from(text).toString(), text, 'half a character is left');
      assert.equal(truncated, i > 0);
      assert.ok(maxTokens >= 1 && maxTokens <= maxInputTokens, `maxTokens is ${maxTokens}`);
    }
    const embedded = await call(
      model,
      fitted.map(({ text }) => text),
    );
    checkEmbedded(embedded, texts.length, model.spec);
    for (const [i, { tokens }] of embedded.entries())
      assert.ok(tokens <= fitted[i]!.maxTokens, `${tokens} tokens were charged, more than "fit" said`);
  });

  check('counts tokens, if it does, as many times as there are texts', async (model) => {
    await model.identity();
    const counts = (await model.countTokens?.(samples)) ?? samples.map(() => 1);
    assert.equal(counts.length, samples.length);
    for (const count of counts) assert.ok(Number.isSafeInteger(count) && count > 0, `${count} tokens`);
  });

  if (open().remote) {
    check('gives up at once when the signal has been aborted', async (model) => {
      await model.identity();
      await assert.rejects(model.embed(samples.slice(0, 1), AbortSignal.abort(), asDocuments));
    });
  }

  if (hangOnce) {
    check('gives up a call when the signal is aborted, and answers the next', async (model) => {
      await model.identity();
      hangOnce();
      const caller = new AbortController();
      const asked = model.embed(samples.slice(0, 1), caller.signal, asDocuments);
      setTimeout(() => caller.abort(), 50);
      await assert.rejects(asked);
      checkEmbedded(await embed(model, samples), samples.length, model.spec);
    });
  }

  if (failOnce) {
    check('says that a failure which passes can be tried again', async (model) => {
      await model.identity();
      failOnce();
      const error = await rejection(call(model, samples));
      assert.ok(error instanceof EmbedQLError, `not an EmbedQLError: ${error}`);
      assert.ok(!(error instanceof InputRefusedError), 'the input is not at fault');
      assert.equal(error.retryable, true);
      checkEmbedded(await embed(model, samples), samples.length, model.spec);
    });
  }

  if (refusedText !== undefined) {
    check('says when a text is at fault, without repeating it, and takes the others', async (model) => {
      await model.identity();
      const error = await rejection(call(model, [samples[0]!, refusedText]));
      assert.ok(error instanceof InputRefusedError, `not an InputRefusedError: ${error}`);
      assert.equal(error.retryable, false);
      assert.ok(!error.message.includes(refusedText), 'the message repeats the text');
      checkEmbedded(await embed(model, samples.slice(0, 1)), 1, model.spec);
    });
  }

  if (envWithoutKey) {
    check(
      'without its key it is listed, and says what is missing',
      async (model) => {
        const { available, loaded, reason } = model.status();
        assert.deepEqual([available, loaded], [false, false]);
        assert.ok(reason, 'there is no reason that says what to do');
        for (const asked of [model.identity(), call(model, samples)]) {
          const error = await rejection(asked);
          assert.ok(error instanceof EmbedQLError, `not an EmbedQLError: ${error}`);
          assert.equal(error.code, 'PROVIDER_NOT_CONFIGURED');
        }
      },
      envWithoutKey,
    );
  }

  check('can be closed twice', async (model) => {
    await embed(model, samples.slice(0, 1));
    await model.close();
    await model.close();
  });
  return tests;
}

function checkEmbedded(embedded: readonly EmbeddedText[], texts: number, { dimension }: ModelSpec): void {
  assert.equal(embedded.length, texts);
  for (const { vector, tokens } of embedded) {
    assert.ok(vector instanceof Float32Array, 'a vector is a Float32Array');
    assert.equal(vector.length, dimension);
    assert.ok(vector.every(Number.isFinite), 'a vector has finite numbers only');
    assert.ok(
      vector.some((value) => value !== 0),
      'a vector is not all zeros',
    );
    assert.ok(Number.isSafeInteger(tokens) && tokens >= 0, `${tokens} tokens`);
  }
}

async function rejection(asked: Promise<unknown>): Promise<unknown> {
  return asked.then(
    () => assert.fail('it was to fail, and did not'),
    (error: unknown) => error,
  );
}
