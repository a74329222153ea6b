import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exampleOperations } from '../../src/doors/pages/example-operations.ts';
import { accessibilityFaults, chromiumPath, launchBrowser, press } from '../support/browser.ts';
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
    const names = exampleOperations.map(
      ({ query }) => /^(?:mutation|query|subscription) (\w+)/m.exec(query)![1]!,
    );
    expect(await tabs.allTextContents()).toEqual(names);
    const answers = new Map<string, string>();
    // From the last to the first, so that each is another than the one that is open.
    for (const name of names.toReversed()) {
      // The first press of a hand opens it: a second one is not tried.
      await press(page, tabs.getByText(name, { exact: true }));
      await expect.poll(() => page.locator('.graphiql-tab-active').textContent()).toContain(name);
      await page.locator('.graphiql-editor .view-lines').first().getByText(name).first().waitFor();
      // On a busy machine a click may come before the page is ready for it; a person would click again.
      const run = page.getByRole('button', { name: /^Execute query/ });
      const shown = async () =>
        (await page.locator('.result-window').textContent())!.replaceAll('\u00a0', ' ');
      for (let tries = 0; tries < 20 && !answers.has(name); tries++) {
        await press(page, run);
        const answer = await expect
          .poll(shown, { timeout: 3_000 })
          .toContain('"data"')
          .then(shown, () => undefined);
        if (answer !== undefined) answers.set(name, answer);
      }
    }
    for (const [name, answer] of answers) expect(answer, name).not.toContain('"errors"');
    expect(answers.get('OneText')).toMatch(/"cached": (false|true),.*"dimension": 384/);
    expect(answers.get('ManyAliases')).toMatch(/"cat".*"feline".*"catAgain".*"stocks"/);
    expect(answers.get('Batch')).toMatch(/"totalEmbeddings": 3,.*"index": 3/);
    expect(answers.get('QueryAndDocuments')).toContain('embeddingsBinary');
    expect(answers.get('Nearest')).toContain('The cat sat on the mat.');
    expect(answers.get('Estimate')).toMatch(/"texts": 5,.*"distinct": 3,.*"empty": 1/);
    expect(answers.get('Stream')).toMatch(/"done": 5, *"total": 5/);
    expect(answers.get('ModelsAndMetrics')).toContain('all-MiniLM-L6-v2');
    if (process.env['SCREENSHOTS'])
      await page.screenshot({ path: `${process.env['SCREENSHOTS']}/graphiql.png` });
    expect(elsewhere).toEqual([]);
    expect(violations).toEqual([]);
  });

  test('copies an operation as a curl command that gives its answer', async () => {
    const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
    const page = await context.newPage();
    const query = `mutation { it: embed(text: "it's a \\"cat\\" for $5") { tokens cached } }`;
    await page.goto(`${server.url}/graphql?query=${encodeURIComponent(query)}`);
    await page.locator('.graphiql-editor .view-lines').first().getByText('embed').first().waitFor();
    await press(page, page.getByRole('button', { name: 'Copy as curl' }));
    await page.getByText('Copied: paste it into a terminal.').waitFor();
    // What is ours on the page.
    for (const part of ['#copy-as-curl', '#copied'])
      expect(await accessibilityFaults(page, part)).toEqual([]);
    const command = (await page.evaluate('navigator.clipboard.readText()')) as string;
    const { stdout } = await promisify(execFile)('sh', ['-c', `${command} --silent`]);
    expect(JSON.parse(stdout)).toEqual({ data: { it: { tokens: 12, cached: false } } });
    await context.close();
  });
});
