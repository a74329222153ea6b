/**
 * Provider calls that may be in flight at the same time for one model. Parts of a batch that was refused wait here for
 * their turn, before new batches, so that splitting never goes past the limit.
 */
export class Places {
  readonly #limit: () => number;
  readonly #waiting: Array<() => void> = [];
  /** Of calls that can wait; they come after everybody else. */
  readonly #patient: Array<() => void> = [];
  #taken = 0;
  #freed: () => void = () => {};

  /** @param limit calls in flight; asked anew each time, since a model may take fewer for a while */
  constructor(limit: () => number) {
    this.#limit = limit;
  }

  get limit(): number {
    return this.#limit();
  }

  /** Whether a call that begins now would begin at once. */
  get free(): boolean {
    return this.#taken < this.#limit() && this.#waiting.length === 0;
  }

  /** The same for a call that can wait: half of the places are left to the others. */
  get freeForPatient(): boolean {
    return this.free && this.#patient.length === 0 && this.#taken < this.#patientLimit;
  }

  get #patientLimit(): number {
    return Math.max(1, Math.floor(this.#limit() / 2));
  }

  /** Called whenever a place has become free that nobody here waits for. */
  onFree(listener: () => void): void {
    this.#freed = listener;
  }

  /**
   * Makes a call as soon as there is a place for it: at once where there is one.
   * @param canWait whether all others come first
   */
  async use<Result>(call: () => Promise<Result>, canWait = false): Promise<Result> {
    if (!(canWait ? this.freeForPatient : this.free))
      await new Promise<void>((resolve) => void (canWait ? this.#patient : this.#waiting).push(resolve));
    else this.#taken += 1;
    try {
      return await call();
    } finally {
      this.#taken -= 1;
      this.#admit();
    }
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#taken < this.#limit()) {
      this.#taken += 1;
      this.#waiting.shift()!();
    }
    if (this.free) this.#freed();
    while (this.#patient.length > 0 && this.free && this.#taken < this.#patientLimit) {
      this.#taken += 1;
      this.#patient.shift()!();
    }
  }
}
