import { EmbedQLError, tooManyTexts } from '../core/errors.ts';
import type { AdmissionEvents } from '../core/events.ts';
import type { ModelRequest, Operation, Payer } from '../core/request.ts';
import type { TraceContext } from '../core/tracing.ts';
import { countTokens, mostTokens } from './count-tokens.ts';
import type { KeyBudgets, MinuteBudget } from './key-budgets.ts';

export interface AdmissionLimits {
  /** Texts that one operation may ask for. */
  maxTexts: number;
  /** Tokens that those texts may have together; of each text those that the model would read. */
  maxTokens: number;
  /**
   * Bytes of the body that brings an operation. Its texts together, each as often as it is asked for, may have twice as many
   * characters: one long text under hundreds of names would be hashed hundreds of times.
   */
  maxBodyBytes: number;
}

/** Who asks, and for how long anybody waits. */
export interface OperationStart {
  /** The name of the key that was shown. */
  key: string;
  /** What the client calls what it does. */
  tag?: string | undefined;
  /** Aborts when the client has gone. */
  signal?: AbortSignal | undefined;
  trace?: TraceContext;
}

/**
 * Decides what an operation may ask for. The same for every door: fields, entities, streams, and OpenAI's endpoint. The
 * embedder takes only operations that were begun here, and these let nothing through that was not admitted.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #budgets: KeyBudgets;
  readonly #events: AdmissionEvents;

  constructor(limits: AdmissionLimits, budgets: KeyBudgets, events: AdmissionEvents) {
    this.#limits = limits;
    this.#budgets = budgets;
    this.#events = events;
  }

  /** Texts that one operation may ask for. A longer list need not be read. */
  get maxTexts(): number {
    return this.#limits.maxTexts;
  }

  /**
   * Lets the texts of a job in, as far as they are limited: they count towards the minute of its key. How many a job may have
   * is for those to say who take it.
   * @throws EmbedQLError COST_LIMIT_EXCEEDED, RATE_LIMITED
   */
  async admitJob(key: string, texts: number): Promise<void> {
    const refusal = await this.#budgets.take(key, texts);
    if (refusal) throw refusal;
    this.#events.admitted(key, texts);
  }

  /** Refuses a job. */
  refuseJob(key: string, error: EmbedQLError): never {
    this.#events.refused(key, error.code);
    throw error;
  }

  /** Begins an operation, which has been allowed nothing so far. */
  begin(start: OperationStart): AdmittedOperation {
    return new AdmittedOperation(start, this.#limits, this.#budgets, this.#events);
  }
}

/** An operation and what it has been allowed: texts and tokens. Money is set aside when it is about to be spent. */
export class AdmittedOperation implements Operation {
  readonly signal: AbortSignal | undefined;
  readonly trace: TraceContext;
  readonly payer: Payer;
  readonly #limits: AdmissionLimits;
  readonly #budgets: KeyBudgets;
  readonly #events: AdmissionEvents;
  /** Texts that were admitted, and those of them that have not been drawn. */
  #texts = 0;
  #left = 0;
  /** Texts that were announced before the operation began. */
  #announced = 0;
  /** Characters of all texts that were announced. */
  #characters = 0;
  #begun = false;
  /** Tokens that were admitted, or the most that they can be where that is within the limit. */
  #tokens = 0;

  constructor(
    { key, tag, signal, trace }: OperationStart,
    limits: AdmissionLimits,
    budgets: KeyBudgets,
    events: AdmissionEvents,
  ) {
    this.signal = signal;
    this.trace = trace;
    this.payer = budgets.payer(key, tag);
    this.#limits = limits;
    this.#budgets = budgets;
    this.#events = events;
  }

  /** What is left to its key of the minute; undefined where that has no such limit. */
  get minute(): MinuteBudget | undefined {
    return this.#budgets.minute(this.payer.key);
  }

