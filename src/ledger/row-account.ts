import type { Account, Payer } from '../core/request.ts';
import type { Row } from './row.ts';

/** Whom an operation is booked on. */
export class RowAccount implements Account, Payer {
  readonly key: string;
  readonly #rowOf: (model: string) => Row;

  constructor(key: string, rowOf: (model: string) => Row) {
    this.key = key;
    this.#rowOf = rowOf;
  }

  asked(model: string, texts: number): void {
    this.#rowOf(model).texts += texts;
  }

  served(model: string, texts: number, usd: number): void {
    const row = this.#rowOf(model);
    row.hits += texts;
    if (usd > 0) row.addSaved(usd);
  }

  charged(usd: number, tokens: number, model: string, tokensEstimated = false): void {
    const row = this.#rowOf(model);
    row.computed += 1;
    row.tokens += tokens;
    if (tokensEstimated) row.tokensEstimated += tokens;
    if (usd > 0) row.addCost(usd);
  }
}
