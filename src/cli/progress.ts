import { Presets, SingleBar } from 'cli-progress';
import type { Log, Progress } from '../core/surroundings.ts';

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

/** A bar on a terminal. */
export function terminalProgress(): Progress {
  return {
    start(label, totalBytes) {
      const bar = new SingleBar(
        {
          format: `${label} {bar} {percentage}% | {done}/{size} MB | ETA {eta_formatted} {note}`,
          hideCursor: true,
          stream: process.stderr,
        },
        Presets.shades_classic,
      );
      bar.start(totalBytes, 0, { done: '0.0', size: megabytes(totalBytes), note: '' });
      return {
        update: (done, note) =>
          bar.update(Math.min(done, totalBytes || done), {
            done: megabytes(done),
            ...(note ? { note: `| ${note}` } : {}),
          }),
        end: () => {
          if (totalBytes > 0) bar.update(totalBytes, { done: megabytes(totalBytes) });
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
        end: () => log.info({ totalBytes }, `${label}: done`),
      };
    },
  };
}

/** Whichever suits where the output goes. */
export function createProgress(log: Log, terminal = process.stderr.isTTY === true): Progress {
  return terminal ? terminalProgress() : loggedProgress(log);
}
