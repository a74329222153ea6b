import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { logLines, serveEmbedQL } from '../support/processes.ts';
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
      // A document and a query are one text for a model that does not tell them apart.
      'embedql_embeddings_total{model="text-embedding-3-small",source="provider"} 1',
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

  test('has the durations of operations that asked for texts, and GraphQL has their percentiles and minutes', async () => {
    const fields =
      'latency { p50 p95 p99 count } history(minutes: 5) { time operations texts tokens calls errors p95 }';
    const measured = async () => (await server.graphql(`{ metrics { ${fields} } }`)).data.metrics;
    const before = await measured();
    // Looking at the figures is none of them.
    expect((await measured()).latency).toEqual(before.latency);
    expect(before.latency.count).toBeGreaterThan(0);
    expect(before.latency.p50).toBeLessThanOrEqual(before.latency.p99);
    await server.graphql(
      'mutation { embed(text: "one that is measured") { cost } embed2: embed(text: " ") { cost } }',
    );
    const after = await measured();
    expect(after.latency.count).toBe(before.latency.count + 1);
    const sum = (points: Array<Record<string, number>>, name: string) =>
      points.reduce((all, point) => all + point[name]!, 0);
    expect(sum(after.history, 'tokens')).toBe(provider.billedTokens());
    expect(sum(after.history, 'calls') - sum(before.history, 'calls')).toBe(1);
    expect(sum(after.history, 'errors') - sum(before.history, 'errors')).toBe(1);
    expect(Date.now() - Date.parse(after.history.at(-1).time)).toBeLessThan(120_000);
    expect(await scrape()).toMatch(
      new RegExp(`^embedql_operation_duration_seconds_count ${after.latency.count}$`, 'm'),
    );
    for (const minutes of [0, 1_441])
      expect(
        (await server.graphql(`{ metrics { history(minutes: ${minutes}) { time } } }`)).errors?.[0],
      ).toMatchObject({
        message: expect.stringMatching(/^minutes must be/),
        extensions: { code: 'BAD_USER_INPUT' },
      });
    const many = Array.from(
      { length: 16 },
      (_, i) => `h${i}: history(minutes: 1440) { time operations texts tokens calls errors p95 }`,
    );
    expect((await server.graphql(`{ metrics { ${many.join(' ')} } }`)).errors?.[0]?.extensions['code']).toBe(
      'COST_LIMIT_EXCEEDED',
    );
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
    execFileSync('promtool', ['test', 'rules', 'test/support/alerts.test.yaml']);
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
    const lines = logLines(stdout);
    expect(lines.filter(({ msg }) => msg === 'operation')).toEqual([
      expect.objectContaining({
        requestId: 'trace-me-1',
        operation: 'Named',
        type: 'mutation',
        fields: 3,
        texts: 1,
        hits: 0,
        calls: 1,
        outcome: 'failed',
        errors: 1,
        codes: { BAD_USER_INPUT: 1 },
        ms: expect.any(Number),
        costUsd: expect.any(Number),
      }),
    ]);
    expect(stdout).not.toContain('secret words');
    expect(stdout).not.toContain(testKey);
  });

  test("have that line for streams, for OpenAI's door and for what is not valid, with the codes of what failed", async () => {
    const process = await serveEmbedQL(provider.env);
    const post = (path: string, body: object, headers = {}) =>
      fetch(process.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
    const stream = { accept: 'text/event-stream' };
    const streamed =
      'subscription Streamed { embedStream(texts: ["s1", "", "s2"]) { done failures { code } } }';
    await (await post('/graphql', { query: streamed }, stream)).text();
    const leaving = new AbortController();
    const watched = await fetch(`${process.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...stream },
      body: JSON.stringify({ query: 'subscription Watched { metricsUpdated { operations } }' }),
      signal: leaving.signal,
    });
    await watched.body!.getReader().read();
    leaving.abort();
    await process.printed(/"Watched"/);
    const batch = 'mutation { embedBatch(texts: ["s1", "", " "]) { totalEmbeddings } }';
    await post('/graphql', { query: batch });
    await post('/graphql', { query: '{ nothing }' });
    await post('/v1/embeddings', { input: ['s1', 'v1'] });
    await post('/v1/embeddings', { input: 'v1', model: 'nope' });
    const metrics = '{ metrics { operations failedOperations errors { code count } } }';
    const { data } = await (await post('/graphql', { query: metrics })).json();
    expect(data.metrics).toEqual({
      operations: 6,
      failedOperations: 2,
      errors: [
        { code: 'BAD_USER_INPUT', count: 4 },
        { code: 'MODEL_NOT_FOUND', count: 1 },
      ],
    });
    const page = await (await fetch(`${process.url}/metrics`)).text();
    for (const line of [
      'embedql_errors_total{code="BAD_USER_INPUT"} 4',
      'embedql_operations_total{type="subscription",outcome="ok"} 1',
      'embedql_operations_total{type="subscription",outcome="cancelled"} 1',
      'embedql_operations_total{type="embeddings",outcome="failed"} 1',
    ])
      expect(page).toContain(line);
    process.process.kill('SIGTERM');
    const { stdout } = await process.finished;
    const lines = logLines(stdout);
    expect(lines.filter(({ msg }) => msg === 'operation')).toMatchObject([
      {
        type: 'subscription',
        operation: 'Streamed',
        texts: 2,
        calls: 1,
        outcome: 'ok',
        errors: 1,
        codes: { BAD_USER_INPUT: 1 },
      },
      { type: 'subscription', operation: 'Watched', texts: 0, outcome: 'cancelled', errors: 0 },
      { type: 'mutation', texts: 1, hits: 1, calls: 0, outcome: 'ok', codes: { BAD_USER_INPUT: 2 } },
      { type: 'unknown', outcome: 'failed', codes: { BAD_USER_INPUT: 1 } },
      { type: 'embeddings', operation: '/v1/embeddings', texts: 2, hits: 1, calls: 1, outcome: 'ok' },
      { type: 'embeddings', texts: 0, outcome: 'failed', codes: { MODEL_NOT_FOUND: 1 } },
      { type: 'query', outcome: 'ok' },
    ]);
  });

  test('have no error for a client who leaves', async () => {
    const process = await serveEmbedQL({ ...provider.env, EMBEDQL_PROVIDER_RETRIES: '0' });
    provider.delayMs = 2_000;
    const leaving = new AbortController();
    const asked = fetch(`${process.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: 'mutation Left { embedBatch(texts: ["left alone"]) { totalEmbeddings } }',
      }),
      signal: leaving.signal,
    });
    await expect
      .poll(() => provider.calls.some(({ input }) => input.includes('left alone')), { timeout: 20_000 })
      .toBe(true);
    leaving.abort();
    await expect(asked).rejects.toThrow();
    await process.printed(/"Left"/);
    provider.delayMs = 0;
    process.process.kill('SIGTERM');
    const { stdout } = await process.finished;
    const lines = logLines(stdout);
    expect(lines.find(({ operation }) => operation === 'Left')).toMatchObject({
      outcome: 'cancelled',
      errors: 0,
    });
    expect(lines.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });
});

