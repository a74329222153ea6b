/**
 * How many calls may be in flight: halved when the provider says that it is too much, raised by one after
 * each full round of successes (additive increase, multiplicative decrease: RFC 5681's way of sharing).
 */
export class AdaptiveLimit {
  readonly #most: number;
  #limit: number;
  #successes = 0;

  constructor(most: number) {
    this.#most = most;
    this.#limit = most;
  }

  get current(): number {
    return this.#limit;
  }

  succeeded(): void {
    if (this.#limit >= this.#most || ++this.#successes < this.#limit) return;
    this.#successes = 0;
    this.#limit += 1;
  }

  tooMany(): void {
    this.#successes = 0;
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
  }
}
