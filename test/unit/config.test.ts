import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { describeSettings, variables } from '../../src/config/settings.ts';
import { readModelsFile } from '../../src/models/file.ts';
import { providers } from '../../src/providers/registry.ts';
import { filesBelow } from '../support/source-files.ts';

describe('readConfig', () => {
  test('has the defaults of the contract', () => {
    expect(readConfig({ HOST: '' })).toMatchObject({
      host: '127.0.0.1',
      port: 4_000,
      cache: true,
      cacheTtlSeconds: 604_800,
      memoryCacheMb: 128,
      batchWindowMs: 2,
      providerConcurrency: 8,
      providerTimeoutMs: 30_000,
      providerRetries: 3,
      breakerMs: 10_000,
      queueLimit: 10_000,
      maxTexts: 2_048,
      maxBodyBytes: 16_777_216,
      drainMs: 10_000,
      logLevel: 'info',
      redisUrls: [],
      apiKeys: [],
      warnings: [],
    });
  });

  test.each([
    ['PORT', '65536', /expected a whole number of the port, 0 to 65535, got "65536"; for example PORT=4000/],
    ['PORT', '4000.5', /PORT/],
    ['EMBEDQL_CACHE', 'maybe', /expected on or off, got "maybe"; for example EMBEDQL_CACHE=off/],
    ['EMBEDQL_CACHE_TTL', '-1', /EMBEDQL_CACHE_TTL=604800/],
    ['EMBEDQL_BATCH_WINDOW_MS', '2ms', /milliseconds/],
    ['LOG_LEVEL', 'loud', /one of trace, debug/],
    ['OPENAI_BASE_URL', 'example.org', /http:\/\/ or https:\/\//],
    ['REDIS_URL', 'http://127.0.0.1', /redis:\/\//],
    ['EMBEDQL_API_KEYS', 'a,,b', /none empty/],
    ['EMBEDQL_API_KEYS', 'web:', /name:key/],
    ['EMBEDQL_KEY_LIMITS', 'web', /expected a name and its limits, got "web"/],
    ['EMBEDQL_KEY_LIMITS', 'web:0/min', /such as 600\/min/],
    ['EMBEDQL_KEY_LIMITS', 'web:5eur', /for web/],
    ['EMBEDQL_KEY_LIMITS', 'web:9007200usd/day', /up to .* 1000000 USD/],
    ['EMBEDQL_KEY_LIMITS', 'web:9999999999999999/min', /up to 1000000000 texts/],
    ['EMBEDQL_KEY_LIMITS', 'web:1/min,web:2/min', /web appears twice/],
    ['EMBEDQL_CORS_ORIGINS', 'https://app.example/path', /without a path/],
    ['EMBEDQL_CORS_ORIGINS', '*', /origins such as/],
  ])('%s=%s stops the start with one line', (name, value, message) => {
    expect(() => readConfig({ [name]: value })).toThrow(message);
    expect(() => readConfig({ [name]: value })).toThrow(/^[^\n]+$/);
  });

  describe('every number has bounds', () => {
    const names = Object.values(variables).flatMap(([name, variable]) =>
      variable.expected.startsWith('a whole number') ? [name] : [],
    );

    test('there are such settings', () => expect(names.length).toBeGreaterThan(14));
    test.each(names)('%s', (name) => {
      for (const value of ['-1', '1.5', '1e3', '0x10', 'NaN', 'Infinity', String(2 ** 53), '9'.repeat(400)])
        expect(() => readConfig({ [name]: value }), value).toThrow(
          new RegExp(
            `^${name}: expected a whole number of .*, \\d+ to \\d+, got .*; for example ${name}=\\d+$`,
          ),
        );
      // The bounds that the message names are those that are held.
      const { message } = (() => {
        try {
          return { message: String(readConfig({ [name]: '-1' })) };
        } catch (error) {
          return error as Error;
        }
      })();
      const [, least, most] = /, (\d+) to (\d+), got/.exec(message)!;
      expect(Object.values(readConfig({ [name]: ` ${least} ` }))).toContain(Number(least));
      expect(Object.values(readConfig({ [name]: most }))).toContain(Number(most));
      expect(() => readConfig({ [name]: String(Number(most) + 1) })).toThrow(name);
      // A timer of Node that is longer ends at once.
      if (/_MS$/.test(name)) expect(Number(most)).toBeLessThan(2 ** 31);
    });
  });

  test('never repeats a secret', () => {
    expect(() => readConfig({ REDIS_URL: 'rediss//:hunter2@host' })).toThrow(/^(?!.*hunter2)/s);
  });

  test('warns of names it does not know, with the nearest', () => {
    expect(readConfig({ EMBEDQL_CACHE_TLL: '5', OTHER: 'x' }).warnings).toEqual([
      'EMBEDQL_CACHE_TLL is not a setting of EmbedQL; did you mean EMBEDQL_CACHE_TTL?',
    ]);
  });

  test.each([
    [
      'a public address without keys',
      { HOST: '0.0.0.0' },
      [/ANYBODY WHO CAN REACH 0\.0\.0\.0.*EMBEDQL_API_KEYS/],
    ],
    ['the same, meant so', { HOST: '::', EMBEDQL_ALLOW_ANONYMOUS: '1' }, []],
    ['a public address with keys', { HOST: '10.0.0.1', EMBEDQL_API_KEYS: 'a' }, []],
    ['a local address', { HOST: '127.0.0.2' }, []],
    ['limits of nobody', { EMBEDQL_KEY_LIMITS: 'web:1/min,*:2/min' }, [/limits web, but no key/]],
  ])('%s', (_name, env, warnings) => {
    expect(readConfig(env).warnings).toEqual(warnings.map((warning) => expect.stringMatching(warning)));
  });

  test('reads limits of keys', () => {
    const { keyLimits } = readConfig({
      EMBEDQL_KEY_LIMITS: 'web:6000/min:0.5usd/day:9usd/month, *:10USD/day',
    });
    expect(Object.fromEntries(keyLimits)).toEqual({
      web: { textsPerMinute: 6_000, usdPerDay: 0.5, usdPerMonth: 9 },
      '*': { usdPerDay: 10 },
    });
  });

  test('reads lists and switches', () => {
    const config = readConfig({
      EMBEDQL_API_KEYS: 'a, web:b',
      REDIS_URL: 'redis://a:1,redis://b:2',
      EMBEDQL_CACHE: 'OFF',
    });
    expect(config.apiKeys).toEqual([
      { name: 'key-1', key: 'a' },
      { name: 'web', key: 'b' },
    ]);
    expect(config.redisUrls).toEqual(['redis://a:1', 'redis://b:2']);
    expect(config.cache).toBe(false);
  });
});

describe('describeSettings', () => {
  const settings = describeSettings();

  test('names every variable that the code reads', () => {
    const read = filesBelow('src', /\.ts$/).flatMap(({ text }) =>
      [...text.matchAll(/^(?! \*).*?\benv(?:\.|\[')([A-Z][A-Z_]+)/gm)].map(([, name]) => name),
    );
    // Of these the operator has nothing to say.
    const internal = ['NODE_ENV', 'ORT_DISABLE_TELEMETRY'];
    const names = settings.map(({ name }) => name);
    expect(read.filter((name) => !names.includes(name!) && !internal.includes(name!))).toEqual([]);
    expect(read).toContain('OTEL_SERVICE_NAME');
  });

  test.each(settings.filter(({ default: text }) => /^\d+$|^o[nf]f?$/.test(text ?? '')))(
    'the default of $name is what its variable reads as',
    ({ name, default: text }) => {
      expect(readConfig({ [name]: text })).toEqual(readConfig({}));
    },
  );
});

describe('readModelsFile', () => {
  const write = (content: unknown) => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'embedql-models-')), 'models.json');
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  };
  const entry = { name: 'm', provider: 'openai', dimension: 8 };

  test('fills in what an entry leaves out', () => {
    const file = write({ models: [entry, { ...entry, name: 'l', provider: 'local' }] });
    expect(readModelsFile(file, providers)).toEqual([
      {
        ...entry,
        maxBatchSize: 100,
        maxInputTokens: 8_191,
        maxBatchTokens: 300_000,
        costPer1kTokens: null,
        supportsDimensions: false,
      },
      {
        ...entry,
        name: 'l',
        provider: 'local',
        maxBatchSize: 32,
        maxInputTokens: 512,
        costPer1kTokens: 0,
        supportsDimensions: false,
      },
    ]);
  });

  test.each([
    ['no JSON', '{', /is not JSON/],
    ['no list', {}, /models:/],
    [
      'a wrong number',
      { models: [entry, { ...entry, name: 'b', dimension: -1 }] },
      /models\[1\]\.dimension:/,
    ],
    ['an option nobody knows', { models: [{ ...entry, dimensions: 3 }] }, /models\[0\]: .*dimensions/],
    [
      'an option of another',
      { models: [{ ...entry, dtype: 'q8' }] },
      /models\[0\]: the provider openai has no "dtype"/,
    ],
    ['a slip', { models: [{ ...entry, baseURI: 'http://x' }] }, /did you mean "baseUrl"\?/],
    [
      'a nested slip',
      { models: [{ ...entry, options: { apikeyenv: 'K' } }] },
      /models\[0\]\.options: .*"apiKeyEnv"\?/,
    ],
    ['a nested value', { models: [{ ...entry, options: { baseUrl: 1 } }] }, /models\[0\]\.options\.baseUrl:/],
    [
      'an option twice',
      { models: [{ ...entry, apiKeyEnv: 'A', options: { apiKeyEnv: 'B' } }] },
      /options\.apiKeyEnv:/,
    ],
    ['precision', { models: [{ ...entry, provider: 'local', dtype: 'q9' }] }, /models\[0\]\.dtype:/],
    [
      'a provider nobody knows',
      { models: [{ ...entry, provider: 'open-ai' }] },
      /models\[0\]\.provider:.*mean openai\?/,
    ],
    ['a name twice', { models: [entry, entry] }, /models\[1\]\.name: is the name of models\[0\] too/],
    ['a folder outside', { models: [{ ...entry, id: '../../etc' }] }, /models\[0\]\.id: must not lead out/],
    ['a base URL that is none', { models: [{ ...entry, baseUrl: 'ftp://x' }] }, /models\[0\]\.baseUrl:/],
  ])('%s stops the start with the path of what is wrong', (_name, content, message) => {
    expect(() => readModelsFile(write(content), providers)).toThrow(message);
  });

  test('a file that is not there', () => {
    expect(() => readModelsFile('/nowhere/models.json', providers)).toThrow(/cannot be read/);
  });
});
