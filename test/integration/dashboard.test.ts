import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchBrowser } from '../support/browser.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';

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
    await expect.poll(() => page.locator('#models tbody tr').count()).toBe(5);
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

    await page.getByRole('button', { name: 'Embed them' }).click();
    await page.locator('#try-result').waitFor();
    expect(await page.locator('#try-status').textContent()).toMatch(
      /^5 texts, 1 provider call, 0 from the cache/,
    );
    const cells = await page.locator('#heat-map tbody tr').first().locator('td').allTextContents();
    const [self, kitten, , stocks] = cells.map(Number);
    expect(self).toBe(1);
    expect(kitten! - stocks!).toBeGreaterThan(0.2);
    expect(await page.locator('#try-query').textContent()).toContain('embed(text: $t4, model: $model)');
    const link = new URL((await page.locator('#try-link').getAttribute('href'))!, server.url);
    const answer = await server.graphql(
      link.searchParams.get('query')!,
      JSON.parse(link.searchParams.get('variables')!),
    );
    expect(answer.errors).toBeUndefined();

    await page.getByRole('button', { name: 'Reset figures' }).click();
    await expect
      .poll(() => page.locator('#embeddings-detail').textContent(), { timeout: 20_000 })
      .toBe('0 computed');
    expect(wrong).toEqual([]);
    await page.close();
  });

  test('can be used by keyboard, and names its controls', async () => {
    const page = await browser.newPage();
    await open(page);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the figures');
    for (const name of ['Texts, one a line', 'Model'])
      expect(await page.getByLabel(name, { exact: true }).count()).toBe(1);
    await page.getByLabel('Texts, one a line').focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('#try-result').waitFor();
    await page.close();
  });

  test('asks for a key where one is required, and works with it', async () => {
    const guarded = await startEmbedQL({ EMBEDQL_API_KEYS: 'open-sesame' });
    const page = await browser.newPage();
    await page.goto(guarded.url);
    await page.getByLabel('API key').fill('open-sesame');
    await page.keyboard.press('Enter');
    await page.getByText('OK', { exact: true }).waitFor();
    await page.close();
    await guarded.stop();
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
    expect(wrong).toEqual([]);
    await page.close();
  });
});
