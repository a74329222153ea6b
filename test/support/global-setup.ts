import { execFileSync } from 'node:child_process';

/** Builds what runs outside of the test runner: the worker, the command. */
export default function globalSetup(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
}
