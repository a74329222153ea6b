import type { ExecutionResult, GraphQLError } from 'graphql';

/** Media types of an answer that is whole (GraphQL over HTTP, "Media Types"). */
export type AnswerType = 'application/json' | 'application/graphql-response+json';

/** Media type of an answer that comes piece by piece. */
export type StreamType = 'text/event-stream' | 'multipart/mixed';

/** What a client takes, of what there is. */
export interface Accepted {
  whole?: AnswerType;
  stream?: StreamType;
  /** Whether it asks for a stream before it asks for a whole answer. */
  streamFirst: boolean;
}

const anything: Accepted = { whole: 'application/json', stream: 'text/event-stream', streamFirst: false };
const jsonAlone: Accepted = { whole: 'application/json', streamFirst: false };

/** Which of our media types an `Accept` header asks for: of each sort the first that is listed. */
export function negotiate(accept = '*/*'): Accepted {
  // What nearly everybody sends.
  if (accept === '*/*' || accept.trim() === '') return anything;
  if (accept === 'application/json') return jsonAlone;
  const accepted: Accepted = { streamFirst: false };
  const whole = (type: AnswerType) => {
    accepted.whole ??= type;
  };
  const stream = (type: StreamType) => {
    // Who lists multipart first does so for subscriptions; its clients read a query as plain JSON.
    if (!accepted.stream && !accepted.whole) accepted.streamFirst = type === 'text/event-stream';
    accepted.stream ??= type;
  };
  for (const item of accept.toLowerCase().split(',')) {
    const [type, ...parameters] = item.split(';').map((part) => part.trim());
    if (parameters.some((parameter) => /^charset=(?!"?utf-8"?$)|^q=0(\.0*)?$/.test(parameter))) continue;
    switch (type) {
      case '*/*':
        whole('application/json');
        accepted.stream ??= 'text/event-stream';
        break;
      case 'application/*':
      case 'application/json':
        whole('application/json');
        break;
      case 'application/graphql-response+json':
        whole(type);
        break;
      case 'text/*':
      case 'text/event-stream':
        stream('text/event-stream');
        break;
      case 'multipart/*':
      case 'multipart/mixed':
        stream('multipart/mixed');
        break;
    }
  }
  return accepted;
}

interface HttpExtension {
  status?: number;
  /** A status that GraphQL over HTTP requires, but not for `application/json`, whose clients expect 200. */
  spec?: boolean;
  headers?: Record<string, string>;
}

export interface AnswerHead {
  status: number;
  headers: Record<string, string>;
}

/** The status and the headers that the errors of a result ask for: the highest status of those. */
export function headOf({ data, errors = [] }: ExecutionResult, type: AnswerType): AnswerHead {
  let status = 0;
  const headers: Record<string, string> = {};
  for (const { extensions } of errors) {
    const http = extensions['http'] as HttpExtension | undefined;
    Object.assign(headers, http?.headers);
    if (type === 'application/json' && http?.spec) continue;
    status = Math.max(status, http?.status ?? 0);
  }
  const isOurFault = data === undefined && errors.some(isInternal);
  return { status: status || (isOurFault ? 500 : 200), headers };
}

function isInternal({ extensions }: GraphQLError): boolean {
  return extensions['code'] === 'INTERNAL_SERVER_ERROR';
}

/** A result as it is sent. */
export function toSentResult({ data, errors }: ExecutionResult): object {
  return { data, ...(errors ? { errors: errors.map(toSentError) } : {}) };
}

/** An error as it is sent: without what was meant for the HTTP answer alone. */
export function toSentError(error: GraphQLError): object {
  const sent = error.toJSON();
  const { http: _, ...extensions } = error.extensions;
  return { ...sent, extensions };
}
