import { EmbedQLError, tooManyTexts } from '../core/errors.ts';
import type { AdmissionEvents } from '../core/events.ts';
import type { ModelRequest, Payer } from '../core/request.ts';
import { countTokensBeyond } from './count-tokens.ts';
import type { KeyBudgets } from './key-budgets.ts';

export interface AdmissionLimits {
  /** Texts that one operation may ask for. */
  maxTexts: number;
  /** Tokens that those texts may have together; of each text those that the model would read. */
  maxTokens: number;
}

/**
 * Decides whether an operation may ask for what it asks for, before anything of it runs. The same for every
 * door: fields, entities, streams, and OpenAI's endpoint.
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

  /** Who pays for an operation with this key. */
  payer(key: string): Payer {
    return this.#budgets.payer(key);
  }

  /**
   * Answers at once where nothing has to be counted or looked up.
   * @param demand who asks, with its verb: "The operation asks for"
   * @param texts how many that is, where some that count have no request: wrong ones, and other entities
   * @throws EmbedQLError COST_LIMIT_EXCEEDED, RATE_LIMITED
   */
  admit(
    requests: readonly ModelRequest[],
    payer: Payer,
    demand: string,
    texts = requests.length,
  ): void | Promise<void> {
    if (texts > this.maxTexts) this.refuse(payer, tooManyTexts(demand, texts, this.maxTexts));
    // A token is at least one byte, and a UTF-16 unit is at most three bytes.
    let mostTokens = 0;
    for (const { text } of requests) mostTokens += text.length * 3;
    const fewTokens = mostTokens <= this.#limits.maxTokens;
    if (requests.length === 0 || (fewTokens && !this.#budgets.limitsTexts(payer.key))) {
      this.#events.admitted(payer.key, requests.length);
      return;
    }
    return this.#lookCloser(requests, payer, demand, fewTokens);
  }

  async #lookCloser(
    requests: readonly ModelRequest[],
    payer: Payer,
    demand: string,
    fewTokens: boolean,
  ): Promise<void> {
    const { maxTokens } = this.#limits;
    if (!fewTokens && (await countTokensBeyond(requests, maxTokens)))
      this.refuse(
        payer,
        new EmbedQLError(
          'COST_LIMIT_EXCEEDED',
          `${demand} texts of more than ${maxTokens} tokens together; split it, or raise maxTokens.`,
          { hint: 'maxTokens' },
        ),
      );
    const refusal = await this.#budgets.take(payer.key, requests.length);
    if (refusal) this.refuse(payer, refusal);
    this.#events.admitted(payer.key, requests.length);
  }

  /** Refuses an operation for a reason that was found before its requests were built. */
  refuse({ key }: Payer, error: EmbedQLError): never {
    this.#events.refused(key, error.code);
    throw error;
  }
}
