import { execFileSync } from 'node:child_process';
import { type Browser, chromium } from 'playwright-core';

/** Where Debian's Chromium is; undefined where there is none. */
export const chromiumPath = findChromium();

function findChromium(): string | undefined {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      return execFileSync('which', [name], { encoding: 'utf8' }).trim();
    } catch {}
  }
  process.stderr.write(
    'SKIPPED: no Chromium on the PATH, so the browser tests do not run (apt-get install chromium)\n',
  );
  return undefined;
}

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  });
}
