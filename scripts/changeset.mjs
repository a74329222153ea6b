// Runs Changesets with the server among the packages. It lies at the root, which npm does not list as a workspace of itself
// and Changesets therefore passes over; so the root is listed for as long as the command runs.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const list = (workspaces) => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  writeFileSync('package.json', `${JSON.stringify({ ...manifest, workspaces }, null, 2)}\n`);
};
const { workspaces } = JSON.parse(readFileSync('package.json', 'utf8'));
const restore = () => list(workspaces);
process.on('SIGINT', () => {});

list(['.', ...workspaces]);
try {
  const bin = createRequire(import.meta.url).resolve('@changesets/cli/bin.js');
  process.exitCode =
    spawnSync(process.execPath, [bin, ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1;
} finally {
  restore();
}
