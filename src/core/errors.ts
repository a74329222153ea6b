/**
 * The codes that a client can meet. Each has the status that its clients know (4xx: change the request, 5xx: our fault
 * or the provider's), and whether the same request may succeed later, unless the error itself says so. The codes are
 * part of the public contract.
 */
export const errorKinds = {
  BAD_USER_INPUT: { status: 400, retryable: false },
  TEXT_TOO_LONG: { status: 400, retryable: false },
  COST_LIMIT_EXCEEDED: { status: 400, retryable: false },
  // Trying again helps as little as it does for a wrong request, until somebody sets the key.
  PROVIDER_NOT_CONFIGURED: { status: 400, retryable: false },
  UNAUTHENTICATED: { status: 401, retryable: false },
  FORBIDDEN: { status: 403, retryable: false },
  MODEL_NOT_FOUND: { status: 404, retryable: false },
  RATE_LIMITED: { status: 429, retryable: true },
  INTERNAL_SERVER_ERROR: { status: 500, retryable: false },
  PROVIDER_ERROR: { status: 502, retryable: false },
  OVERLOADED: { status: 503, retryable: true },
  PROVIDER_TIMEOUT: { status: 504, retryable: true },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

/**
 * What went wrong, as a word that stays.
 *
 * @example
 * if (error instanceof EmbedQLError && error.code === 'MODEL_NOT_FOUND') console.error(error.message);
 */
export type ErrorCode = keyof typeof errorKinds;

export const errorCodes = Object.keys(errorKinds) as readonly ErrorCode[];

/** An option that an error advises to change. Whoever has other names for options says them with `describeError`. */
export type OptionName =
  | 'queueLimit'
  | 'timeoutMs'
  | 'maxTexts'
  | 'maxTokens'
  | 'maxJobTexts'
  | 'maxFileMb'
  | 'jobSecret'
  | 'maxBodyBytes'
  | 'maxAnswerBytes'
  | 'maxBufferedMb'
  | 'operationBatch'
  | 'corsOrigins'
  | 'adminKeys';

/** What the reader of a message calls an option: a variable of the environment, or the option's own name. */
export type NameOption = (option: OptionName) => string;

/** What an error may carry beside its code and message. */
export interface ErrorDetails {
  /** Whether the same request may succeed later without a change. Default: what `errorKinds` says. */
  retryable?: boolean;
  /** Milliseconds after which it makes sense to try again. */
  retryAfterMs?: number;
  /** The option to change. The message names it, too, and is shown through `describeError`. */
  hint?: OptionName;
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
  readonly hint: OptionName | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.retryable = details.retryable ?? errorKinds[code].retryable;
    this.retryAfterMs = details.retryAfterMs;
    this.hint = details.hint;
  }
}

/**
 * A provider's refusal of an input as such: at least one text of the call is at
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
 * A provider's failure to answer a call. It may pass; where it stays, one text of the call may be why, so the
 * batch is worth splitting.
 */
export class ServerFailedError extends EmbedQLError {
  /** Whether the provider as a whole is likely to be down, as opposed to one that cannot answer this call. */
  readonly isOutage: boolean;

  constructor(message: string, isOutage: boolean, details: ErrorDetails = {}) {
    super('PROVIDER_ERROR', message, { retryable: true, ...details });
    this.isOutage = isOutage;
  }
}

/**
 * Makes `instanceof` true for the objects of every copy of this package in the process: a plug-in may have one of its own.
 * Subclasses keep the ordinary meaning.
 */
function acrossCopies(
  branded: typeof EmbedQLError | typeof InputRefusedError | typeof ServerFailedError,
  brand: symbol,
): void {
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
acrossCopies(ServerFailedError, Symbol.for('embedql.server-failed'));

/** The message with its option called as the reader knows it. It stands last where it is named more than once. */
export function describeError({ message, hint }: EmbedQLError, nameOption: NameOption): string {
  const at = hint === undefined ? -1 : message.lastIndexOf(hint);
  if (hint === undefined || at === -1) return message;
  return message.slice(0, at) + nameOption(hint) + message.slice(at + hint.length);
}

export function badUserInput(message: string): EmbedQLError {
  return new EmbedQLError('BAD_USER_INPUT', message);
}

export function tooManyTexts(asked: number, allowed: number): EmbedQLError {
  return new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    `The operation asks for ${asked} texts; ${allowed} are allowed. Split it, or raise maxTexts.`,
    { hint: 'maxTexts' },
  );
}

/** By plan, before anything runs, or by its length, before memory is taken for it. @param allowed in bytes */
export function answerTooLarge(allowed: number): EmbedQLError {
  return new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    `The answer would have more than ${allowed} bytes; ask for fewer texts or fields, for base64, or raise maxAnswerBytes.`,
    { hint: 'maxAnswerBytes' },
  );
}

/** Anything thrown, as an error that may be shown: what is not ours becomes a plain internal error. */
export function toEmbedQLError(error: unknown): EmbedQLError {
  if (error instanceof EmbedQLError) return error;
  return new EmbedQLError('INTERNAL_SERVER_ERROR', 'Internal error in EmbedQL; see its log.', {
    cause: error,
  });
}
