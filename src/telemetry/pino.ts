import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';

/**
 * JSON lines on stdout, or lines for a person where stdout is a terminal.
 *
 * Not by pino's own writer: when whoever reads the log has gone, that waits at the end of the process for a pipe that
 * nobody will read any more, and the process never ends.
 */
export function createLog(level: string, terminal = process.stdout.isTTY === true): Logger {
  const options = { level, base: undefined };
  return pino(options, terminal ? prettyLines() : process.stdout);
}

function prettyLines() {
  return pretty({
    colorize: true,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss',
    destination: process.stdout,
  });
}
