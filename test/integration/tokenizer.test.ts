import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog, silentProgress } from '../../src/core/surroundings.ts';
import { createEmbedder, mistral, openaiCompatible } from '../../src/index.ts';
import { readEntry } from '../../src/models/entry.ts';
import { hubOptions } from '../../src/providers/hub.ts';
import { providers } from '../../src/providers/registry.ts';
import { TokenizerCounter } from '../../src/providers/tokens/tokenizer.ts';
import { type HubServer, startHub } from '../support/hub-server.ts';
import { startVendor, type VendorService } from '../support/vendor-services.ts';

const weights = path.resolve('packages/all-minilm-l6-v2');
const file = path.join(weights, 'tokenizer.json');
const read = (name: string) => JSON.parse(readFileSync(path.join(weights, name), 'utf8')) as object;
const itself = new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'));
const countOf = (text: string) => itself.encode(text).ids.length;
const folder = mkdtempSync(path.join(tmpdir(), 'embedql-tokenizer-'));

const spec = {
  ...readEntry({ name: 'm', provider: 'openai', dimension: 8, baseUrl: 'http://127.0.0.1:9' }, providers, []),
};
const create = (source: string, env = {}, modelsDir = folder) =>
  new TokenizerCounter({
    spec,
    source,
    modelsDir,
    hub: hubOptions(env),
    log: silentLog,
    progress: silentProgress,
  });

const counter = create(file);
afterAll(() => counter.close());

describe('a tokenizer.json', () => {
  // Few letters and all scripts: words, runs, emoji, what a normaliser changes.
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.string({
      unit: fc.constantFrom('a', 'B', ' ', '\n', '猫', '🙂', 'é', 'ﷺ', '.', '[SEP]'),
      maxLength: 300,
    }),
    fc
      .array(fc.constantFrom('purr', 'Straße', 'embeddings', '猫は眠る', '42'), { maxLength: 120 })
      .map((words) => words.join(' ')),
  );

  test('counts as the model does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 5 }), async (texts) => {
        expect(await counter.count(texts)).toEqual(texts.map(countOf));
      }),
      { numRuns: 60 },
    );
  });

  test('may stop counting where there are enough, and then says more than enough', async () => {
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 40 }), async (one, atMost) => {
        const [counted] = await counter.count([one], atMost);
        if (countOf(one) <= atMost) expect(counted).toBe(countOf(one));
        else expect(counted).toBeGreaterThan(atMost);
      }),
      { numRuns: 60 },
    );
  });

  test('cuts a text to the limit: a start of it, within, to the last character', async () => {
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 3, max: 60 }), async (one, limit) => {
        const [cut] = await counter.cut([one], limit);
        expect(one.startsWith(cut!.text)).toBe(true);
        expect(cut!.tokens).toBe(countOf(cut!.text));
        expect(cut!.tokens).toBeLessThanOrEqual(limit);
        expect(cut!.truncated).toBe(countOf(one) > limit);
        if (!cut!.truncated) {
          expect(cut!.text).toBe(one);
          return;
        }
        // Of a word of a hundred letters and more, this tokenizer makes one token of all.
        if (/\S{90}/.test(one)) return;
        const next = [...one.slice(cut!.text.length)][0]!;
        expect(countOf(cut!.text + next)).toBeGreaterThan(limit);
      }),
      { numRuns: 100 },
    );
  });

  test('a text of megabytes is looked at no further than it has to be', async () => {
    const [cut] = await counter.cut(['purr '.repeat(3_000_000)], 256);
    expect(cut).toMatchObject({ tokens: 256, truncated: true });
  });

  test('bounds what it does not count: a ligature of three bytes may be eighteen letters', () => {
    for (const one of ['', 'a', 'ﷺ', 'ﷺ'.repeat(50), '猫'.repeat(50), 'word '.repeat(50)]) {
      const bytes = Buffer.byteLength(one);
      expect(counter.most(bytes, bytes === one.length)).toBeGreaterThanOrEqual(countOf(one));
    }
  });
});

