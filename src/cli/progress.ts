import { Presets, SingleBar } from 'cli-progress';
import type { Log, Progress } from '../core/surroundings.ts';

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

/** What the rate from the start says; nothing before there is a rate to go by, or where it is over at once. */
function timeLeft(done: number, total: number, ms: number): string {
  if (ms < 1_000 || done * 100 < total) return '';
  const seconds = Math.round(((total - done) / done) * (ms / 1_000));
  if (seconds < 1) return '';
  return seconds < 100 ? ` | ${seconds} s left` : ` | ${Math.round(seconds / 60)} min left`;
}

/** A bar on a terminal. */
export function terminalProgress(): Progress {
  return {
    start(label, totalBytes) {
      const sizes = totalBytes > 0 ? '{bar} {percentage} % | {done} of {size} MB{left}' : '{done} MB';
      const bar = new SingleBar(
        { format: `${label} ${sizes}{note}`, hideCursor: true, stream: process.stderr },
        Presets.shades_classic,
      );
      const started = performance.now();
      bar.start(totalBytes, 0, { done: '0.0', size: megabytes(totalBytes), left: '', note: '' });
      return {
        update: (done, note) => {
          const shown = totalBytes > 0 ? Math.min(done, totalBytes) : done;
          bar.update(shown, {
            done: megabytes(shown),
            left: timeLeft(shown, totalBytes, performance.now() - started),
            ...(note ? { note: ` | ${note}` } : {}),
          });
        },
        end: (complete = true) => {
          if (complete && totalBytes > 0) bar.update(totalBytes, { done: megabytes(totalBytes), left: '' });
          bar.stop();
        },
      };
    },
  };
}

/** A log line at the start, at every tenth, and at the end. */
export function loggedProgress(log: Log): Progress {
  return {
    start(label, totalBytes) {
      let tenths = 0;
      log.info({ totalBytes }, `${label}: started`);
      return {
        update(done, note) {
          const reached = totalBytes > 0 ? Math.floor((done / totalBytes) * 10) : 0;
          if (reached <= tenths || reached >= 10) return;
          tenths = reached;
          log.info({ bytes: done, totalBytes }, `${label}: ${reached * 10} %${note ? ` | ${note}` : ''}`);
        },
        end: (complete = true) => log.info({ totalBytes }, `${label}: ${complete ? 'done' : 'given up'}`),
      };
    },
  };
}

/** Whichever suits where the output goes. */
export function createProgress(log: Log, terminal = process.stderr.isTTY === true): Progress {
  return terminal ? terminalProgress() : loggedProgress(log);
}
