import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Running } from '../test/support/processes.ts';
import { preload } from '../test/support/processes.ts';

/** What a server has done since it was last asked. */
export interface Measured {
  /** The longest that the event loop was held in one piece, in ms of processor, `JSON.parse` left out. */
  blockMs: number;
  /** The same by the clock, with everything. */
  wallMs: number;
  /** The longest `JSON.parse`, in ms of processor. */
  parseMs: number;
  /** Of all threads, garbage collection included. */
  cpuMs: number;
  peakMb: number;
}

/**
 * Measures inside the server. Other processes take the processor from it at any moment, so what counts is the time that its
 * main thread has had, which Linux tells; elsewhere it is the clock's. `JSON.parse` cannot be cut, and is counted apart.
 */
const meter = `
  import fs from 'node:fs';
  import v8 from 'node:v8';
  import vm from 'node:vm';
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc');
  let now = () => performance.now();
  try {
    const file = fs.openSync('/proc/self/task/' + process.pid + '/schedstat');
    const read = Buffer.alloc(96);
    now = () => Number(read.latin1Slice(0, fs.readSync(file, read, 0, 96, 0)).split(' ')[0]) / 1e6;
  } catch {}
  let blockMs, wallMs, parseMs, peak, begun, left;
  let last = now();
  let lastWall = performance.now();
  const reset = () => {
    blockMs = wallMs = parseMs = peak = left = 0;
    begun = process.cpuUsage();
    last = now();
    lastWall = performance.now();
  };
  reset();
  const parse = JSON.parse;
  JSON.parse = (text, reviver) => {
    if (typeof text !== 'string' || text.length < 100_000) return parse(text, reviver);
    const before = now();
    try {
      return parse(text, reviver);
    } finally {
      left += now() - before;
      parseMs = Math.max(parseMs, left);
    }
  };
  const look = () => { peak = Math.max(peak, process.memoryUsage.rss()); };
  setInterval(look, 5).unref();
  setInterval(() => {
    blockMs = Math.max(blockMs, now() - last - left);
    wallMs = Math.max(wallMs, performance.now() - lastWall);
    left = 0;
    last = now();
    lastWall = performance.now();
  }, 1).unref();
  process.on('SIGUSR2', () => {
    look();
    const { user, system } = process.cpuUsage(begun);
    console.log('measured ' + JSON.stringify({ blockMs, wallMs, parseMs, cpuMs: (user + system) / 1e3, peakMb: peak / 1e6 }));
    gc();
    setTimeout(() => { reset(); console.log('ready'); }, 20);
  });`;

/** NODE_OPTIONS of a server that can be asked by `meterOf`. */
export const metered = preload(meter);

/** @returns asks what a `metered` server has done since the last time, and has it collect its garbage */
export function meterOf(server: Running): () => Promise<Measured> {
  let seen = 0;
  return async () => {
    server.process.kill('SIGUSR2');
    for (;;) {
      const output = server.stdout();
      if (output.indexOf('ready\n', seen) !== -1) {
        const [, json] = /measured (.*)/.exec(output.slice(seen))!;
        seen = output.length;
        return JSON.parse(json!) as Measured;
      }
      if (server.process.exitCode !== null) throw new Error('the server has ended');
      await Promise.race([once(server.process.stdout!, 'data'), sleep(1_000)]);
    }
  };
}
