import { afterAll, describe, expect, test } from 'vitest';
import acme from '../../examples/provider/acme.mjs';
import { readConfig } from '../../src/config/config.ts';
import { local } from '../../src/providers/local/index.ts';
import { openai } from '../../src/providers/openai/index.ts';
import type { Provider, ProviderModel } from '../../src/providers/provider.ts';
import { type ProviderContract, testProvider } from '../../src/testing.ts';
import { startAcme } from '../support/acme-service.ts';
import { miniLM } from '../support/mini-lm.ts';
import { sendFailure, startProvider } from '../support/provider-server.ts';

const service = await startProvider();
const acmeService = await startAcme();

const contracts: ProviderContract[] = [
  {
    provider: openai,
    model: { name: 'text-embedding-3-small', dimension: 1_536 },
    env: service.env,
    envWithoutKey: {},
    refusedText: service.poison,
    failOnce: () => {
      service.misbehave = (_call, response) => {
        service.misbehave = undefined;
        sendFailure(response, 503);
        return true;
      };
    },
    hangOnce: () => {
      service.misbehave = () => {
        service.misbehave = undefined;
        return true;
      };
    },
  },
  {
    provider: local,
    model: miniLM,
    modelsDir: readConfig(process.env).modelsDir,
  },
  {
    provider: acme,
    model: { name: 'acme-embed', dimension: 3, options: { baseUrl: acmeService.url } },
    env: { ACME_KEY: 'k' },
    envWithoutKey: {},
    refusedText: 'bad',
    failOnce: () => {
      acmeService.failures = 1;
    },
    hangOnce: () => {
      acmeService.silences = 1;
    },
  },
];

for (const contract of contracts) {
  for (const { name, run } of testProvider(contract)) test(name, run);
}

afterAll(async () => {
  await service.close();
  acmeService.close();
});

describe('the contract finds', () => {
  /** A model of three letters' codes, with one method replaced. */
  const broken = (replaced: Partial<ProviderModel>): ProviderContract => {
    const provider: Provider = {
      name: 'broken',
      defaults: { maxBatchSize: 20, maxInputTokens: 50 },
      open: (spec) => ({
        spec,
        remote: true,
        status: () => ({ available: true, loaded: true }),
        identity: async () => 'broken',
        fit: async (texts) =>
          texts.map((whole) => {
            const text = [...whole].slice(0, 50).join('');
            return { text, maxTokens: [...text].length, truncated: text !== whole };
          }),
        embed: async (texts, signal) => {
          signal.throwIfAborted();
          return texts.map((text) => ({ vector: vectorOf(text), tokens: 1 }));
        },
        close: async () => {},
        ...replaced,
      }),
    };
    return { provider, model: { name: 'm', dimension: 3 }, refusedText: '☠', failOnce: () => {} };
  };
  const vectorOf = (text: string) => Float32Array.from([text.length, text.codePointAt(0)!, 1]);
  const embedded = (vector: Float32Array, tokens = 1) => ({ vector, tokens });
  const failures = async (contract: ProviderContract) => {
    const failed: string[] = [];
    for (const { name, run } of testProvider(contract)) await run().catch(() => failed.push(name));
    return failed.map((name) => name.replace('broken: ', ''));
  };
  // What it is told to refuse and to fail at, it does not; nothing else is wrong with it.
  const always = [expect.stringMatching(/which passes/), expect.stringMatching(/a text is at fault/)];

  test('nothing in one that is right', async () => {
    expect(await failures(broken({}))).toEqual(always);
  });

  test.each<[string, Partial<ProviderModel>, RegExp]>([
    [
      'an order that is lost',
      {
        embed: async (texts, signal) => {
          signal.throwIfAborted();
          return texts.toSorted().map((text) => embedded(vectorOf(text)));
        },
      },
      /keeps the order/,
    ],
    [
      'a signal that nobody listens to',
      { embed: async (texts) => texts.map((t) => embedded(vectorOf(t))) },
      /gives up/,
    ],
    [
      'another dimension',
      { embed: async (texts) => texts.map(() => embedded(new Float32Array([1, 2]))) },
      /complete vector/,
    ],
    [
      'numbers that are none',
      { embed: async (texts) => texts.map(() => embedded(new Float32Array([Number.NaN, 1, 1]))) },
      /complete/,
    ],
    [
      'tokens that are none',
      { embed: async (texts) => texts.map((t) => embedded(vectorOf(t), -1)) },
      /complete vector/,
    ],
    [
      'more tokens than it said',
      { embed: async (texts) => texts.map((t) => embedded(vectorOf(t), 999)) },
      /cuts a text/,
    ],
    ['an identity that changes', { identity: async () => `${Math.random()}` }, /identity/],
    [
      'half a character',
      {
        fit: async (texts) =>
          texts.map((t) => ({ text: t.slice(0, 50), maxTokens: 50, truncated: t.length > 50 })),
      },
      /cuts a text/,
    ],
    ['a status that is no answer', { status: () => ({ available: false, loaded: false }) }, /can be asked/],
  ])('%s', async (_name, replaced, found) => {
    expect(await failures(broken(replaced))).toContainEqual(expect.stringMatching(found));
  });

  test('an error that says nothing where a key is missing', async () => {
    const contract = { ...broken({}), envWithoutKey: {} };
    expect(await failures(contract)).toContainEqual(expect.stringMatching(/without its key/));
  });
});
