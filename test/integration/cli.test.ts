import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { directory } from '@embedql/all-minilm-l6-v2';
import { describe, expect, test } from 'vitest';
import { runCli } from '../../src/cli/cli.ts';
import { readConfig } from '../../src/config/config.ts';
import { preload, runEmbedQL, serveEmbedQL } from '../support/processes.ts';
import { startProvider } from '../support/provider-server.ts';

async function cli(argv: string[], env: Record<string, string | undefined> = process.env) {
  let out = '';
  let err = '';
  const code = await runCli({
    argv,
    env: { ...env, LOG_LEVEL: 'silent' },
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

describe('the embedql command', () => {
  test('tells its version and what it can do', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await cli(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
    const help = await cli(['--help']);
    expect(help.code).toBe(0);
    expect(help.out).toMatch(/serve.*models.*pull <model>/s);
    const [manual] = /\S+settings\.md$/m.exec(help.out) ?? [];
    expect(await readFile(manual!, 'utf8')).toContain('EMBEDQL_CACHE_TTL');
    const page = await readFile(new URL('../../docs/operations/commands.md', import.meta.url), 'utf8');
    for (const [, command] of help.out.matchAll(/^ {2}([a-z]+)(?: |$)/gm))
      if (command !== 'help') expect(page).toContain(`\`embedql ${command}`);
  });

  test('does not guess at what it does not know', async () => {
    expect(await cli(['fly'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('serve, models, pull'),
    });
    const slips = { serv: 'serve', modles: 'models', cahce: 'cache' };
    for (const [slip, command] of Object.entries(slips)) {
      const err = `error: there is no command ${slip}. Did you mean ${command}?\n`;
      expect(await cli([slip])).toEqual({ code: 1, out: '', err });
    }
    expect((await cli(['serve', '--fast'])).err).toContain('unknown option');
  });

  test('lists the catalogue', async () => {
    const { out } = await cli(['models'], { EMBEDQL_MODELS_DIR: readConfig(process.env).modelsDir });
    expect(out).toMatch(/text-embedding-3-small +openai +1536 +8191 +100 +0.00002 +needs OPENAI_API_KEY/);
    expect(out).toMatch(/all-MiniLM-L6-v2 +local +384 +256 +32 +free +weights are here \(int8\)/);
    expect(out).toMatch(/all-mpnet-base-v2 .*embedql pull all-mpnet-base-v2/);
  });

  test('pulls weights that are there already at once, and says what it cannot pull', async () => {
    const pulled = await cli(['pull', 'sentence-transformers/all-MiniLM-L6-v2']);
    expect(pulled).toMatchObject({ code: 0, out: expect.stringContaining(directory) });
    expect(await cli(['pull', 'all-minilm-l6-v2'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('Did you mean all-MiniLM-L6-v2?'),
    });
    expect(await cli(['pull', 'text-embedding-3-small'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('all-MiniLM-L6-v2, all-mpnet-base-v2'),
    });
    const offline = {
      HF_HUB_OFFLINE: '1',
      EMBEDQL_MODELS_DIR: await mkdtemp(path.join(tmpdir(), 'embedql-')),
    };
    expect(await cli(['pull', 'all-mpnet-base-v2'], offline)).toMatchObject({
      code: 1,
      err: expect.stringContaining('could not be fetched'),
    });
  });

  test('takes no mistyped model of the cache, and no JSON document, for nothing to do', async () => {
    const env = { EMBEDQL_CACHE_DIR: await mkdtemp(path.join(tmpdir(), 'embedql-cache-')) };
    for (const command of ['stats', 'clear']) {
      const err = expect.stringContaining('Did you mean all-MiniLM-L6-v2?');
      expect(await cli(['cache', command, '--model', 'all-MiniLM-L6-v3'], env)).toMatchObject({
        code: 1,
        err,
      });
      expect(
        await cli(['cache', command, '--model', 'sentence-transformers/all-MiniLM-L6-v2'], env),
      ).toMatchObject({
        code: 0,
        err: '',
      });
    }
    const file = path.join(env.EMBEDQL_CACHE_DIR, 'texts.json');
    await writeFile(file, '["a text"]');
    expect(await cli(['warm', file], env)).toMatchObject({ code: 1, err: expect.stringContaining('.jsonl') });
  });

  test('a wrong setting ends the start with one line', async () => {
    const { code, stderr } = await runEmbedQL([], { PORT: 'http' }).finished;
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'PORT: expected a whole number of the port, 0 to 65535, got "http"; for example PORT=4000\n',
    });
    expect(await cli([], { EMBEDQL_DEFAULT_MODEL: 'nope' })).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^EMBEDQL_DEFAULT_MODEL: there is no model nope; for example one of .*\n$/),
    });
  });
});

describe('a server process', () => {
  test('listens where --port and --host say, with and without the name of the command', async () => {
    for (const command of [['serve'], []]) {
      // The settings name an address that is not this machine's.
      const running = runEmbedQL([...command, '--port', '0', '--host=127.0.0.1'], { HOST: '203.0.113.1' });
      await running.printed(/listening; GraphiQL: http:\/\/127\.0\.0\.1:/);
      running.process.kill('SIGTERM');
      expect((await running.finished).code).toBe(0);
    }
    expect(await cli(['serve', '--port', '70000'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('PORT: expected a whole number'),
    });
  });

  test('says in one line that its port is taken', async () => {
    const provider = await startProvider();
    const { port } = new URL(provider.url);
    const { code, stderr } = await runEmbedQL([], { PORT: port }).finished;
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `PORT: ${port} is taken on 127.0.0.1; for example PORT=${Number(port) + 1}\n`,
    });
    await provider.close();
  });

  test('reads .env, warns of slips, and logs JSON lines', async () => {
    const cwd = await mkdtemp(path.join(tmpdir(), 'embedql-env-'));
    await writeFile(path.join(cwd, '.env'), 'PORT=0\nEMBEDQL_CASHE=off\n');
    const running = runEmbedQL([], {}, cwd);
    await running.printed(/\/graphql/);
    running.process.kill('SIGINT');
    const { code, stdout } = await running.finished;
    expect(code).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { msg: string });
    expect(lines[0]!.msg).toContain('did you mean EMBEDQL_CACHE?');
  });

  test('answers what it has accepted before it ends, and ends with 0', async () => {
    const provider = await startProvider({ delayMs: 400 });
    const server = await serveEmbedQL(provider.env);
    const answer = fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: 'mutation { embed(text: "last words") { dimension } }' }),
    }).then((response) => response.json());
    while (provider.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    server.process.kill('SIGTERM');
    expect(await answer).toEqual({ data: { embed: { dimension: 1_536 } } });
    expect((await server.finished).code).toBe(0);
    await expect(fetch(`${server.url}/health`)).rejects.toThrow();
    await provider.close();
  });

  test('under load no request is lost: what was sent before SIGTERM is answered', async () => {
    const provider = await startProvider({ delayMs: 500 });
    const server = await serveEmbedQL(provider.env);
    const send = (i: number) =>
      fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: `mutation { embed(text: "last ${i}") { dimension } }` }),
      }).then((response) => response.json());
    const answers = Array.from({ length: 300 }, (_, i) => send(i));
    const texts = () => provider.calls.reduce((sum, { input }) => sum + input.length, 0);
    await expect.poll(texts, { interval: 5 }).toBe(300);
    server.process.kill('SIGTERM');
    expect(await Promise.all(answers)).toEqual(
      answers.map(() => ({ data: { embed: { dimension: 1_536 } } })),
    );
    expect((await server.finished).code).toBe(0);
    await provider.close();
  });

  test('ends in time also when nobody reads its log any more', async () => {
    const provider = await startProvider();
    const server = await serveEmbedQL(provider.env);
    server.process.stdout!.destroy();
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: 'mutation { embed(text: "unlogged") { dimension } }' }),
    });
    expect(await response.json()).toEqual({ data: { embed: { dimension: 1_536 } } });
    server.process.kill('SIGTERM');
    const [code] = await once(server.process, 'exit');
    expect(code).toBe(0);
    await provider.close();
  });

  test('a rejection that nobody handles is logged, and ends it with a code after what is in flight', async () => {
    const provider = await startProvider({ delayMs: 1_500 });
    const server = await serveEmbedQL({
      ...provider.env,
      NODE_OPTIONS: preload("process.on('SIGUSR2', () => Promise.reject(new Error('nobody caught this')))"),
    });
    const answer = fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: 'mutation { embed(text: "in flight") { dimension } }' }),
    }).then((response) => response.json());
    await expect.poll(() => provider.calls.length).toBe(1);
    server.process.kill('SIGUSR2');
    expect(await answer).toEqual({ data: { embed: { dimension: 1_536 } } });
    const { code, stdout } = await server.finished;
    expect(code).toBe(1);
    expect(stdout).toContain('"msg":"unhandledRejection"');
    expect(stdout).toContain('nobody caught this');
    await provider.close();
  });

  test('cuts off what is not done after EMBEDQL_DRAIN_MS, and a second signal ends at once', async () => {
    const provider = await startProvider({ delayMs: 60_000 });
    for (const signals of [1, 2]) {
      const server = await serveEmbedQL({
        ...provider.env,
        EMBEDQL_DRAIN_MS: signals === 1 ? '200' : '60000',
      });
      provider.forget();
      const answer = fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: 'mutation { embed(text: "never") { dimension } }' }),
      });
      answer.catch(() => {});
      while (provider.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      server.process.kill('SIGTERM');
      if (signals === 2) {
        // A signal that follows the first closely counts as the same one; a busy machine sees the first late.
        await server.printed(/stopping/);
        setTimeout(() => server.process.kill('SIGTERM'), 500);
      }
      expect((await server.finished).code).toBe(signals === 1 ? 0 : 1);
      await expect(answer).rejects.toThrow();
    }
    await provider.close();
  });
});
