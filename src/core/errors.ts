/** The codes a client can meet in `extensions.code`; they are part of the public contract. */
export const errorCodes = [
  'BAD_USER_INPUT',
  'TEXT_TOO_LONG',
  'MODEL_NOT_FOUND',
  'PROVIDER_NOT_CONFIGURED',
  'PROVIDER_ERROR',
  'PROVIDER_TIMEOUT',
  'RATE_LIMITED',
  'OVERLOADED',
  'COST_LIMIT_EXCEEDED',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'INTERNAL_SERVER_ERROR',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export interface ErrorDetails {
  /** Whether the same request may succeed later without a change. Default: false. */
  retryable?: boolean;
  /** Milliseconds after which it makes sense to try again. */
  retryAfterMs?: number;
  /** Kept for logs; never shown to a client. */
  cause?: unknown;
}

/**
 * An error that may be shown to a client as it is. Its message says what to do next and never holds
 * a text, a key or a provider's raw answer. `instanceof` holds across copies of this package.
 *
 * @example
 * throw new EmbedQLError('RATE_LIMITED', 'Acme asks for a pause; try again in 2 s.', { retryable: true, retryAfterMs: 2_000 });
 */
export class EmbedQLError extends Error {
  override readonly name = 'EmbedQLError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.retryable = details.retryable ?? false;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/**
 * A provider's refusal of an input as such (HTTP 400 and the like): at least one text of the call is at
 * fault, so the batch is worth splitting.
 *
 * @example
 * if (response.status === 400) throw new InputRefusedError('Acme refuses this text; change it.');
 */
export class InputRefusedError extends EmbedQLError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('PROVIDER_ERROR', message, details);
  }
}

/**
 * Makes `instanceof` true for the objects of every copy of this package in the process: a plug-in may have one of its own.
 * Subclasses keep the ordinary meaning.
 */
function acrossCopies(branded: typeof EmbedQLError | typeof InputRefusedError, brand: symbol): void {
  Object.defineProperty(branded.prototype, brand, { value: true });
  Object.defineProperty(branded, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (this !== branded) return Function.prototype[Symbol.hasInstance].call(this, value);
      return typeof value === 'object' && value !== null && brand in value;
    },
  });
}

acrossCopies(EmbedQLError, Symbol.for('embedql.error'));
acrossCopies(InputRefusedError, Symbol.for('embedql.input-refused'));

export function badUserInput(message: string): EmbedQLError {
  return new EmbedQLError('BAD_USER_INPUT', message);
}

/** @param demand who wants too much, with its verb: "The operation asks for" */
export function tooManyTexts(demand: string, wanted: number, allowed: number): EmbedQLError {
  return new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    `${demand} ${wanted} texts where ${allowed} are allowed; split it, or raise EMBEDQL_MAX_TEXTS.`,
  );
}

/** Anything thrown, as an error that may be shown: what is not ours becomes a plain internal error. */
export function toEmbedQLError(error: unknown): EmbedQLError {
  if (error instanceof EmbedQLError) return error;
  return new EmbedQLError(
    'INTERNAL_SERVER_ERROR',
    'Something went wrong inside EmbedQL; its log says what.',
    {
      cause: error,
    },
  );
}
