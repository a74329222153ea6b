import type { Catalogue } from '../../core/catalogue.ts';
import { answerTooLarge, type EmbedQLError, InputRefusedError, toEmbedQLError } from '../../core/errors.ts';
import type { EmbeddingModel } from '../../core/model.ts';
import type { Answer, EmbedRequest } from '../../core/request.ts';
import type { Log } from '../../core/surroundings.ts';
import { shortenVector } from '../../core/vectors.ts';
import { readWish } from '../../core/wish.ts';
import { BrokenOff, leaveUnread, readJson } from '../../http/body.ts';
import { sendPacked } from '../../http/packing.ts';
import { clientGone, sendError } from '../../http/respond.ts';
import type { Handler } from '../../http/route.ts';
import { writeAnswer } from '../../wire/writer.ts';
import type { Services } from '../services.ts';
import { modelNamed, notAvailable } from './availability.ts';
import { type EmbeddingsBody, type EmbeddingsInput, readBody } from './body.ts';
import { embeddingsPath } from './embeddings-path.ts';
import { openaiErrors, ParameterError } from './errors.ts';
import { setFacts } from './headers.ts';
import { decodeTokenLists } from './token-lists.ts';

/**
 * OpenAI's embeddings endpoint, over the same embedder as everything else. As with OpenAI, a text that is too long
 * or refused fails the whole request.
 */
export function createEmbeddingsHandler(services: Services, maxBodyBytes: number, log: Log): Handler {
  const shape = openaiErrors(services.nameOption);
  return async (request, response, caller) => {
    const started = performance.now();
    const record = services.operations.begin('embeddings', caller);
    record.describe({ type: 'embeddings', operation: embeddingsPath });
    const signal = clientGone(response);
    const operation = services.admission.begin({
      key: caller.key,
      tag: caller.tag,
      signal,
      trace: record.span.context,
    });
    try {
      const body = await readJson(request, maxBodyBytes, caller.buffer);
      const asked = await readRequests(await readBody(body, operation), services, {
        maxCharacters: maxBodyBytes,
        hold: (bytes) => caller.buffer.take(bytes),
      });
      checkAnswerSize(asked, services.limits.maxAnswerBytes);
      await operation.admitAnnounced(asked.requests);
      const answers = await services.embedder.embedMany(asked.requests, operation);
      record.answered(answers);
      const failed = answers.findIndex((answer) => answer instanceof Error);
      if (failed >= 0) throw explain(answers[failed] as EmbedQLError, asked, failed, services.catalogue);
      record.tellFigures();
      const cut = answers.filter((answer) => (answer as Answer).truncated).length;
      if (cut > 0) caller.setHeader('x-embedql-truncated', String(cut));
      const { body: answer, base64Bytes } = await writeAnswer(
        services.encoded,
        (bytes) => caller.allocate(bytes),
        (vectors) => ({
          value: listOf(answers as Answer[], asked, vectors[formOf(asked)]),
          head: undefined,
        }),
      );
      setFacts(response, { started, minute: operation.minute });
      const type = 'application/json; charset=utf-8';
      await sendPacked(request, response, { status: 200, type, body: answer, base64Bytes });
    } catch (error) {
      if (error instanceof BrokenOff) throw error;
      leaveUnread(request, response);
      const shown = toEmbedQLError(error);
      record.failed(shown.code);
      if (shown !== error) log.error({ err: error, path: embeddingsPath }, 'internal error');
      setFacts(response, { started, minute: operation.minute });
      sendError(response, shown, { shape });
    } finally {
      record.end(signal.aborted);
    }
  };
}

interface Asked {
  requests: EmbedRequest[];
  model: EmbeddingModel;
  dimension: number;
  encoding: EmbeddingsBody['encoding'];
  dtype: EmbeddingsBody['dtype'];
  placeOf: EmbeddingsInput['placeOf'];
}

