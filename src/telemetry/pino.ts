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
  return pino(options, terminal ? prettyLines() : linesToStdout());
}

/** Characters that are written at once, however soon more may follow. */
const enough = 65_536;

let stdoutLines: { write(line: string): void } | undefined;

/**
 * Lines of one turn of the event loop are written together: each write to a pipe takes as long as a tenth of a cached
 * operation. There is one stdout, however many servers write to it; what is left when the process ends is written then.
 */
function linesToStdout(): { write(line: string): void } {
  if (stdoutLines) return stdoutLines;
  let lines = '';
  const flush = () => {
    if (lines === '') return;
    const written = lines;
    lines = '';
    process.stdout.write(written);
  };
  process.once('exit', flush);
  stdoutLines = {
    write(line) {
      if (lines === '') setImmediate(flush);
      lines += line;
      if (lines.length > enough) flush();
    },
  };
  return stdoutLines;
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
