import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import { fieldsInSentences, sentence } from './sentences.ts';

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
    // NO_COLOR and a dumb terminal are heeded.
    colorize: pretty.isColorSupported,
    singleLine: true,
    ignore: `pid,hostname,${fieldsInSentences.join()}`,
    messageFormat: (line, key) => sentence(line) ?? String(line[key] ?? ''),
    translateTime: 'SYS:HH:MM:ss',
    destination: process.stdout,
  });
}
