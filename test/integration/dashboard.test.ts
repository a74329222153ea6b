import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accessibilityFaults, chromiumPath, launchBrowser, press } from '../support/browser.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';
import { serveEmbedQL } from '../support/processes.ts';
import { startProvider, testKey } from '../support/provider-server.ts';
import { freePort } from '../support/redis-server.ts';

const screenshots = process.env['SCREENSHOTS'];

describe.skipIf(chromiumPath === undefined)('the dashboard in a browser', () => {
  let server: TestServer;
  let browser: Browser;
  beforeAll(async () => {
    server = await startEmbedQL();
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });

  /** Opens the page and keeps what should not be: errors, and requests that leave the machine. */
  async function open(page: Page, url = server.url): Promise<string[]> {
    const wrong: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') wrong.push(message.text());
    });
    page.on('pageerror', (error) => wrong.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith('data:')) wrong.push(request.url());
    });
    await page.goto(url);
    return wrong;
  }

  const figure = async (page: Page, id: string) =>
    Number((await page.locator(`#${id}`).textContent())!.replace(/[^\d.]/g, ''));

  test('shows figures that move under load, tries texts with one provider call, and resets', async () => {
    const page = await browser.newPage({ viewport: { width: 1_280, height: 900 } });
    const wrong = await open(page);
    await page.getByText('OK', { exact: true }).waitFor();
    await expect.poll(() => page.locator('#models tbody tr').count()).toBe(6);
    expect(await figure(page, 'requests-detail')).toBeGreaterThanOrEqual(0);

    for (let round = 0; round < 3; round++) {
      const fields = Array.from(
        { length: 10 },
        (_, i) => `a${i}: embed(text: "load ${round} ${i}") { dimension }`,
      );
      for (let again = 0; again < 2; again++) await server.graphql(`mutation { ${fields.join(' ')} }`);
    }
    await expect
      .poll(() => page.locator('#embeddings-detail').textContent(), { timeout: 20_000 })
      .toBe('30 computed');
    expect(await figure(page, 'coalescing')).toBe(10);
    expect(await page.locator('#hit-rate').textContent()).toBe('50.0 %');

    await press(page, page.getByRole('button', { name: 'Embed them' }));
    await page.locator('#try-result').waitFor();
    expect(await page.locator('#try-status').textContent()).toMatch(
      /^6 texts, 1 provider call, 0 from the cache/,
    );
    const rank = async (n: number) => (await page.locator('#ranking tbody tr').nth(n).textContent())!;
    expect(await rank(0)).toMatch(/kitten|cat/);
    expect(await rank(4)).toMatch(/Shares|bank/);
    const cells = await page.locator('#heat-map tbody tr').first().locator('td').allTextContents();
    const [self, kitten, , stocks] = cells.map(Number);
    expect(self).toBe(1);
    expect(kitten! - stocks!).toBeGreaterThan(0.2);
    expect(await page.locator('#vectors-caption').textContent()).toBe(
      '6 vectors of 384 numbers: 1536 bytes each as float32, 384 as int8, 48 as bits',
    );
    const link = new URL((await page.locator('#try-link').getAttribute('href'))!, server.url);
    expect(await page.locator('#try-query').textContent()).toBe(link.searchParams.get('query'));
    const answer = await server.graphql(
      link.searchParams.get('query')!,
      JSON.parse(link.searchParams.get('variables')!),
    );
    expect(answer.errors).toBeUndefined();

    // It asks first; who keeps the figures keeps them.
    await press(page, page.getByRole('button', { name: 'Reset figures' }));
    await press(page, page.getByRole('button', { name: 'Keep them' }));
    await page.locator('#reset-dialog').waitFor({ state: 'hidden' });
    await page.waitForTimeout(1_500);
    expect(await page.locator('#embeddings-detail').textContent()).toBe('36 computed');
    await press(page, page.getByRole('button', { name: 'Reset figures' }));
    await press(page, page.getByRole('button', { name: 'Reset', exact: true }));
    await expect
      .poll(() => page.locator('#embeddings-detail').textContent(), { timeout: 20_000 })
      .toBe('0 computed');
    expect(wrong).toEqual([]);
    await page.close();
  });

  test('takes one text, none, and failing ones, and never shows a negative zero', async () => {
    const page = await browser.newPage();
    await open(page);
    const embed = async (texts: string, query: string) => {
      await page.getByLabel('Documents, one a line').fill(texts);
      await page.getByLabel(/^Query/).fill(query);
      await press(page, page.getByRole('button', { name: 'Embed them' }));
      await page.locator('#run:not([disabled])').waitFor();
    };
    await embed('A cat.', '');
    await page.locator('#vectors').waitFor();
    expect(await page.locator('#vectors tbody tr').count()).toBe(1);
    for (const part of ['#ranking', '#heat-map']) expect(await page.locator(part).isVisible()).toBe(false);
    await embed('  \n ', 'What?');
    expect(await page.locator('#try-status').textContent()).toBe('Type at least one document.');
    expect(await page.locator('#try-result').isVisible()).toBe(false);
    // A long list has a link all the same, which a server takes.
    await embed(Array.from({ length: 400 }, (_, i) => `text number ${i} of a long list`).join('\n'), 'What?');
    await page.locator('#ranking').waitFor();
    const address = (await page.locator('#try-link').getAttribute('href'))!;
    expect((await fetch(address, { headers: { accept: 'text/html' } })).status).toBe(200);
    expect(await page.locator('#try-result').textContent()).not.toMatch(/-0\.0+(?!\d)/);
    await page.close();
  });

  test('says what is wrong, and what to do', async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    const [degraded, page] = await Promise.all([startEmbedQL({ REDIS_URL: url }), browser.newPage()]);
    await page.goto(degraded.url);
    await page.getByText('degraded', { exact: true }).waitFor();
    await expect
      .poll(() => page.locator('#problems').textContent())
      .toMatch(/Redis is unreachable \(ECONNREFUSED\).*Check/);
    expect(await page.locator('#cache-state').textContent()).toBe(
      'Cache: memory, then Redis (away or not taking writes: see above).',
    );
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.close();
    await degraded.stop();
  });

  test('can be used by keyboard, and names its controls', async () => {
    const page = await browser.newPage();
    await open(page);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the figures');
    for (const name of ['Documents, one a line', 'Query, to rank them by (may be left empty)', 'Model'])
      expect(await page.getByLabel(name, { exact: true }).count()).toBe(1);
    await page.getByText('OK', { exact: true }).waitFor();
    await page.getByLabel('Documents, one a line').focus();
    for (let i = 0; i < 3; i++) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('#try-result').waitFor();
    await page.getByRole('button', { name: 'Reset figures' }).focus();
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Keep them');
    await page.keyboard.press('Escape');
    expect(await page.locator('#reset-dialog').isVisible()).toBe(false);
    await page.close();
  });

  test('without a key says how to enter one and shows nothing else; refuses a wrong one; GraphiQL takes it from here', async () => {
    const guarded = await startEmbedQL({ EMBEDQL_API_KEYS: 'open-sesame' });
    const page = await browser.newPage();
    await page.goto(guarded.url);
    await page.getByRole('heading', { name: 'This server requires an API key' }).waitFor();
    expect(await page.locator('main').isVisible()).toBe(false);
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.getByLabel('API key').fill('schlüssel');
    await page.keyboard.press('Enter');
    await page.getByText('A key has only letters').waitFor();
    await page.getByLabel('API key').fill('guessed');
    await page.keyboard.press('Enter');
    await page.getByText("That key is none of this server's.").waitFor();
    await page.getByLabel('API key').fill('open-sesame');
    await page.keyboard.press('Enter');
    await page.getByText('OK', { exact: true }).waitFor();
    await page.locator('main').waitFor();
    await press(page, page.getByRole('link', { name: 'Prometheus' }));
    await page.getByText('embedql_operations_total').first().waitFor();
    await page.goto(`${guarded.url}/graphql?query=${encodeURIComponent('{ health { status } }')}`);
    await page.locator('.graphiql-editor .view-lines').first().getByText('health').first().waitFor();
    await press(page, page.getByRole('button', { name: /^Execute query/ }));
    await expect.poll(() => page.locator('.result-window').textContent()).toContain('OK');
    await page.goto(guarded.url);
    await press(page, page.getByRole('button', { name: 'Forget the key' }));
    await page.getByRole('heading', { name: 'This server requires an API key' }).waitFor();
    await page.close();
    await guarded.stop();
  });

  test('opens with what has been, over every range, and says what failed and what to do', async () => {
    const [busy, page] = await Promise.all([startEmbedQL(), browser.newPage()]);
    for (let i = 0; i < 3; i++)
      await busy.graphql(`mutation { a: embed(text: "text ${i}") { cost } b: embed(text: "") { cost } }`);
    const wrong = await open(page, busy.url);
    const legend = async (title: string) =>
      (
        await page
          .locator('figure', { has: page.getByRole('heading', { name: title, exact: true }) })
          .locator('b')
          .allTextContents()
      ).join();
    // Of the minutes before the page was opened.
    await expect.poll(() => legend('Texts'), { timeout: 20_000 }).toBe('3,0');
    expect(await legend('Failures')).toBe('3,3');
    expect(await legend('Latency')).toMatch(/^[\d.,]+ m?s,[\d.,]+ m?s$/);
    expect(await page.locator('#latency').textContent()).toMatch(/ m?s$/);
    await expect
      .poll(() => page.locator('#errors-table tbody').textContent())
      .toContain('BAD_USER_INPUT3A client sends empty texts');
    for (const range of ['15 min', '6 hours', '24 hours', '7 days', '30 days']) {
      await page.getByLabel('Range', { exact: true }).selectOption(range);
      const said = range.endsWith('days') ? /all servers/ : new RegExp(`not run for ${range}`);
      await expect.poll(() => page.locator('#history-note').textContent()).toMatch(said);
      await expect.poll(() => legend('Texts')).toBe('3,0');
      expect(await page.getByRole('heading', { name: 'Latency', exact: true }).isVisible()).toBe(
        !range.endsWith('days'),
      );
    }
    expect(wrong).toEqual([]);
    await page.close();
    await busy.stop();
  });

  test('shows what was paid and saved, by model and by tag', async () => {
    const provider = await startProvider();
    const [paying, page] = await Promise.all([startEmbedQL({ ...provider.env }), browser.newPage()]);
    for (let again = 0; again < 2; again++)
      await paying.graphql('mutation { embed(text: "a cat") { cost } }');
    await page.goto(paying.url);
    const row = async () =>
      (await page.locator('#money tbody tr').first().locator('td').allTextContents()).slice(1);
    await expect.poll(row, { timeout: 20_000 }).toEqual(['$0.000000040', '$0.000000040', '2', '1']);
    await page.getByLabel('by', { exact: true }).selectOption('tag');
    await expect.poll(() => page.locator('#money tbody tr').first().textContent()).toContain('(none)');
    await page.close();
    await paying.stop();
    await provider.close();
  });

  test('shows the endpoints of a model, and which of them is left alone and why', async () => {
    const provider = await startProvider();
    const folder = await mkdtemp(path.join(tmpdir(), 'embedql-dashboard-'));
    const file = path.join(folder, 'models.json');
    const endpoints = [
      { name: 'near', baseUrl: provider.url },
      { name: 'gone', baseUrl: `http://127.0.0.1:${await freePort()}/v1` },
    ];
    const entry = { name: 'pooled', id: 'text-embedding-3-small', provider: 'openai', dimension: 1_536 };
    await writeFile(file, JSON.stringify({ models: [{ ...entry, apiKeyEnv: 'KEY', endpoints }] }));
    const pooled = await startEmbedQL({
      EMBEDQL_MODELS_FILE: file,
      EMBEDQL_DEFAULT_MODEL: 'pooled',
      EMBEDQL_BREAKER_MS: '60000',
      KEY: testKey,
    });
    for (let i = 0; i < 20; i++) await pooled.graphql(`mutation { embed(text: "text ${i}") { cost } }`);
    const page = await browser.newPage();
    await page.goto(pooled.url);
    const row = page.locator('#models tbody tr', { hasText: 'pooled' });
    await expect.poll(() => row.textContent(), { timeout: 20_000 }).toMatch(/near: ready, 0 calls under way/);
    await expect.poll(() => row.textContent()).toMatch(/gone: (?!ready)/);
    expect(await page.locator('#problems').textContent()).toContain('pooled at gone: ');
    await page.close();
    await pooled.stop();
    await provider.close();
  });

  test('shows jobs and how far they are', async () => {
    const cacheDir = await mkdtemp(path.join(tmpdir(), 'embedql-dashboard-'));
    const [working, page] = await Promise.all([
      startEmbedQL({ EMBEDQL_CACHE_DIR: cacheDir }),
      browser.newPage(),
    ]);
    await working.graphql('mutation { createEmbeddingJob(input: { texts: ["one", "two"] }) { id } }');
    await page.goto(working.url);
    await expect
      .poll(() => page.locator('#jobs tbody').textContent(), { timeout: 20_000 })
      .toContain('2 of 2done');
    await page.close();
    await working.stop();
  });

  test.each([
    ['light', 1_280],
    ['dark', 1_280],
    ['light', 390],
    ['dark', 390],
  ] as const)('fits the window: %s, %i pixels', async (colorScheme, width) => {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const wrong = await open(page);
    await page.getByText('OK', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Embed them' }).click();
    await page.locator('#try-result').waitFor();
    if (screenshots) await page.waitForTimeout(4_000);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    if (screenshots)
      await page.screenshot({ path: `${screenshots}/dashboard-${colorScheme}-${width}.png`, fullPage: true });
    expect(await accessibilityFaults(page)).toEqual([]);
    expect(wrong).toEqual([]);
    await page.close();
  });

  test('says that the server has gone, and goes on when it is back', async () => {
    const port = String(await freePort());
    const page = await browser.newPage();
    const defects: string[] = [];
    page.on('pageerror', (error) => defects.push(error.message));
    for (const round of [1, 2]) {
      const running = await serveEmbedQL({ PORT: port });
      if (round === 1) await page.goto(running.url);
      await page.getByText('OK', { exact: true }).waitFor();
      running.process.kill('SIGTERM');
      await running.finished;
      await page.getByText('no connection, trying again').waitFor();
    }
    expect(defects).toEqual([]);
    await page.close();
  });

  test('nothing moves while it is drawn', async () => {
    const page = await browser.newPage({ viewport: { width: 1_280, height: 900 } });
    await page.addInitScript(() => {
      const shifts: number[] = [];
      Object.assign(globalThis, { shifts });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) shifts.push((entry as unknown as { value: number }).value);
      }).observe({ type: 'layout-shift', buffered: true });
    });
    await open(page);
    await page.getByText('OK', { exact: true }).waitFor();
    await page.waitForTimeout(3_000);
    const shifts = (await page.evaluate('shifts')) as number[];
    expect(shifts.reduce((sum, shift) => sum + shift, 0)).toBeLessThan(0.02);
    await page.close();
  });
});
