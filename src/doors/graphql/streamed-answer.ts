import type { ServerResponse } from 'node:http';
import type { ExecutionResult } from 'graphql';
import type { Caller } from '../../http/route.ts';
import { writeInTime } from '../../http/slow-clients.ts';
import { headOf, type StreamType, toSentResult } from './answer.ts';
import type { Outcome } from './engine.ts';
import { failed, isStream } from './run.ts';

/** How events are put on the wire. */
interface Framing {
  readonly type: string;
  readonly begin: string;
  event(result: object): string;
  readonly heartbeat: string;
  readonly end: string;
}

const json = '\r\ncontent-type: application/json\r\n\r\n';
const boundary = '\r\n--graphql';

const framings: Readonly<Record<StreamType, Framing>> = {
  // GraphQL over server-sent events, distinct connections. The first comment makes browsers read the head.
  'text/event-stream': {
    type: 'text/event-stream; charset=utf-8',
    begin: ':\n\n',
    event: (result) => `event: next\ndata: ${JSON.stringify(result)}\n\n`,
    heartbeat: ':\n\n',
    end: 'event: complete\ndata:\n\n',
  },
  // Apollo's protocol for subscriptions. A part is read when the boundary behind it is there, so that goes with it.
  'multipart/mixed': {
    type: 'multipart/mixed;boundary=graphql;subscriptionSpec=1.0',
    begin: boundary,
    event: (result) => `${json}${JSON.stringify({ payload: result })}${boundary}`,
    heartbeat: `${json}{}${boundary}`,
    end: '--\r\n',
  },
};

/** Milliseconds between signs of life, for proxies that close what is silent. */
export const heartbeatMs = 10_000;

export const streamHeaders = {
  'cache-control': 'no-cache',
  // Nginx would collect events otherwise.
  'x-accel-buffering': 'no',
} as const;

/** Characters of an event that nobody has to account for. */
const smallText = 16_384;

export interface StreamedAnswer {
  type: StreamType;
  /** What a client sees of a result. */
  finish(result: ExecutionResult): ExecutionResult;
  /** Milliseconds in which an event has to be taken. */
  transferTimeoutMs: number;
}

/**
 * Writes an outcome event by event, none before the one before it has been taken: no more is computed ahead than the client
 * has read. Ends with the outcome, or when the client has gone.
 */
export async function writeStream(
  outcome: Outcome,
  response: ServerResponse,
  { buffer }: Pick<Caller, 'buffer'>,
  { type, finish, transferTimeoutMs }: StreamedAnswer,
): Promise<void> {
  const { begin, event, heartbeat, end, type: mediaType } = framings[type];
  const first = isStream(outcome) ? undefined : finish(outcome);
  const { status, headers } = headOf(first ?? {}, 'application/json');
  response.writeHead(status, {
    'content-type': mediaType,
    ...streamHeaders,
    ...headers,
  });
  response.write(begin);
  const write = async (result: ExecutionResult) => {
    const text = event(toSentResult(result));
    // Small ones are what they are, as whole answers are; of large ones somebody keeps account.
    if (text.length > smallText) buffer.answer(text.length);
    await writeInTime(response, text, transferTimeoutMs);
    buffer.answered();
  };
  const beat = setInterval(() => {
    if (!response.writableNeedDrain) response.write(heartbeat);
  }, heartbeatMs);
  try {
    if (first) await write(first);
    if (isStream(outcome)) await writeEach(outcome, response, (result) => write(finish(result)));
    if (!response.closed) response.end(end);
  } finally {
    clearInterval(beat);
  }
}

async function writeEach(
  outcome: AsyncIterable<ExecutionResult>,
  response: ServerResponse,
  write: (result: ExecutionResult) => Promise<void>,
): Promise<void> {
  const events = outcome[Symbol.asyncIterator]();
  // Now, and not once the next event has come.
  const leave = () => void Promise.resolve(events.return?.()).catch(() => {});
  response.once('close', leave);
  try {
    while (!response.closed) {
      const next = await events.next();
      if (next.done || response.closed) return;
      await write(next.value);
    }
  } catch (error) {
    if (response.closed) return;
    leave();
    await write(failed(error));
  } finally {
    response.off('close', leave);
  }
}
