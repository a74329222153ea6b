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
    singleLine: true,
    // Said in the message, where it belongs to an operation.
    ignore: `pid,hostname,${operationFields.join()}`,
    messageFormat: (line, key) => (line['msg'] === 'operation' ? sentence(line) : String(line[key] ?? '')),
    translateTime: 'SYS:HH:MM:ss',
    destination: process.stdout,
  });
}

/** What an operation's sentence says; of other lines it is left out, too, which have little of it. */
const operationFields = [
  'requestId',
  'key',
  'type',
  'operation',
  'fields',
  'texts',
  'hits',
  'calls',
  'costUsd',
  'outcome',
  'errors',
  'codes',
  'ms',
];

/** An operation for somebody who watches: `mutation Named: 3 texts, 1 hit, 1 call, $0.0001, 12.3 ms, BAD_USER_INPUT 2`. */
function sentence(line: Record<string, unknown>): string {
  const count = (name: string, unit: string) => `${line[name]} ${unit}${line[name] === 1 ? '' : 's'}`;
  const { type, operation, costUsd, outcome, codes = {}, ms } = line;
  const figures =
    line['texts'] === 0
      ? []
      : [count('texts', 'text'), count('hits', 'hit'), count('calls', 'call'), `$${costUsd}`];
  const errors = Object.entries(codes as object).map(([code, times]) => `${code} ${times}`);
  const end = outcome === 'cancelled' ? ['cancelled'] : errors;
  return `${[type, operation].filter(Boolean).join(' ')}: ${[...figures, `${ms} ms`, ...end].join(', ')}`;
}
