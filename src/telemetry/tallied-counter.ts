import { Counter, type CounterConfiguration } from 'prom-client';

/** What is counted under one value of a label, by the values of the labels behind it. */
interface Tally {
  /** Since the last scrape; undefined where nothing was added, not even nothing. */
  added: number | undefined;
  readonly below: Map<string, Tally>;
}

/**
 * A counter of what happens with every operation. It is added up by itself and handed to `prom-client` when somebody
 * scrapes: that finds a counter by putting all its labels into a string, each time.
 *
 * @example
 * ```ts
 * const operations = new TalliedCounter({ name, help, labelNames: ['type', 'outcome'], registers });
 * operations.add(1, 'query', 'ok');
 * ```
 */
export class TalliedCounter<Label extends string> {
  readonly #root: Tally = { added: undefined, below: new Map() };

  constructor(configuration: CounterConfiguration<Label>) {
    const { labelNames = [] } = configuration;
    const root = this.#root;
    new Counter<Label>({
      ...configuration,
      collect() {
        const report = (tally: Tally, values: readonly string[]) => {
          if (tally.added !== undefined) {
            const labels = Object.fromEntries(labelNames.map((name, i) => [name, values[i]!]));
            this.inc(labels as Record<Label, string>, tally.added);
            tally.added = undefined;
          }
          for (const [value, below] of tally.below) report(below, [...values, value]);
        };
        report(root, []);
      },
    });
  }

  /** @param values of the labels, in their order */
  add(amount: number, ...values: string[]): void {
    let tally = this.#root;
    for (const value of values) {
      let below = tally.below.get(value);
      if (!below) {
        below = { added: undefined, below: new Map() };
        tally.below.set(value, below);
      }
      tally = below;
    }
    tally.added = (tally.added ?? 0) + amount;
  }
}