test('a text about a subscription is answered like any other, byte for byte', async () => {
  const answer = (text: string) =>
    server
      .post({ query: `mutation { embed(text: "${text}") { dimension embeddingBase64 } }` })
      .then(async (response) => ({
        length: response.headers.get('content-length'),
        text: await response.text(),
      }));
  // Answers of Yoga come in chunks.
  const [about, other] = [
    await answer('my subscription has expired'),
    await answer('my xubscription has expired'),
  ];
  expect(about.length).toBe(String(about.text.length));
  expect(about.length).toBe(other.length);
});

test('a megabyte that looks like a message of graphql-js is answered like any other mistake', async () => {
  const query = `{ "${'got invalid value '.repeat(55_000)}" }`;
  const { errors } = await server.graphql(query);
  expect(errors).toEqual([
    {
      message: 'Syntax Error: Expected Name, found String.',
      locations: expect.anything(),
      extensions: { code: 'BAD_USER_INPUT', retryable: false },
    },
  ]);
});

test('counters past the largest Int are given as that', async () => {
  const own = await startEmbedQL(provider.env);
  own.app.services.accounting.cacheHits('text-embedding-3-small', 'memory', 2 ** 31, 5);
  const { data } = await own.graphql(
    'mutation { resetMetrics { previous { cacheHits byModel { cacheHits } } } }',
  );
  expect(data.resetMetrics.previous).toEqual({
    cacheHits: 2 ** 31 - 1,
    byModel: [{ cacheHits: 2 ** 31 - 1 }],
  });
  await own.stop();
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
    const streamId = 'c'.repeat(32);
    const streamed = await traced.post(
      { query: 'subscription { embedStream(texts: ["traced stream"]) { done } }' },
      { headers: { accept: 'text/event-stream', traceparent: `00-${streamId}-${'1'.repeat(16)}-01` } },
    );
    await streamed.text();
    // What is left is sent before the end.
    await traced.stop();
    collector.close();
    const ours = (name: string) =>
      spans
        .filter((span) => span.name === name && traceIds.includes(span.traceId))
        .map(({ traceId }) => traceId)
        .sort();
    expect(spans.filter(({ traceId }) => traceId === streamId).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['graphql', 'embedql.queue']),
    );
    // Looking into the memory takes no time, and no span.
    for (const name of ['graphql', 'embedql.queue']) expect(ours(name), name).toEqual(traceIds);
    const [shared, refused, stream, ...others] = spans.filter(({ name }) => name === 'embedql.provider');
    expect(others).toEqual([]);
    expect(stream!.links!.map(({ traceId }) => traceId)).toEqual([streamId]);
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
