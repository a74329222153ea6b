import { z } from 'zod';
import type { AdmittedOperation } from '../../admission/admission.ts';
import { EmbedQLError, toEmbedQLError } from '../../core/errors.ts';
import type { Answer, EmbedRequest } from '../../core/request.ts';
import type { Log } from '../../core/surroundings.ts';
import { shortenVector } from '../../core/vectors.ts';
import { isEmptyText, readWish } from '../../core/wish.ts';
import { BrokenOff, leaveUnread, readJson } from '../../http/body.ts';
import { clientGone, sendBytes, sendError } from '../../http/respond.ts';
import type { Handler } from '../../http/route.ts';
import { writeAnswer } from '../../wire/writer.ts';
import type { Services } from '../services.ts';
import { openaiErrors, WrongParameter } from './errors.ts';

/** What `POST /v1/embeddings` takes (OpenAI's API reference). Unknown members are passed over, as OpenAI does. */
const bodySchema = z.object({
  model: z.string().optional(),
  input: z.union([z.string(), z.array(z.string()).min(1)], {
    error: ({ input }) =>
      Array.isArray(input) && input.flat().every((item) => typeof item === 'number') && input.length > 0
        ? 'input is a list of tokens, whose meaning depends on a tokenizer; send the text itself'
        : 'input must be a text or a list of texts',
  }),
  encoding_format: z.enum(['float', 'base64']).default('float'),
  dimensions: z.int().nullish(),
});

export const embeddingsPath = '/v1/embeddings';

/**
 * OpenAI's embeddings endpoint, over the same embedder as everything else. As with OpenAI, a text that is too long
 * or refused fails the whole request.
 */
export function createEmbeddingsHandler(services: Services, maxBodyBytes: number, log: Log): Handler {
  const shape = openaiErrors(services.nameOption);
  return async (request, response, caller) => {
    const record = services.operations.begin('embeddings', caller);
    record.describe({ type: 'embeddings', operation: embeddingsPath });
    const signal = clientGone(response);
    try {
      const operation = services.admission.begin({ key: caller.key, signal, trace: record.span.context });
      const body = await readJson(request, maxBodyBytes, caller.buffer);
      const { wish, encoding } = read(body, operation, services);
      checkAnswerSize(wish, encoding, services.limits.maxAnswerBytes);
      await operation.admitAnnounced(wish.requests);
      const answers = await services.embedder.embedMany(wish.requests, operation);
      record.answered(answers);
      const failure = answers.find((answer) => answer instanceof Error);
      if (failure) throw failure;
      record.tellFigures();
      const { body: answer } = await writeAnswer(services.encoded, caller.allocate, (vectors) => ({
        value: listOf(answers as Answer[], wish, encoding === 'base64' ? vectors.base64 : vectors.numbers),
        head: undefined,
      }));
      sendBytes(response, 200, 'application/json; charset=utf-8', answer);
    } catch (error) {
      if (error instanceof BrokenOff) throw error;
      leaveUnread(request, response);
      const shown = toEmbedQLError(error);
      record.failed(shown.code);
      if (shown !== error) log.error({ err: error, path: embeddingsPath }, 'internal error');
      sendError(response, shown, { shape });
    } finally {
      record.end(signal.aborted);
    }
  };
}

interface Wish {
  requests: EmbedRequest[];
  model: string;
  dimension: number;
}

function read(
  body: unknown,
  operation: AdmittedOperation,
  services: Services,
): { wish: Wish; encoding: 'float' | 'base64' } {
  // Before anything looks at each of them.
  const { input: raw } = (body ?? {}) as { input?: unknown };
  operation.announce(Array.isArray(raw) ? raw.length : 1);
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new WrongParameter(String(issue!.path[0] ?? ''), issue!.message);
  }
  const { model: name, input, encoding_format: encoding, dimensions } = parsed.data;
  const texts = typeof input === 'string' ? [input] : input;
  const empty = texts.findIndex(isEmptyText);
  if (empty >= 0) throw new WrongParameter('input', `input[${empty}] is empty; give it something to embed.`);
  const { model, dimension, request } = readWish(
    { model: name, dimensions, useCache: true, truncate: false },
    services.catalogue,
  );
  const requests = texts.map((text) => request(text, 'doc'));
  return { wish: { requests, model: model.spec.name, dimension }, encoding };
}

/** Bytes of one number in the answer, as text or as base64. */
const bytesOfNumber = { float: 14, base64: 16 / 3 };

/** @throws EmbedQLError COST_LIMIT_EXCEEDED before anything is computed for an answer that could not be sent */
function checkAnswerSize({ requests, dimension }: Wish, encoding: 'float' | 'base64', most: number): void {
  const bytes = requests.length * (dimension * bytesOfNumber[encoding] + 64);
  if (bytes <= most) return;
  throw new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    `The answer would have more than ${most} bytes; send fewer texts, ask for base64, or raise maxAnswerBytes.`,
    { hint: 'maxAnswerBytes' },
  );
}

function listOf(
  answers: readonly Answer[],
  { model, dimension }: Wish,
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
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}
