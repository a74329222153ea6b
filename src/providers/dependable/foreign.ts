import { EmbedQLError } from '../../core/errors.ts';
import type { EmbeddedText, ModelSpec } from '../../core/model.ts';
import { isFiniteVector } from '../../core/vectors.ts';

/**
 * What a provider gives, checked: a vector for every text, of the right length and finite, and token counts that add up.
 * @throws EmbedQLError PROVIDER_ERROR
 */
export function checkAnswer(
  spec: ModelSpec,
  texts: readonly string[],
  embedded: readonly EmbeddedText[],
): EmbeddedText[] {
  if (!Array.isArray(embedded) || embedded.length !== texts.length) {
    const count = Array.isArray(embedded) ? embedded.length : 'no';
    throw wrong(spec, `gave ${count} vectors for ${texts.length} texts`);
  }
  return embedded.map((item: Partial<EmbeddedText> | undefined) => {
    const { vector, tokens } = item ?? {};
    if (!(vector instanceof Float32Array)) throw wrong(spec, 'gave something that is no Float32Array');
    if (vector.length !== spec.dimension) {
      throw wrong(
        spec,
        `gave vectors of ${vector.length} numbers where its "dimension" says ${spec.dimension}`,
      );
    }
    if (!isFiniteVector(vector)) throw wrong(spec, 'gave a vector with something that is not a number');
    // A count that is none must not spoil the sums of what was charged.
    return { vector, tokens: Number.isSafeInteger(tokens) && tokens! >= 0 ? tokens! : 0 };
  });
}

/**
 * An error that a provider threw without saying what it means: a connection that `fetch` could not make or keep passes, a
 * mistake in the provider does not.
 */
export function unexplained(error: unknown, spec: ModelSpec): EmbedQLError {
  if (error instanceof TypeError && error.message === 'fetch failed') {
    return new EmbedQLError('PROVIDER_ERROR', `The provider of ${spec.name} cannot be reached; try again.`, {
      retryable: true,
      cause: error,
    });
  }
  return new EmbedQLError(
    'PROVIDER_ERROR',
    `The provider of ${spec.name} failed in a way that it does not explain; the log says where.`,
    { cause: error },
  );
}

/** What of a stranger's error may be logged: its kind and its place. Its message may hold a text or a key. */
export function traceOf(error: unknown): { error: string; at?: string | undefined } {
  if (!(error instanceof Error)) return { error: typeof error };
  const at = /^ +at (.+)$/m.exec(error.stack ?? '')?.[1];
  return { error: error.name, at };
}

function wrong(spec: ModelSpec, what: string): EmbedQLError {
  return new EmbedQLError('PROVIDER_ERROR', `The provider of ${spec.name} ${what}; nothing of it was kept.`);
}
