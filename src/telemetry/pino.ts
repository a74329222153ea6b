import type { Writable } from 'node:stream';
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

/** Bytes that may wait for a reader who is slow, or stands still; what comes then is left out, and counted. */
const mostWaiting = 8 * 2 ** 20;

export interface Lines {
  write(line: string): void;
  /** Writes at once what has been gathered. */
  flush(): void;
}

let stdoutLines: Lines | undefined;

/** There is one stdout, however many servers write to it; what is left when the process ends is written then. */
function linesToStdout(): Lines {
  if (stdoutLines) return stdoutLines;
  stdoutLines = linesTo(process.stdout);
  process.once('exit', stdoutLines.flush);
  return stdoutLines;
}

/**
 * Lines of one turn of the event loop are written together: each write to a pipe takes as long as a tenth of a cached
 * operation. A stream keeps all that its reader has not taken, so a reader who stands still would have the memory of the server:
 * lines that come while too much waits are left out, and one line says how many they were.
 */
export function linesTo(stream: Writable): Lines {
  let lines = '';
  let count = 0;
  let leftOut = 0;
  const flush = () => {
    if (lines === '' && leftOut === 0) return;
    if (stream.writableLength > mostWaiting) {
      if (leftOut === 0) stream.once('drain', flush);
      leftOut += count;
    } else {
      stream.write(leftOut > 0 ? leftOutLine(leftOut) + lines : lines);
      leftOut = 0;
    }
    lines = '';
    count = 0;
  };
  return {
    write(line) {
      if (lines === '') setImmediate(flush);
      lines += line;
      count += 1;
      if (lines.length > enough) flush();
    },
    flush,
  };
}

function leftOutLine(lines: number): string {
  const msg = 'Lines of the log were left out: whoever reads it is too slow';
  return `${JSON.stringify({ level: 40, time: Date.now(), lines, msg })}\n`;
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
