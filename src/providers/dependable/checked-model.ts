import type { Batches, BatchLine } from '../../core/batches.ts';
import { EmbedQLError } from '../../core/errors.ts';
import type { EmbeddedText, FittedText, ModelSpec, ModelStatus } from '../../core/model.ts';
import type { Log } from '../../core/surroundings.ts';
import { isFiniteVector } from '../../core/vectors.ts';
import type { ProviderModel } from '../provider.ts';

/** A model of which everything has been checked, and which can always count. */
export type CheckedModel = Pick<
  ProviderModel,
  | 'spec'
  | 'remote'
  | 'distinguishesKinds'
  | 'maxConcurrency'
  | 'status'
  | 'identity'
  | 'fit'
  | 'embed'
  | 'batches'
  | 'close'
> &
  Required<Pick<ProviderModel, 'countTokens'>>;

/** Tokens that a service may add to a text of its own accord: what marks its start and its end, a short prompt. */
const usuallyAdded = 8;
/** The most that a provider can say that it is. */
const mostAdded = 100;

/**
 * A provider's model, none of which is believed: what it gives is complete, in range and of the right type, and what it throws
 * is an `EmbedQLError` (or the abortion of its signal).
 */
export function checkedModel(model: ProviderModel, log: Log): CheckedModel {
  const { spec, addedTokens = usuallyAdded } = model;
  const added = Math.min(mostAdded, isCount(addedTokens) ? addedTokens : usuallyAdded);
  const explained = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof EmbedQLError || isAbort(error)) throw error;
      log.error({ model: spec.name, ...traceOf(error) }, 'the provider failed unexpectedly');
      throw unexplained(error, spec);
    }
  };
  const fitted = (texts: readonly string[]) =>
    explained(async () => checkFits(spec, texts, await model.fit(texts)));
  const counted: CheckedModel['countTokens'] = async (texts, atMost) => {
    const counts = await explained(async () => model.countTokens?.(texts, atMost));
    // Of a text that was cut, that is all that is known.
    if (!counts)
      return (await fitted(texts)).map(({ maxTokens, truncated }) =>
        truncated ? Math.max(maxTokens, spec.maxInputTokens + 1) : maxTokens,
      );
    if (counts.length !== texts.length) throw wrong(spec, 'did not count the tokens of every text');
    return counts.map((count, i) => tokensOf(texts[i]!, count));
  };
  let isTold = false;
  const believed = async (texts: readonly string[], embedded: EmbeddedText[]): Promise<EmbeddedText[]> => {
    const usage = embedded.reduce((sum, { tokens }) => sum + tokens, 0);
    if (isPossible(usage, texts, added)) return embedded;
    if (!isTold)
      log.warn(
        { model: spec.name, usage, texts: texts.length },
        `The provider of ${spec.name} says that it read more tokens than it was sent; they are counted here instead.`,
      );
    isTold = true;
    const own = await counted(texts);
    return embedded.map(({ vector }, i) => ({ vector, tokens: own[i]!, tokensEstimated: true }));
  };
  return {
    spec,
    remote: model.remote,
    distinguishesKinds: model.distinguishesKinds === true,
    maxConcurrency: checkConcurrency(model.maxConcurrency),
    status: () => checkStatus(model),
    identity: () => explained(async () => checkIdentity(spec, await model.identity())),
    fit: fitted,
    countTokens: counted,
    embed: async (texts, signal, call) =>
      believed(
        texts,
        await explained(async () => checkAnswer(spec, texts, await model.embed(texts, signal, call))),
      ),
    batches:
      spec.batchCostPer1kTokens === undefined ? undefined : checkedBatches(model.batches, spec, explained),
    close: () => model.close(),
  };
}

/** What comes back in batches is looked at like any answer. */
function checkedBatches(
  batches: Batches | undefined,
  spec: ModelSpec,
  explained: <Result>(work: () => Promise<Result>) => Promise<Result>,
): Batches | undefined {
  if (!batches) return undefined;
  const checked = (line: BatchLine): BatchLine => {
    if ('error' in line) return line;
    const { vector, tokens } = line;
    if (vector instanceof Float32Array && vector.length === spec.dimension && isFiniteVector(vector))
      return { id: line.id, vector, tokens: isCount(tokens) ? Math.ceil(tokens) : undefined };
    return {
      id: line.id,
      error: wrong(spec, 'returned something that is no vector of this model in a batch'),
    };
  };
  return {
    maxTexts: batches.maxTexts,
    maxBytes: batches.maxBytes,
    submit: (texts, options) => explained(() => batches.submit(texts, options)),
    find: (mark, since, signal) => explained(() => batches.find(mark, since, signal)),
    look: (id, signal) => explained(() => batches.look(id, signal)),
    cancel: (id, signal) => explained(() => batches.cancel(id, signal)),
    forget: (id, signal) => explained(() => batches.forget(id, signal)),
    async *read(outputs, signal) {
      const lines = batches.read(outputs, signal)[Symbol.asyncIterator]();
      try {
        for (;;) {
          const next = await explained(async () => lines.next());
          if (next.done) return;
          yield checked(next.value);
        }
      } finally {
        await lines.return?.();
      }
    },
  };
}

