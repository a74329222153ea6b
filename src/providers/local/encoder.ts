import path from 'node:path';
import type { DataType, PreTrainedModel, PreTrainedTokenizer, Tensor } from '@embedql/local-runtime';
import { isFiniteVector } from '../../core/vectors.ts';
import { growUntil } from '../text.ts';
import { microBatches } from './micro-batches.ts';
import type { Device } from './options.ts';

export interface EncoderOptions {
  /** Folder with the model, in the layout of transformers.js. */
  directory: string;
  dtype: string;
  /** Tokens that are read of a text, special ones included. */
  maxInputTokens: number;
  pooling: 'mean' | 'cls';
  /** Threads that compute one forward pass. */
  threads: number;
  /** What computes, the first that can; the CPU where none does. */
  devices: readonly ComputingDevice[];
  /** Computes every text by itself, for graphs in which a text's vector depends on the texts beside it. */
  oneByOne: boolean;
}

export interface Encoded {
  /** All vectors one after another. */
  vectors: Float32Array;
  /** Tokens read of each text, special ones included. */
  tokens: number[];
}

/** What can compute beside the CPU. */
export type ComputingDevice = Exclude<Device, 'cpu' | 'auto'>;

/** What a loaded model is computed with. */
export interface LoadedOn {
  device: ComputingDevice | 'cpu';
  /** Why none of the devices that were asked for is used. */
  reason?: string | undefined;
}

/** A text as the model can read it. */
export interface LocalFit {
  /** The text itself, or enough of its start to give the same vector. */
  text: string;
  truncated: boolean;
}

/** What the tokenizer gives when it is not asked for tensors. */
interface TokenIds {
  input_ids: number[][];
  token_type_ids?: number[][];
}

/** Makes a tensor of whole numbers; the runtime is imported late, so its class comes with it. */
type Int64Tensor = (data: BigInt64Array, dims: number[]) => Tensor;

/** Tokenizer and ONNX session of one sentence-transformers model. Blocks its thread while it computes. */
export class Encoder {
  readonly #tokenizer: PreTrainedTokenizer;
  readonly #model: PreTrainedModel;
  readonly #options: EncoderOptions;
  readonly #int64: Int64Tensor;
  readonly loadedOn: LoadedOn;

  private constructor(
    tokenizer: PreTrainedTokenizer,
    model: PreTrainedModel,
    int64: Int64Tensor,
    options: EncoderOptions,
    loadedOn: LoadedOn,
  ) {
    this.loadedOn = loadedOn;
    this.#int64 = int64;
    this.#tokenizer = tokenizer;
    this.#model = model;
    this.#options = options;
  }

  static async load(options: EncoderOptions): Promise<Encoder> {
    const { AutoModel, AutoTokenizer, env, Tensor } = await import('@embedql/local-runtime');
    env.allowRemoteModels = false;
    env.localModelPath = `${path.dirname(options.directory)}${path.sep}`;
    const id = path.basename(options.directory);
    const tokenizer = await AutoTokenizer.from_pretrained(id);
    const load = (device: ComputingDevice | 'cpu') =>
      AutoModel.from_pretrained(id, {
        dtype: options.dtype as DataType,
        device,
        session_options: { intraOpNumThreads: options.threads },
      });
    const int64: Int64Tensor = (data, dims) => new Tensor('int64', data, dims);
    const reasons: string[] = [];
    for (const device of options.devices) {
      try {
        const encoder = new Encoder(tokenizer, await load(device), int64, options, { device });
        // Some refuse a graph only when they compute it.
        const { vectors } = await encoder.encode(['probe']);
        if (isFiniteVector(vectors)) return encoder;
        reasons.push(`${device}: it gave no vector`);
      } catch (error) {
        reasons.push(`${device}: ${oneLine(error)}`);
      }
    }
    const reason = reasons.length > 0 ? reasons.join('; ') : undefined;
    return new Encoder(tokenizer, await load('cpu'), int64, options, { device: 'cpu', reason });
  }

