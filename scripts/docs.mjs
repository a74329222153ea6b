// Makes the site from docs/ into site/dist: `npm run docs`; `npm run docs -- preview` shows it.
// VitePress has a list of packages of its own, so that nobody else has to install it.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const site = `${root}site`;

function run(command, args) {
  const { status } = spawnSync(command, args, {
    cwd: site,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
}

if (!existsSync(`${site}/node_modules/vitepress`))
  run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts']);
rmSync(`${site}/pages`, { recursive: true, force: true });
cpSync(`${root}docs`, `${site}/pages`, { recursive: true });
cpSync(`${root}assets/dashboard/icon.svg`, `${site}/pages/public/icon.svg`);
run('npx', ['vitepress', process.argv[2] ?? 'build', '.']);
