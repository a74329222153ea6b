import { batchCostOf, costOf } from '../core/accounting.ts';
import { sha256 } from '../core/cache.ts';
import type { Embedder } from '../core/embedder.ts';
import type { Asking } from '../core/long-texts.ts';
import type { EmbeddingModel } from '../core/model.ts';
import { type ModelRequest, type Payer, type TextRequest, unlimited } from '../core/request.ts';
import { isEmptyText } from '../core/wish.ts';

/** What texts would cost if they were asked for now. */
export interface Estimate {
  /** All that were given. */
  readonly texts: number;
  /** Those that have nothing in them. */
  readonly empty: number;
  /** Different ones that are not empty; where long ones are read in pieces, each of these is one. */
  readonly distinct: number;
  /** Different ones that are over the model's limit. */
  readonly tooLong: number;
  /** Of these, those that the cache has. */
  readonly cached: number;
  /** That would be charged: of those that are not cached, as far as the model reads. Exact where its tokenizer is known. */
  readonly tokens: number;
  /** USD for these; null where the price is not known. */
  readonly costUsd: number | null;
  /** The same in the provider's batches; null where it has none. */
  readonly costUsdWithinDay: number | null;
}

/** What a request is made with. */
type MakeRequest = (text: string) => ModelRequest;

/** Texts that are counted before others get their turn. */
const together = 500;

/**
 * Adds up what texts would cost, however many pieces they come in. It looks the cache up, counts tokens, and computes and
 * pays nothing. Keeps 32 bytes of each different text.
 */
export class Estimator {
  readonly #embedder: Embedder;
  readonly #model: EmbeddingModel;
  readonly #request: MakeRequest;
  readonly #waitMs: number | undefined;
  readonly #payer: Pick<Payer, 'key'> | undefined;
  readonly #known = new Set<string>();
  readonly #inPieces = new Set<string>();
  #texts = 0;
  #empty = 0;
  #tooLong = 0;
  #cached = 0;
  #tokens = 0;

  /**
   * @param payer whose cache it is, where each key has its own
   * @param waitMs that the cache may take for each piece. Default: as long as for an operation
   */
  constructor(
    embedder: Embedder,
    model: EmbeddingModel,
    request: MakeRequest,
    payer: Pick<Payer, 'key'> | undefined,
    waitMs?: number,
  ) {
    this.#embedder = embedder;
    this.#model = model;
    this.#request = request;
    this.#waitMs = waitMs;
    this.#payer = payer;
  }

  /**
   * One question to each tier of the cache for all of them.
   * @param asking draws pieces, where texts are read in pieces. Default: as many as there are
   * @returns how many pieces there are beside one of each text
   * @throws EmbedQLError where the model cannot be used, or there are too many pieces
   */
  async add(texts: readonly string[], asking: Asking = unlimited): Promise<number> {
    const full = texts.filter((text) => !isEmptyText(text));
    this.#texts += texts.length;
    this.#empty += texts.length - full.length;
    const asked = full.map(this.#request);
    const { requests: all, long, refusal } = await this.#embedder.expand(asked, asking);
    if (refusal) throw refusal;
    for (const i of long) this.#inPieces.add(sha256(full[i]!));
    const requests = [...new Map(all.map((request) => [request.text, request])).values()];
    const looks = await this.#embedder.look(this.#model, requests, this.#waitMs, this.#payer);
    const fresh: Array<{ request: TextRequest; cached: boolean }> = [];
    for (const [i, { key, cached }] of looks.entries()) {
      const digest = Buffer.from(key.slice(-64), 'hex').toString('latin1') + key.slice(0, -64);
      if (this.#known.has(digest)) continue;
      this.#known.add(digest);
      fresh.push({ request: requests[i]!, cached });
    }
    this.#cached += fresh.filter(({ cached }) => cached).length;
    for (let from = 0; from < fresh.length; from += together)
      await this.#count(fresh.slice(from, from + together));
    return all.length - full.length;
  }

  async #count(fresh: ReadonlyArray<{ request: TextRequest; cached: boolean }>): Promise<void> {
    const { queryPrefix = '', documentPrefix = '', maxInputTokens } = this.#model.spec;
    const fitted = await this.#model.fit(
      fresh.map(({ request: { kind, text } }) => (kind === 'query' ? queryPrefix : documentPrefix) + text),
    );
    this.#tooLong += fitted.filter(({ truncated }) => truncated).length;
    const paid = fitted
      .filter(({ truncated }, i) => !fresh[i]!.cached && (!truncated || fresh[i]!.request.truncate))
      .map(({ text }) => text);
    const counts = await this.#model.countTokens(paid, maxInputTokens);
    for (const count of counts) this.#tokens += Math.min(count, maxInputTokens);
  }

  result(): Estimate {
    const { spec } = this.#model;
    return {
      texts: this.#texts,
      empty: this.#empty,
      distinct: this.#known.size,
      tooLong: this.#tooLong + this.#inPieces.size,
      cached: this.#cached,
      tokens: this.#tokens,
      costUsd: spec.costPer1kTokens === null ? null : costOf(this.#tokens, spec),
      costUsdWithinDay: spec.batchCostPer1kTokens == null ? null : batchCostOf(this.#tokens, spec),
    };
  }
}
