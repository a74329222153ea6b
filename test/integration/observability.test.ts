import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { serveEmbedQL } from '../support/processes.ts';
import { type ProviderServer, startProvider, testKey } from '../support/provider-server.ts';

let provider: ProviderServer;
let server: TestServer;
beforeAll(async () => {
  provider = await startProvider();
  server = await startEmbedQL({ ...provider.env, REDIS_URL: 'redis://127.0.0.1:1' });
  await server.graphql(
    'mutation { a: embed(text: "measured") { cost } b: embedQuery(query: "measured") { cost } }',
  );
  await server.graphql('mutation { a: embed(text: "measured") { cost } }');
  provider.misbehave = (_call, response) => {
    response
      .writeHead(400, { 'content-type': 'application/json' })
      .end('{"error": {"message": "no", "param": "model"}}');
    return true;
  };
  await server.graphql('mutation { a: embed(text: "refused") { cost } }');
  provider.misbehave = undefined;
});
afterAll(async () => {
  await server.stop();
  await provider.close();
});

const scrape = async () => (await fetch(`${server.url}/metrics`)).text();

describe('/metrics', () => {
  test('has the names, labels and figures of the contract', async () => {
    const page = await scrape();
    for (const line of [
      'embedql_embeddings_total{model="text-embedding-3-small",source="provider"} 2',
      'embedql_embeddings_total{model="text-embedding-3-small",source="memory"} 1',
      'embedql_provider_calls_total{model="text-embedding-3-small",outcome="ok"} 1',
      'embedql_provider_calls_total{model="text-embedding-3-small",outcome="PROVIDER_ERROR"} 1',
      'embedql_provider_batch_size_bucket{le="2",model="text-embedding-3-small"} 2',
      'embedql_provider_call_duration_seconds_count{model="text-embedding-3-small"} 2',
      `embedql_tokens_total{model="text-embedding-3-small"} ${provider.billedTokens()}`,
      'embedql_queue_depth{model="text-embedding-3-small"} 0',
      'nodejs_version_info',
    ]) {
      expect(page).toContain(line);
    }
    for (const name of [
      'embedql_cost_usd_total',
      'embedql_cost_saved_usd_total',
      'embedql_cache_errors_total',
    ]) {
      expect(page).toContain(`# TYPE ${name} counter`);
    }
    expect(page).not.toContain('measured');
  });

  test('never goes back: resetMetrics does not touch it', async () => {
    const before = await scrape();
    await server.graphql('mutation { resetMetrics { status } }');
    expect((await scrape()).match(/embedql_embeddings_total.*/g)).toEqual(
      before.match(/embedql_embeddings_total.*/g),
    );
  });

  const hasPromtool = spawnSync('which', ['promtool']).status === 0;
  if (!hasPromtool) process.stderr.write('SKIPPED: no promtool on the PATH (apt-get install prometheus)\n');
  test.skipIf(!hasPromtool)('is what promtool takes, and so are the alert rules', async () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: await scrape(),
      encoding: 'utf8',
    });
    // Node's own metrics have names that promtool finds unusual; ours have not.
    expect(`${stdout}${stderr}`).not.toContain('embedql_');
    expect([0, 3]).toContain(status);
    execFileSync('promtool', ['check', 'rules', 'docs/operations/alerts.yaml']);
  });

  test('has every metric that the Grafana dashboard and the alerts name', async () => {
    const page = await scrape();
    const known = new Set([...page.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name!));
    for (const file of ['grafana-dashboard.json', 'alerts.yaml']) {
      const text = await readFile(new URL(`../../docs/operations/${file}`, import.meta.url), 'utf8');
      const named = new Set(text.match(/\b(embedql|nodejs)_\w+/g));
      expect(named.size).toBeGreaterThan(4);
      for (const name of named)
        expect(known.has(name) || known.has(name.replace(/_(bucket|sum|count)$/, '')), name).toBe(true);
    }
  });
});

