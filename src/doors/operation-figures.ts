import type { EmbedQLError } from '../core/errors.ts';
import type { Answer } from '../core/request.ts';

/** What an operation has come to so far. */
export interface OperationFigures {
  /** Texts that were asked for. */
  texts: number;
  hits: number;
  failures: number;
  /** Provider calls that its texts travelled in, alone or with those of others. */
  calls: number;
  costUsd: number;
}

/** Adds answers up. */
export class FiguresTally {
  readonly #calls = new Set<object>();
  #texts = 0;
  #hits = 0;
  #failures = 0;
  #costUsd = 0;

  add(answers: ReadonlyArray<Answer | EmbedQLError>): void {
    this.#texts += answers.length;
    for (const answer of answers) {
      if (answer instanceof Error) this.#failures += 1;
      else if (answer.source !== 'provider') this.#hits += 1;
      else {
        this.#costUsd += answer.costUsd;
        if (answer.call) this.#calls.add(answer.call);
      }
    }
  }

  get figures(): OperationFigures {
    return {
      texts: this.#texts,
      hits: this.#hits,
      failures: this.#failures,
      calls: this.#calls.size,
      costUsd: this.#costUsd,
    };
  }
}

/** Puts what was asked for, and what that came to, on the answer. */
export function tellFigures(
  { setHeader }: { setHeader(name: string, value: string): void },
  { texts, hits, calls, costUsd }: OperationFigures,
): void {
  setHeader('x-embedql-figures', `texts=${texts} hits=${hits} calls=${calls} cost=${costUsd}`);
}
