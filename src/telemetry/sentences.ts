import type { StartReport } from './start-report.ts';

/** The words of a log line for somebody who watches a terminal; undefined leaves the line as it is. */
export function sentence(line: Record<string, unknown>): string | undefined {
  if (line['msg'] === 'operation') return operationSentence(line);
  return typeof line['missing'] === 'object' ? startSentence(line) : undefined;
}

/** The fields that the sentences say; of other lines they are left out, too, which have little of them. */
export const fieldsInSentences = [
  'address',
  'graphiql',
  'dashboard',
  'defaultModel',
  'cache',
  'ledger',
  'missing',
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

/** `mutation Named: 3 texts, 1 hit, 1 call, $0.0001, 12.3 ms, BAD_USER_INPUT 2` */
function operationSentence(line: Record<string, unknown>): string {
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

/** The message, and below it what serves, where vectors are kept and what is missing. */
function startSentence(line: Record<string, unknown>): string {
  const { msg, defaultModel, cache, ledger, missing } = line as unknown as StartReport & { msg: string };
  const lacks = Object.entries(missing).map(
    ([reason, [first, ...others]]) =>
      `${first}${others.length > 0 ? ` and ${others.length} more` : ''}: ${reason}`,
  );
  return [
    msg,
    `model    ${defaultModel}`,
    `cache    ${cache}`,
    `ledger   ${ledger}`,
    ...lacks.map((reason, i) => `${i === 0 ? 'missing' : '       '}  ${reason}`),
  ].join('\n           ');
}
