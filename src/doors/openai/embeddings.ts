import { z } from 'zod';
import { EmbedQLError, toEmbedQLError } from '../../core/errors.ts';
import type { Answer, EmbedRequest } from '../../core/request.ts';
import type { Log } from '../../core/surroundings.ts';
import { shortenVector } from '../../core/vectors.ts';
import { isEmptyText, readWish } from '../../core/wish.ts';
import { BodyTooLarge, BrokenOff, readJson } from '../../http/body.ts';
import { clientGone, sendBytes } from '../../http/respond.ts';
import type { Handler } from '../../http/route.ts';
import { splicedForms } from '../../wire/writer.ts';
import { isKept } from '../graphql/schema/embedding.ts';
import { FiguresTally, tellFigures } from '../operation-figures.ts';
import type { Services } from '../services.ts';
import { sendOpenAIError } from './errors.ts';

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
  return async (request, response, caller) => {
    const started = performance.now();
    const report = (outcome: object) => {
      const { requestId, key } = caller;
      const ms = Math.round((performance.now() - started) * 10) / 10;
      log.info({ requestId, key, operation: embeddingsPath, ...outcome, ms }, 'operation');
    };
    const signal = clientGone(response);
    try {
      const { wish, encoding } = read(await readJson(request, maxBodyBytes, caller.buffer), services);
      const payer = services.admission.payer(caller.key);
      await services.admission.admit(wish.requests, payer, 'The request has');
      const answers = await services.embedder.embedMany(wish.requests, { signal, payer });
      const failure = answers.find((answer) => answer instanceof Error);
      if (failure) throw failure;
      const embedded = answers as Answer[];
      const tally = new FiguresTally();
      tally.add(embedded);
      tellFigures(caller, tally.figures);
      report(tally.figures);
      const forms = splicedForms(services.encoded);
      const list = listOf(embedded, wish, encoding === 'base64' ? forms.base64 : forms.numbers);
      const body = forms.write(list, caller.allocate);
      sendBytes(response, 200, 'application/json; charset=utf-8', body);
    } catch (error) {
      if (error instanceof BrokenOff) throw error;
      // The rest of the body may be under way, and is not read.
      if (!request.complete) response.setHeader('connection', 'close');
      if (error instanceof BodyTooLarge) return sendOpenAIError(response, error, { status: 413 });
      const shown = toEmbedQLError(error);
      report({ errors: 1, code: shown.code });
      if (shown !== error) log.error({ err: error, path: embeddingsPath }, 'internal error');
      sendOpenAIError(response, shown, { param: error instanceof WrongParameter ? error.param : null });
    }
  };
}

interface Wish {
  requests: EmbedRequest[];
  model: string;
  dimension: number;
}

class WrongParameter extends EmbedQLError {
  readonly param: string;

  constructor(param: string, message: string) {
    super('BAD_USER_INPUT', message);
    this.param = param;
  }
}

function read(body: unknown, services: Services): { wish: Wish; encoding: 'float' | 'base64' } {
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

function listOf(
  answers: readonly Answer[],
  { model, dimension }: Wish,
  form: (vector: Float32Array, keep: boolean) => unknown,
) {
  const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0);
  return {
    object: 'list',
    data: answers.map((answer, index) => {
      const vector = shortenVector(answer.vector, dimension);
      return {
        object: 'embedding',
        index,
        embedding: form(vector, isKept(answer, vector)),
      };
    }),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}
