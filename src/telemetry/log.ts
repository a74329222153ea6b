import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';

export type Log = Logger;

/** JSON lines on stdout, or lines for a person where stdout is a terminal. */
export function createLog(level: string, terminal = process.stdout.isTTY === true): Log {
  const options = { level, base: undefined };
  if (!terminal) return pino(options);
  return pino(options, pretty({ colorize: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' }));
}
