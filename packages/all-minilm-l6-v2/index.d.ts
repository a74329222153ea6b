/**
 * The folder with the model, absolute, as transformers.js and the Hugging Face hub lay it out: `config.json`,
 * `tokenizer.json`, `onnx/model_int8.onnx`.
 *
 * @example
 * ```ts
 * import path from 'node:path';
 * import { AutoModel, AutoTokenizer, env } from '@huggingface/transformers';
 * import { directory, dtype } from '@embedql/all-minilm-l6-v2';
 *
 * env.localModelPath = path.dirname(directory);
 * const tokenizer = await AutoTokenizer.from_pretrained(path.basename(directory));
 * const model = await AutoModel.from_pretrained(path.basename(directory), { dtype });
 * ```
 */
export const directory: string;

/** transformers.js' name for the precision of the weights. */
export const dtype: 'int8';
