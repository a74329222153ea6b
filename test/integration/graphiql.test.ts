import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchBrowser } from '../support/browser.ts';
import { startEmbedQL, type TestServer } from '../support/embedql.ts';

describe.skipIf(chromiumPath === undefined)('GraphiQL in a browser', () => {
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

  test('opens with tabs that run as they are, without anything from elsewhere', async () => {
    const page = await browser.newPage({ viewport: { width: 1_400, height: 900 } });
    const elsewhere: string[] = [];
    const violations: string[] = [];
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) violations.push(message.text());
    });
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(server.url) && !/^(blob|data):/.test(url)) elsewhere.push(url);
    });
    await page.goto(`${server.url}/graphql`);
    const tabs = page.locator('[role="tab"].graphiql-tab-button, .graphiql-tab-button');
    await tabs.first().waitFor();
    expect(await tabs.allTextContents()).toEqual(['OneText', 'ManyAliases', 'Batch', 'ModelsAndMetrics']);
    const answers = new Map<string, string>();
    page.on('response', async (response) => {
      const [, name] = /"query":"(?:mutation|query) (\w+)/.exec(response.request().postData() ?? '') ?? [];
      if (name !== undefined) answers.set(name, await response.text());
    });
    for (const [i, name] of (await tabs.allTextContents()).entries()) {
      // By keyboard: tabs can be dragged, and a click without a hand behind it is taken for that.
      await tabs.nth(i).focus();
      await page.keyboard.press('Enter');
      await page.locator('.graphiql-editor .view-lines').first().getByText(name).first().waitFor();
      // On a busy machine a click may come before the page is ready for it; a person would click again.
      const run = page.getByRole('button', { name: /^Execute query/ });
      for (let tries = 0; tries < 20 && !answers.has(name); tries++) {
        await run.click();
        await expect
          .poll(() => answers.has(name), { timeout: 3_000 })
          .toBe(true)
          .catch(() => {});
      }
    }
    const { OneText, ManyAliases, Batch, ModelsAndMetrics } = Object.fromEntries(
      [...answers].map(([name, text]) => [name, JSON.parse(text)]),
    );
    for (const answer of [OneText, ManyAliases, Batch, ModelsAndMetrics])
      expect(answer).not.toHaveProperty('errors');
    expect(OneText.data.embed.dimension).toBe(384);
    expect(Object.keys(ManyAliases.data)).toEqual(['cat', 'feline', 'stocks', 'question']);
    expect(Batch.data.embedBatch).toMatchObject({ totalEmbeddings: 3, failures: [{ index: 3 }] });
    expect(ModelsAndMetrics.data.models).toHaveLength(5);
    if (process.env['SCREENSHOTS'])
      await page.screenshot({ path: `${process.env['SCREENSHOTS']}/graphiql.png` });
    expect(elsewhere).toEqual([]);
    expect(violations).toEqual([]);
  });
});
