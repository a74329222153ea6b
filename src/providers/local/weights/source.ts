import type { ProgressTask } from '../../../core/surroundings.ts';
import type { LocalSpec } from '../options.ts';

/** Weights on this disk, in the layout that transformers.js reads. */
export interface Weights {
  /** The folder with `config.json`, `tokenizer.json` and `onnx/`. */
  directory: string;
  /** Which of the weights in it: transformers.js' name for their precision. */
  dtype: string;
}

/** Somewhere that weights can be fetched from. */
export interface WeightsSource {
  /** For people: "the Hugging Face hub". */
  readonly name: string;
  /** Whether it has this model, as far as can be said without asking. */
  offers(spec: LocalSpec): boolean;
  /**
   * Fetches everything that the model needs into an empty folder, checked.
   * @throws Error that says in a sentence why it could not.
   */
  fetch(spec: LocalSpec, into: string, progress: (totalBytes: number) => ProgressTask): Promise<void>;
}
