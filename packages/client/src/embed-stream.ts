import { EmbedError } from './errors.ts';
import { bodyTooLarge, isTooLarge } from './failures.ts';
import { readEvent as readResults, streamQuery, variablesOf } from './operations.ts';
import type { Patience } from './patience.ts';
import { type AbortSignalLike, cancellation, newDecoder, now, sleep, throwIfAborted } from './runtime.ts';
import { concernsAll, type Session } from './session.ts';
import { emptyText, placesToSend, TextQueue } from './split.ts';
import { createEventParser } from './sse.ts';
import { dataOf } from './transport.ts';
import type { Embedding, EmbedOptions, StreamedResult, VectorForm } from './types.ts';
import { shownUrl } from './url.ts';

/** Each text once, as it is ready. Leaving the loop ends the request, and the server computes no more for it. */
export async function* embedStream(
  session: Session,
  texts: readonly string[],
  options: EmbedOptions,
): AsyncGenerator<StreamedResult<VectorForm>, void, undefined> {
  throwIfAborted(options.signal);
  const cancel = cancellation(options.signal);
  const { full, empty } = placesToSend(texts);
  const queue = new TextQueue(texts, full);
  try {
    for (const index of empty) yield { index, result: emptyText() };
    await session.prepare(queue, session.streamSize, cancel.signal);
    for (;;) {
      const places = queue.take(session.streamSize);
      if (!places) return;
      if (session.streamSize.isBeyond(queue.bytesOf(places)))
        for (const index of places) yield { index, result: bodyTooLarge(session.transport.url) };
      else yield* streamOne(session, texts, places, queue, options, cancel.signal);
    }
  } finally {
    cancel.abort();
    cancel.release();
  }
}

/** One stream, and those after it for what it left out. */
async function* streamOne(
  session: Session,
  texts: readonly string[],
  places: readonly number[],
  queue: TextQueue,
  options: EmbedOptions,
  signal: AbortSignalLike,
): AsyncGenerator<StreamedResult<VectorForm>, void, undefined> {
  const patience = session.patience();
  const waiting = new Set(places);
  while (waiting.size > 0) {
    const asked = [...waiting];
    const again = new Map<number, EmbedError>();
    const tooLarge: number[] = [];
    let failure: EmbedError | undefined;
    try {
      const sent = asked.map((place) => texts[place] as string);
      for await (const chunk of chunks(session, sent, options, patience, signal)) {
        if (chunk.some(([, result]) => !(result instanceof EmbedError))) patience.renew();
        for (const [at, result] of chunk) {
          const index = asked[at];
          if (index === undefined || !waiting.has(index)) continue;
          if (result instanceof EmbedError && patience.allows(result)) {
            again.set(index, result);
            continue;
          }
          waiting.delete(index);
          if (result instanceof EmbedError && isTooLarge(result) && asked.length > 1) {
            tooLarge.push(index);
            continue;
          }
          const left = now();
          yield { index, result };
          patience.excuse(now() - left);
        }
      }
      if (waiting.size > again.size) failure = brokenOff(session);
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof EmbedError)) throw error;
      failure = error;
    }
    if (tooLarge.length > 0) await session.divide(queue, tooLarge, asked, session.streamSize, signal);
    if (failure && isTooLarge(failure)) {
      const left = [...waiting];
      if (await session.refused(queue, left, session.streamSize, signal)) return;
      if (concernsAll(failure)) {
        session.streamSize.restore();
        throw failure;
      }
      for (const index of left) yield { index, result: failure };
      return;
    }
    if (failure && !patience.allows(failure)) throw failure;
    if (waiting.size > 0)
      await sleep(patience.nextWait([...again.values(), ...(failure ? [failure] : [])]), signal);
  }
}

/** The results of one stream, event by event, by their places in `texts`. */
async function* chunks(
  { transport }: Session,
  texts: readonly string[],
  options: EmbedOptions,
  patience: Patience,
  signal: AbortSignalLike,
): AsyncGenerator<Array<[number, Embedding<VectorForm> | EmbedError]>, void, undefined> {
  const cancel = cancellation(signal);
  try {
    cancel.abortAfter(patience.remaining(), patience.timeout());
    const reader = await transport.open(
      streamQuery(options.form),
      variablesOf(texts, options),
      cancel.signal,
    );
    const decoder = newDecoder();
    const parse = createEventParser();
    for (;;) {
      const { done, value } = await transport.guard(reader.read(), cancel.signal);
      if (done) return;
      for (const { event, data } of parse(decoder.decode(value, { stream: true }))) {
        if (event === 'complete') return;
        const chunk = event === 'next' || event === 'message' ? readEvent(data, options.form) : undefined;
        if (!chunk) continue;
        cancel.hold();
        yield chunk;
        cancel.abortAfter(patience.remaining(), patience.timeout());
      }
    }
  } finally {
    cancel.abort();
    cancel.release();
  }
}

/** @throws EmbedError where the event is one */
function readEvent(json: string, form: VectorForm | undefined): ReturnType<typeof readResults> | undefined {
  if (json === '') return undefined;
  let answer: unknown;
  try {
    answer = JSON.parse(json);
  } catch (cause) {
    throw new EmbedError('NOT_GRAPHQL', 'An event of the stream is not JSON; does a proxy change it?', {
      cause,
    });
  }
  const data = dataOf(answer);
  return data && readResults(data, form);
}

function brokenOff({ transport }: Session): EmbedError {
  return new EmbedError(
    'NETWORK',
    `The stream of ${shownUrl(transport.url)} ended before all texts were done.`,
    {
      retryable: true,
    },
  );
}