  /**
   * Pooled and normalised as sentence-transformers does it (its modules Pooling and Normalize).
   * Texts, at least one, are computed in groups of similar length, so that little is spent on padding.
   */
  async encode(texts: readonly string[]): Promise<Encoded> {
    const { input_ids: ids, token_type_ids: types } = this.#tokenize(texts);
    const tokens = ids.map((tokenIds) => tokenIds.length);
    let vectors = new Float32Array();
    const groups = this.#options.oneByOne ? tokens.map((_, i) => [i]) : microBatches(tokens);
    for (const group of groups) {
      const length = Math.max(...group.map((i) => tokens[i]!));
      const inputs: Record<string, Tensor> = {
        input_ids: this.#padded(
          group.map((i) => ids[i]!),
          length,
        ),
        attention_mask: this.#padded(
          group.map((i) => new Array<number>(tokens[i]!).fill(1)),
          length,
        ),
      };
      if (types)
        inputs['token_type_ids'] = this.#padded(
          group.map((i) => types[i]!),
          length,
        );
      const { last_hidden_state: states } = (await this.#model(inputs)) as { last_hidden_state: Tensor };
      const dimension = states.dims.at(-1)!;
      if (vectors.length === 0) vectors = new Float32Array(texts.length * dimension);
      for (const [row, i] of group.entries()) {
        const ofText = (states.data as Float32Array).subarray(row * length * dimension);
        const vector = vectors.subarray(i * dimension, (i + 1) * dimension);
        // Past the text's own tokens there is only padding.
        pool(ofText, this.#options.pooling === 'mean' ? tokens[i]! : 1, vector);
      }
    }
    return { vectors, tokens };
  }

  /** How much of a long text the model reads. Looks at no more of it than it needs. */
  fit(text: string): LocalFit {
    const { maxInputTokens } = this.#options;
    // Twice the limit, so that a word cut at the end of the piece is far behind what is read.
    const piece = growUntil(text, maxInputTokens * 8, (start) => this.#count(start) > 2 * maxInputTokens);
    if (piece.length < text.length) return { text: piece, truncated: true };
    return { text, truncated: this.#count(text) > maxInputTokens };
  }

  /**
   * Tokens of a text, special ones included. Where there are more than `atMost` it may say fewer, but more than `atMost`, and
   * looks at no more of the text than it needs.
   */
  count(text: string, atMost = Number.POSITIVE_INFINITY): number {
    // Twice as many, so that a word cut at the end makes no difference.
    const enough = 2 * atMost + specialRoom;
    return this.#count(growUntil(text, 4 * enough, (start) => this.#count(start) > enough));
  }

  async dispose(): Promise<void> {
    await this.#model.dispose();
  }

  /** Rows of whole numbers as one int64 tensor, filled up with zeros; the attention mask hides the filling. */
  #padded(rows: ReadonlyArray<readonly number[]>, length: number): Tensor {
    const data = new BigInt64Array(rows.length * length);
    for (const [r, row] of rows.entries()) {
      for (const [i, value] of row.entries()) data[r * length + i] = BigInt(value);
    }
    return this.#int64(data, [rows.length, length]);
  }

  #tokenize(texts: readonly string[]): TokenIds {
    return this.#tokenizer([...texts], {
      padding: false,
      truncation: true,
      max_length: this.#options.maxInputTokens,
      return_tensor: false,
    }) as unknown as TokenIds;
  }

  #count(text: string): number {
    return this.#tokenizer.encode(text).length;
  }
}

/** More than the special tokens of any model. */
const specialRoom = 8;

/** What ONNX Runtime says, without the places in its source. */
function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n')[0]!.slice(-200);
}

/** The mean of the first `count` token vectors in `states`, scaled to unit length, into `out`. */
function pool(states: Float32Array, count: number, out: Float32Array): void {
  const dimension = out.length;
  out.fill(0);
  for (let at = 0; at < count * dimension; at += dimension) {
    for (let k = 0; k < dimension; k++) out[k]! += states[at + k]!;
  }
  let squares = 0;
  for (const value of out) squares += value * value;
  const norm = Math.sqrt(squares);
  if (norm > 0) for (let k = 0; k < dimension; k++) out[k]! /= norm;
}
