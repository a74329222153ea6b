/**
 * A histogram without labels, of what happens with every operation: an addition each, and text when somebody scrapes.
 */
export class PlainHistogram {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds of the buckets, from the lowest; what is above the last counts as well */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket += 1;
    this.#counts[bucket]! += 1;
    this.#sum += value;
  }

  /** As Prometheus reads it. */
  text(): string {
    let below = 0;
    const lines = this.#counts.map((count, i) => {
      below += count;
      return `${this.#name}_bucket{le="${this.#bounds[i] ?? '+Inf'}"} ${below}`;
    });
    return [
      `# HELP ${this.#name} ${this.#help}`,
      `# TYPE ${this.#name} histogram`,
      ...lines,
      `${this.#name}_sum ${this.#sum}`,
      `${this.#name}_count ${below}`,
      '',
    ].join('\n');
  }
}