/** Room for the texts that tokens stand for. */
interface TextRoom {
  maxCharacters: number;
  /** Accounts for bytes. @throws EmbedQLError OVERLOADED */
  hold(bytes: number): void;
}

async function readRequests(
  { model: name, input, encoding, dtype, dimensions, truncate, longText, kind }: EmbeddingsBody,
  { catalogue }: Services,
  room: TextRoom,
): Promise<Asked> {
  const model = modelNamed(name, catalogue);
  const { dimension, request } = readWish(
    {
      model: model.spec.name,
      dimensions,
      useCache: true,
      truncate: truncate ?? !model.spec.refusesLongTexts,
      longText,
    },
    catalogue,
  );
  const texts = await textsOf(input, room);
  return {
    requests: texts.map((text) => request(text, kind)),
    model,
    dimension,
    encoding,
    dtype,
    placeOf: input.placeOf,
  };
}

/** A text of white space is one here: clients of OpenAI, which refuses empty texts, send it for an empty document. */
async function textsOf({ items, placeOf }: EmbeddingsInput, room: TextRoom): Promise<readonly string[]> {
  if (hasTokens(items)) {
    const texts = await decodeTokenLists(items, { limit: room.maxCharacters, placeOf });
    room.hold(texts.reduce((sum, text) => sum + text.length, 0));
    return texts;
  }
  const empty = items.indexOf('');
  if (empty < 0) return items;
  const place = placeOf(empty);
  throw new ParameterError(place, `${place} is empty; pass a text to embed.`);
}

function hasTokens(items: EmbeddingsInput['items']): items is ReadonlyArray<readonly number[]> {
  return typeof items[0] === 'object';
}

/** Why a text failed, as somebody can use it who speaks to OpenAI: which text that is, and what else there is to ask. */
function explain(
  error: EmbedQLError,
  { model, placeOf }: Asked,
  index: number,
  catalogue: Catalogue,
): EmbedQLError {
  const place = placeOf(index);
  if (error.code === 'PROVIDER_NOT_CONFIGURED') return notAvailable(model, catalogue, error.code);
  if (error.code === 'TEXT_TOO_LONG') {
    const { name, maxInputTokens } = model.spec;
    // The words in the middle are OpenAI's, by which its clients know this error.
    return new ParameterError(
      place,
      `${place} is too long for ${name}: this model's maximum context length is ${maxInputTokens} tokens; shorten it, or ` +
        'pass truncate: true to have it cut.',
      error.code,
    );
  }
  if (error instanceof InputRefusedError)
    return new ParameterError(place, `${place}: ${error.message}`, error.code);
  return error;
}

/** How vectors stand in the answer, as lists and as base64. */
const forms = {
  float: { float: 'numbers', base64: 'base64' },
  int8: { float: 'int8Numbers', base64: 'int8' },
  binary: { float: 'binaryNumbers', base64: 'binary' },
} as const;

function formOf({ dtype, encoding }: Pick<Asked, 'dtype' | 'encoding'>) {
  return forms[dtype][encoding];
}

/** Bytes of one number in the answer, as text or as base64; at the most, whatever the numbers are. */
const bytesOfNumber = { float: 14, base64: 16 / 3 };

/** @throws EmbedQLError COST_LIMIT_EXCEEDED before anything is computed for an answer that could not be sent */
function checkAnswerSize({ requests, dimension, encoding }: Asked, most: number): void {
  const bytes = requests.length * (dimension * bytesOfNumber[encoding] + 64);
  if (bytes > most) throw answerTooLarge(most);
}

function listOf(
  answers: readonly Answer[],
  { model, dimension }: Asked,
  form: (vector: Float32Array) => unknown,
) {
  const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0);
  return {
    object: 'list',
    data: answers.map(({ vector }, index) => ({
      object: 'embedding',
      index,
      embedding: form(shortenVector(vector, dimension)),
    })),
    model: model.spec.name,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}
