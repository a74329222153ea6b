import type { ExecutionResult, GraphQLError } from 'graphql';

/** Media types of an answer that is whole (GraphQL over HTTP, "Media Types"). */
export type AnswerType = 'application/json' | 'application/graphql-response+json';

/** The forms of an answer, by what a client accepts. */
export type Negotiated = AnswerType | 'stream' | undefined;

/**
 * Which of our media types an `Accept` header asks for: the first that is listed. `stream` for those that are
 * answered piece by piece, undefined where there is none.
 */
export function negotiate(accept = '*/*'): Negotiated {
  // What nearly everybody sends.
  if (accept === '*/*' || accept === 'application/json') return 'application/json';
  for (const item of accept.toLowerCase().split(',')) {
    const [type, ...parameters] = item.split(';').map((part) => part.trim());
    if (parameters.some((parameter) => /^charset=(?!"?utf-8"?$)/.test(parameter))) continue;
    switch (type) {
      case '*/*':
      case 'application/*':
      case 'application/json':
        return 'application/json';
      case 'application/graphql-response+json':
        return type;
      case 'text/*':
      case 'text/event-stream':
      case 'multipart/*':
      case 'multipart/mixed':
        return 'stream';
    }
  }
  return undefined;
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

/** An error as it is sent: without what was meant for the HTTP answer alone. */
export function toSentError(error: GraphQLError): object {
  const sent = error.toJSON();
  const { http: _, ...extensions } = error.extensions;
  return { ...sent, extensions };
}