function checkStatus(model: ProviderModel): ModelStatus {
  try {
    const { available, loaded, reason, note } = model.status();
    return { available: Boolean(available), loaded: Boolean(loaded), reason, note };
  } catch {
    return { available: false, loaded: false, reason: `${model.spec.name} cannot say how it is.` };
  }
}

function checkConcurrency(most: unknown): number | undefined {
  return typeof most === 'number' && most >= 1 ? Math.floor(most) : undefined;
}

function checkIdentity(spec: ModelSpec, identity: unknown): string {
  if (typeof identity === 'string' && /^\S{1,500}$/.test(identity)) return identity;
  throw wrong(spec, 'returned an identity that is not one word');
}

function checkFits(spec: ModelSpec, texts: readonly string[], fitted: readonly FittedText[]): FittedText[] {
  if (!Array.isArray(fitted) || fitted.length !== texts.length)
    throw wrong(spec, 'did not return every text from fit');
  return fitted.map((item: Partial<FittedText> | undefined, i) => {
    const { text, maxTokens, truncated } = item ?? {};
    if (typeof text !== 'string') throw wrong(spec, 'returned something other than a text from fit');
    return { text, maxTokens: tokensOf(texts[i]!, maxTokens), truncated: truncated === true };
  });
}

function checkAnswer(
  spec: ModelSpec,
  texts: readonly string[],
  embedded: readonly EmbeddedText[],
): EmbeddedText[] {
  if (!Array.isArray(embedded) || embedded.length !== texts.length) {
    const count = Array.isArray(embedded) ? embedded.length : 'no';
    throw wrong(spec, `returned ${count} vectors for ${texts.length} texts`);
  }
  return embedded.map((item: Partial<EmbeddedText> | undefined) => {
    const { vector, tokens, tokensEstimated } = item ?? {};
    if (!(vector instanceof Float32Array)) throw wrong(spec, 'returned something other than a Float32Array');
    if (vector.length !== spec.dimension) {
      throw wrong(
        spec,
        `returned vectors of ${vector.length} numbers instead of its "dimension", ${spec.dimension}`,
      );
    }
    if (!isFiniteVector(vector)) throw wrong(spec, 'returned a vector with a value that is not a number');
    const count = isCount(tokens) ? Math.ceil(tokens) : 0;
    return tokensEstimated === true ? { vector, tokens: count, tokensEstimated } : { vector, tokens: count };
  });
}

/** Whether texts can have so many tokens together: a token is at least one byte. */
function isPossible(tokens: number, texts: readonly string[], added: number): boolean {
  let most = added * texts.length;
  // The bytes are only counted where the characters leave a doubt.
  for (const text of texts) most += text.length;
  if (tokens <= most) return true;
  for (const text of texts) most += Buffer.byteLength(text) - text.length;
  return tokens <= most;
}

/** What is no count at all is none. */
function isCount(count: unknown): count is number {
  return typeof count === 'number' && count >= 0;
}

/** A count of tokens that its text can have. */
function tokensOf(text: string, count: unknown): number {
  if (!isCount(count)) return 0;
  // Only a count that stands out is worth measuring the text.
  const most = count <= text.length ? count : Buffer.byteLength(text) + usuallyAdded;
  return Math.ceil(Math.min(count, most));
}

/**
 * An error that a provider threw without saying what it means: a connection that `fetch` could not make or keep passes, a
 * mistake in the provider does not.
 */
function unexplained(error: unknown, spec: ModelSpec): EmbedQLError {
  if (error instanceof TypeError && error.message === 'fetch failed') {
    return new EmbedQLError('PROVIDER_ERROR', `The provider of ${spec.name} cannot be reached; try again.`, {
      retryable: true,
      cause: error,
    });
  }
  return new EmbedQLError(
    'PROVIDER_ERROR',
    `The provider of ${spec.name} failed for an unknown reason; see the server log.`,
    { cause: error },
  );
}

/** What `fetch` and its like throw when their signal is aborted. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}

/** What of a stranger's error may be logged: its kind and its place. Its message may hold a text or a key. */
function traceOf(error: unknown): { error: string; at?: string | undefined } {
  if (!(error instanceof Error)) return { error: typeof error };
  const at = /^ {4}at (.+)$/m.exec(error.stack ?? '')?.[1];
  return { error: error.name, at };
}

function wrong(spec: ModelSpec, what: string): EmbedQLError {
  return new EmbedQLError(
    'PROVIDER_ERROR',
    `The provider of ${spec.name} ${what}; its answer was discarded.`,
  );
}
