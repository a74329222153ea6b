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
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(server.url) && !/^(blob|data):/.test(url)) elsewhere.push(url);
    });
    await page.goto(`${server.url}/graphql`);
    const tabs = page.locator('[role="tab"].graphiql-tab-button, .graphiql-tab-button');
    await tabs.first().waitFor();
    expect(await tabs.allTextContents()).toEqual(['OneText', 'ManyAliases', 'Batch', 'ModelsAndMetrics']);
    const answers: string[] = [];
    page.on('response', async (response) => {
      if (
        response.request().method() !== 'POST' ||
        response.request().postData()!.includes('IntrospectionQuery')
      )
        return;
      answers.push(await response.text());
    });
    for (let i = 0; i < 4; i++) {
      // By keyboard: tabs can be dragged, and a click without a hand behind it is taken for that.
      await tabs.nth(i).focus();
      await page.keyboard.press('Enter');
      const name = await tabs.nth(i).textContent();
      await page.locator('.graphiql-editor .view-lines').first().getByText(name!).first().waitFor();
      await page.getByRole('button', { name: /^Execute query/ }).click();
      await expect.poll(() => answers.length, { timeout: 30_000 }).toBe(i + 1);
    }
    for (const answer of answers) expect(JSON.parse(answer)).not.toHaveProperty('errors');
    expect(JSON.parse(answers[0]!).data.embed.dimension).toBe(384);
    expect(Object.keys(JSON.parse(answers[1]!).data)).toEqual(['cat', 'feline', 'stocks', 'question']);
    expect(JSON.parse(answers[2]!).data.embedBatch).toMatchObject({
      totalEmbeddings: 3,
      failures: [{ index: 3 }],
    });
    expect(JSON.parse(answers[3]!).data.models).toHaveLength(5);
    if (process.env['SCREENSHOTS'])
      await page.screenshot({ path: `${process.env['SCREENSHOTS']}/graphiql.png` });
    expect(elsewhere).toEqual([]);
  });
});
