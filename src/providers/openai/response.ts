import { z } from 'zod';
import { EmbedQLError, InputRefusedError, ServerFailedError } from '../../core/errors.ts';
import type { ModelSpec } from '../../core/model.ts';
import { isFiniteVector, vectorFromBase64 } from '../../core/vectors.ts';

/**
 * What an OpenAI-compatible server answers, base64 or not; nothing of it is trusted. Servers leave `index` out, count
 * nothing or half, and put null for a text, or for a number, that they could not compute.
 */
const responseSchema = z.object({
  data: z.array(
    z
      .object({
        index: z.int().nonnegative().nullish(),
        embedding: z.union([z.string(), z.array(z.number().nullable())]).nullish(),
      })
      .nullable(),
  ),
  usage: z.object({ total_tokens: z.unknown(), prompt_tokens: z.unknown() }).partial().nullish().catch(null),
});

type Item = z.infer<typeof responseSchema>['data'][number];

export interface ReadResponse {
  /** In the order of the texts that were sent. */
  vectors: Float32Array[];
  /** Tokens charged for the whole call; undefined where the server does not say. */
  tokens: number | undefined;
}

/**
 * Puts every vector back to its text by `index` (the order of `data` is not promised; where nothing has an index, it is the
 * order of the texts) and checks count, dimension and numbers.
 * @throws InputRefusedError where some texts have a vector and others have none: one of these is at fault.
 *   EmbedQLError PROVIDER_ERROR otherwise
 */
export function readResponse(body: unknown, texts: number, spec: ModelSpec): ReadResponse {
  const json = fromText(body);
  const parsed = responseSchema.safeParse(json);
  if (!parsed.success)
    throw isError(json) ? failed(spec) : wrong(spec, 'sent something that is not an embeddings answer');
  const { data, usage } = parsed.data;
  if (data.length !== texts) throw wrong(spec, `sent ${data.length} vectors for ${texts} texts`);
  const vectors = inOrder(data, spec).map((item) => readVector(item?.embedding, spec));
  const missing = vectors.filter((vector) => vector === undefined).length;
  if (missing === texts) throw wrong(spec, 'sent vectors with something that is not a number, or none');
  if (missing > 0)
    throw new InputRefusedError(`The provider of ${spec.name} gave no vector for this text; change it.`);
  const tokens = readCount(usage?.total_tokens) ?? readCount(usage?.prompt_tokens);
  return { vectors: vectors as Float32Array[], tokens };
}

/**
 * Zero, for texts that are not empty, is what a server says that does not count. Whether so many can be is for those to say
 * who know the texts.
 */
function readCount(count: unknown): number | undefined {
  if (typeof count !== 'number' || !(count > 0)) return undefined;
  return Math.min(Math.ceil(count), Number.MAX_SAFE_INTEGER);
}

/** An answer that was not said to be JSON comes as text. */
function fromText(body: unknown): unknown {
  if (typeof body !== 'string') return body;
  try {
    return JSON.parse(body.replace(/^\uFEFF/, ''));
  } catch {
    return body;
  }
}

/** Some gateways tell of failures in an answer that says 200. */
function isError(body: unknown): boolean {
  return typeof body === 'object' && body !== null && Boolean((body as { error?: unknown }).error);
}

/** By index, where there is one: for a null, the place in the list stands. */
function inOrder(data: readonly Item[], spec: ModelSpec): readonly Item[] {
  const numbered = data.filter((item) => typeof item?.index === 'number').length;
  if (numbered === 0) return data;
  const items = new Array<Item | undefined>(data.length).fill(undefined);
  const without: Item[] = [];
  for (const item of data) {
    const index = item?.index;
    if (typeof index !== 'number') without.push(item);
    else if (index >= data.length || items[index]) throw wrong(spec, 'numbered its vectors wrongly');
    else items[index] = item;
  }
  // A text that failed has nothing to be numbered; a vector without a number could be anybody's.
  if (without.some((item) => item?.embedding)) throw wrong(spec, 'numbered its vectors wrongly');
  return items.map((item) => item ?? null);
}

/** @returns undefined for what is no vector, as of a text that the server could not compute */
function readVector(
  embedding: string | ReadonlyArray<number | null> | null | undefined,
  spec: ModelSpec,
): Float32Array | undefined {
  if (embedding === null || embedding === undefined) return undefined;
  const vector =
    typeof embedding === 'string'
      ? vectorFromBase64(embedding)
      : Float32Array.from(embedding, (number) => number ?? Number.NaN);
  if (vector.length !== spec.dimension) {
    throw new EmbedQLError(
      'PROVIDER_ERROR',
      `The provider of ${spec.name} sent vectors of ${vector.length} numbers instead of ${spec.dimension}; ` +
        'check the "dimension" of its entry.',
    );
  }
  return isFiniteVector(vector) ? vector : undefined;
}

/** Like HTTP 500: it may pass, and it may be about one text of the call. What it says stays behind. */
function failed(spec: ModelSpec): EmbedQLError {
  return new ServerFailedError(`The provider of ${spec.name} sent an error with HTTP 200; try again.`, false);
}

function wrong(spec: ModelSpec, what: string): EmbedQLError {
  return new EmbedQLError(
    'PROVIDER_ERROR',
    `The provider of ${spec.name} ${what}; its answer was discarded. Check its base URL.`,
  );
}