  /**
   * Counts texts before anything is built from them, or looks at more of them than their lengths, whether or not they are
   * valid.
   * @throws EmbedQLError COST_LIMIT_EXCEEDED as soon as there are too many, or too much
   */
  announce(texts: readonly unknown[]): void {
    if (this.#begun) return;
    this.#announced += texts.length;
    if (this.#announced > this.#limits.maxTexts) throw tooManyTexts(this.#announced, this.#limits.maxTexts);
    for (const text of texts) if (typeof text === 'string') this.#characters += text.length;
    if (this.#characters > 2 * this.#limits.maxBodyBytes) throw tooLong(2 * this.#limits.maxBodyBytes);
  }

  /** Admits what has been announced, before anything of the operation runs. @param requests the valid ones */
  admitAnnounced(requests: readonly ModelRequest[]): void | Promise<void> {
    this.#begun = true;
    return this.admit(requests, Math.max(this.#announced, requests.length));
  }

  /**
   * Asks for texts before they are asked for: all that is known of an operation before it runs, in one go.
   * Answers at once where nothing has to be counted or looked up.
   * @param texts how many that is, where some that count have no request: wrong ones, empty ones, other entities
   * @throws EmbedQLError COST_LIMIT_EXCEEDED, RATE_LIMITED
   */
  admit(requests: readonly ModelRequest[], texts = requests.length): void | Promise<void> {
    const { maxTexts, maxTokens } = this.#limits;
    const asked = this.#texts + texts;
    if (asked > maxTexts) this.refuse(tooManyTexts(asked, maxTexts));
    if (texts === 0) return;
    const most = mostTokens(requests);
    const isWithin = this.#tokens + most <= maxTokens;
    if (!isWithin || this.#budgets.limitsTexts(this.payer.key))
      return this.#lookCloser(requests, texts, isWithin ? most : undefined);
    this.#book(texts, most);
  }

  /** Takes texts out of what was admitted; what goes beyond it is admitted now, or refused. */
  draw(requests: readonly ModelRequest[]): void | Promise<void> {
    const beyond = requests.length - this.#left;
    if (beyond <= 0) {
      this.#left -= requests.length;
      return;
    }
    const taken = this.#left;
    const admitted = this.admit(requests.slice(-beyond));
    if (!admitted) {
      this.#left = 0;
      return;
    }
    this.#left -= taken;
    return admitted.then(
      () => {
        this.#left -= beyond;
      },
      (error: unknown) => {
        // Those that were admitted are there for others.
        this.#left += taken;
        throw error;
      },
    );
  }

  /** Texts that it may draw yet. */
  get textsLeft(): number {
    return this.#limits.maxTexts - this.#texts + this.#left;
  }

  /** A part of the operation that ends earlier: it draws from the same allowance. */
  until(signal: AbortSignal): Operation {
    return partOf(this, signal, this.trace);
  }

  /** Refuses the operation for a reason that was found before its requests were built. */
  refuse(error: EmbedQLError): never {
    this.#events.refused(this.payer.key, error.code);
    throw error;
  }

  async #lookCloser(
    requests: readonly ModelRequest[],
    texts: number,
    knownTokens: number | undefined,
  ): Promise<void> {
    const { maxTokens } = this.#limits;
    const tokens = knownTokens ?? (await countTokens(requests, maxTokens - this.#tokens));
    if (this.#tokens + tokens > maxTokens) this.refuse(tooManyTokens(maxTokens));
    // Counting takes time, in which another part of the operation may have been admitted.
    if (this.#texts + texts > this.#limits.maxTexts)
      this.refuse(tooManyTexts(this.#texts + texts, this.#limits.maxTexts));
    this.#book(texts, tokens);
    const refusal = await this.#budgets.take(this.payer.key, texts);
    if (!refusal) return;
    this.#texts -= texts;
    this.#left -= texts;
    this.#tokens -= tokens;
    this.refuse(refusal);
  }

  #book(texts: number, tokens: number): void {
    this.#texts += texts;
    this.#left += texts;
    this.#tokens += tokens;
    this.#events.admitted(this.payer.key, texts);
  }
}

/** What draws from the allowance of another, and ends when its own signal aborts. */
export function partOf(
  shared: Pick<AdmittedOperation, 'payer' | 'draw' | 'textsLeft'>,
  signal: AbortSignal,
  trace: TraceContext,
): Operation {
  return {
    signal,
    trace,
    payer: shared.payer,
    draw: (requests) => shared.draw(requests),
    get textsLeft() {
      return shared.textsLeft;
    },
  };
}

function tooLong(allowed: number): EmbedQLError {
  return new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    `The texts have more than ${allowed} characters together, each as often as it is asked for; ask for each once.`,
  );
}

function tooManyTokens(allowed: number): EmbedQLError {
  return new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    `The texts have more than ${allowed} tokens in total; split them, or raise maxTokens.`,
    { hint: 'maxTokens' },
  );
}