describe('where it comes from', () => {
  let hub: HubServer;
  beforeAll(async () => {
    const repository = path.join(folder, 'repository');
    mkdirSync(repository);
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'config.json'])
      copyFileSync(path.join(weights, name), path.join(repository, name));
    hub = await startHub('owner/name', repository);
  });
  afterAll(() => hub.close());

  test('a folder, or the hub, which is asked once', async () => {
    const env = { HF_ENDPOINT: hub.url };
    const modelsDir = path.join(folder, 'models');
    for (const source of [weights, 'owner/name', 'owner/name']) {
      const one = create(source, env, modelsDir);
      expect(await one.count(['The cat purrs.'])).toEqual([countOf('The cat purrs.')]);
      await one.close();
    }
    expect(hub.requests.filter((url) => url.includes('/api/'))).toHaveLength(1);
    // What else the repository has stays there.
    expect(hub.requests.filter((url) => url.includes('config.json'))).toHaveLength(1);
    expect(existsSync(path.join(modelsDir, 'tokenizers/owner/name/tokenizer.json'))).toBe(true);
  });

  test('what cannot be used says why and what to do, and is tried again', async () => {
    const damaged = path.join(folder, 'damaged.json');
    writeFileSync(damaged, '{"model": {}}');
    for (const [source, env, why] of [
      [damaged, {}, /damaged\.json cannot be read/],
      ['owner/none', { HF_ENDPOINT: hub.url }, /HTTP 404 for owner\/none/],
      ['owner/none', { HF_HUB_OFFLINE: '1' }, /HF_HUB_OFFLINE is set/],
    ] as const) {
      const one = create(source, env);
      await expect(one.count(['x'])).rejects.toMatchObject({ code: 'PROVIDER_NOT_CONFIGURED', message: why });
      await one.close();
    }
    const mended = create(damaged);
    await expect(mended.count(['x'])).rejects.toThrow();
    copyFileSync(file, damaged);
    expect(await mended.count(['x'])).toEqual([3]);
    await mended.close();
  });

  test('an entry says so where there is none', () => {
    const entry = (tokenizer: string, provider = 'openai') =>
      readEntry({ name: 'm', provider, dimension: 8, tokenizer }, providers, ['models', 0]);
    expect(entry(file).tokenizer).toBe(file);
    expect(entry('owner/name').tokenizer).toBe('owner/name');
    for (const wrong of ['./none/tokenizer.json', 'name', 'a/b/c', ''])
      expect(() => entry(wrong)).toThrow(/models\[0\]\.tokenizer: must be/);
    expect(() => entry('owner/name', 'local')).toThrow(/have their own/);
  });
});

describe('a model with one', () => {
  let service: VendorService;
  beforeAll(async () => {
    service = await startVendor('mistral');
    service.count = countOf;
  });
  afterAll(() => service.close());

  test('fills calls and texts to the last token, and its bill is exact text by text', async () => {
    const options = { apiKey: 'mistral-key', baseUrl: service.url, maxInputTokens: 700 };
    const models = [mistral('mistral-embed', { ...options, tokenizer: file })];
    const embedder = await createEmbedder({ models, cache: false });
    const long = 'cats '.repeat(800);
    // 680 tokens, and more bytes than the limit has tokens: each counted, 24 of them in a call of 16,384.
    const texts = Array.from({ length: 48 }, (_, i) => `${i} ${'cats '.repeat(677)}`);
    const { results } = await embedder.embedMany([...texts, long]);
    expect(service.refused).toEqual([]);
    for (const [i, result] of results.entries()) {
      if (result instanceof Error) throw result;
      if (i < 48) expect(result).toMatchObject({ truncated: false, tokens: countOf(texts[i]!) });
      else expect(result).toMatchObject({ truncated: true, tokens: 700 });
    }
    expect(service.calls.map(({ texts: { length } }) => length).reduce((a, b) => a + b)).toBe(49);
    expect(service.calls.length).toBeLessThanOrEqual(4);
    await embedder.close();
  });

  test('of OpenAI’s kind is counted with it, too', async () => {
    const definition = openaiCompatible('mistral-embed', {
      ...{ baseUrl: service.url, apiKey: 'mistral-key', dimension: 1_024, maxInputTokens: 50 },
      tokenizer: file,
    });
    const embedder = await createEmbedder({ models: [definition], cache: false });
    // Nine letters that OpenAI's encoding reads as four tokens and this one as nine.
    const rare = 'ᚠᚢᚦᚨᚱᚲ '.repeat(8).trim();
    const { tokens, truncated } = await embedder.embed(rare);
    expect(tokens).toBeLessThanOrEqual(50);
    expect(truncated).toBe(countOf(rare) > 50);
    await embedder.close();
  });
});