describe('logs', () => {
  test('have one line for an operation, with its request id and never a text or a key', async () => {
    const process = await serveEmbedQL(provider.env);
    const response = await fetch(`${process.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'trace-me-1' },
      body: JSON.stringify({
        query:
          'mutation Named { a: embed(text: "secret words") { cost } b: embed(text: "secret words") { cost } c: embed(text: "") { cost } }',
      }),
    });
    expect(response.headers.get('x-request-id')).toBe('trace-me-1');
    expect(response.headers.get('x-embedql-figures')).toMatch(/^texts=1 hits=0 calls=1 cost=\d/);
    const odd = await fetch(`${process.url}/health`, { headers: { 'x-request-id': 'no {good} id' } });
    expect(odd.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    process.process.kill('SIGTERM');
    const { stdout } = await process.finished;
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.filter(({ msg }) => msg === 'operation')).toEqual([
      expect.objectContaining({
        requestId: 'trace-me-1',
        operation: 'Named',
        type: 'mutation',
        fields: 3,
        texts: 1,
        hits: 0,
        calls: 1,
        errors: 1,
        ms: expect.any(Number),
        costUsd: expect.any(Number),
      }),
    ]);
    expect(stdout).not.toContain('secret words');
    expect(stdout).not.toContain(testKey);
  });
});

describe('metricsUpdated', () => {
  test('tells the figures over server-sent events, and ends with the server', async () => {
    const own = await startEmbedQL(provider.env);
    const response = await own.post(
      { query: 'subscription { metricsUpdated(intervalMs: 100) { operations providerCalls queueDepth } }' },
      { headers: { accept: 'text/event-stream' } },
    );
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const read = async (pattern: RegExp) => {
      while (!pattern.test(text)) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`ended: ${text}`);
        text += value;
      }
    };
    await read(/"operations":0/);
    await own.graphql('mutation { embed(text: "watched") { cost } }');
    await read(/"operations":1,"providerCalls":1/);
    const started = performance.now();
    await own.stop();
    // Not cut off at the end of the drain, which is ten seconds.
    expect(performance.now() - started).toBeLessThan(9_000);
  });

  test('does not let anybody ask too often', async () => {
    const query = 'subscription { metricsUpdated(intervalMs: 1) { operations } }';
    const response = await server.post({ query }, { headers: { accept: 'text/event-stream' } });
    expect(await response.text()).toContain('"code":"BAD_USER_INPUT"');
  });
});

describe('traces', () => {
  test('follow operations into the provider call that they share', async () => {
    const spans: Array<{
      name: string;
      traceId: string;
      parentSpanId?: string;
      links?: Array<{ traceId: string }>;
      status?: { code: number };
    }> = [];
    const collector = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = JSON.parse(Buffer.concat(chunks).toString());
      for (const { scopeSpans } of body.resourceSpans)
        for (const scope of scopeSpans) spans.push(...scope.spans);
      response.end('{}');
    }).listen(0, '127.0.0.1');
    await once(collector, 'listening');
    const { port } = collector.address() as { port: number };
    const traced = await startEmbedQL({
      ...provider.env,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      EMBEDQL_BATCH_WINDOW_MS: '200',
    });
    const traceIds = ['a'.repeat(32), 'b'.repeat(32)];
    await Promise.all(
      traceIds.map((traceId, i) =>
        fetch(`${traced.url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', traceparent: `00-${traceId}-${'1'.repeat(16)}-01` },
          body: JSON.stringify({ query: `mutation { embed(text: "traced ${i}") { cost } }` }),
        }),
      ),
    );
    await traced.graphql(`mutation { embed(text: "${provider.poison}") { cost } }`);
    // What is left is sent before the end.
    await traced.stop();
    collector.close();
    const ours = (name: string) =>
      spans
        .filter((span) => span.name === name && traceIds.includes(span.traceId))
        .map(({ traceId }) => traceId)
        .sort();
    for (const name of ['graphql', 'embedql.cache', 'embedql.queue'])
      expect(ours(name), name).toEqual(traceIds);
    const [shared, refused, ...others] = spans.filter(({ name }) => name === 'embedql.provider');
    expect(others).toEqual([]);
    expect(shared!.links!.map(({ traceId }) => traceId).sort()).toEqual(traceIds);
    expect(refused!.status!.code).toBe(2);
    expect(JSON.stringify(spans)).not.toContain('traced 0');
  });
});

test('traces can be printed, and are off where the standard variables say so', async () => {
  const printed: unknown[] = [];
  const print = vi.spyOn(console, 'dir').mockImplementation((span) => void printed.push(span));
  for (const [env, spans] of [
    [{ OTEL_TRACES_EXPORTER: 'console' }, true],
    [{ OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }, false],
    [{ OTEL_TRACES_EXPORTER: 'console', OTEL_SDK_DISABLED: 'true' }, false],
  ] as const) {
    printed.length = 0;
    const own = await startEmbedQL({ ...provider.env, ...env });
    await own.graphql('mutation { embed(text: "printed") { cost } }');
    await own.stop();
    expect(printed.length > 0).toBe(spans);
  }
  print.mockRestore();
});

describe('similarity and nearest', () => {
  let local: TestServer;
  beforeAll(async () => {
    local = await startEmbedQL();
  });
  afterAll(() => local.stop());

  test('compare real vectors, in one call', async () => {
    const { data } = await local.graphql(
      '{ near: similarity(a: "cat", b: "feline") far: similarity(a: "cat", b: "stock market") same: similarity(a: "cat", b: "cat") }',
    );
    expect(data.near - data.far).toBeGreaterThan(0.2);
    expect(data.same).toBeCloseTo(1, 6);
    expect((await local.graphql('{ metrics { providerCalls } }')).data.metrics.providerCalls).toBe(1);
  });

  test('find the nearest, the nearest first, without those that are empty', async () => {
    const { data } = await local.graphql(
      '{ nearest(query: "pets", texts: ["The market fell.", "", "A cat and a dog.", "Kittens"], k: 2) { index text similarity } }',
    );
    expect(new Set(data.nearest.map(({ index }: { index: number }) => index))).toEqual(new Set([2, 3]));
    expect(data.nearest[0].similarity).toBeGreaterThanOrEqual(data.nearest[1].similarity);
  });

  test.each([
    ['similarity(a: "", b: "x")', 'BAD_USER_INPUT'],
    ['similarity(a: "x", b: "y", model: "nope")', 'MODEL_NOT_FOUND'],
    ['nearest(query: " ", texts: ["x"]) { index }', 'BAD_USER_INPUT'],
    ['nearest(query: "x", texts: ["", " "]) { index }', 'BAD_USER_INPUT'],
    ['nearest(query: "x", texts: ["y"], k: 0) { index }', 'BAD_USER_INPUT'],
  ])('%s is %s', async (field, code) => {
    expect((await local.graphql(`{ ${field} }`)).errors![0]!.extensions['code']).toBe(code);
  });

  test('count against EMBEDQL_MAX_TEXTS', async () => {
    const small = await startEmbedQL({ EMBEDQL_MAX_TEXTS: '2' });
    const { errors } = await small.graphql('{ nearest(query: "x", texts: ["y", "z"]) { index } }');
    expect(errors![0]!.extensions['code']).toBe('COST_LIMIT_EXCEEDED');
    await small.stop();
  });
});
