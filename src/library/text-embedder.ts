import type { Accounting, Figures } from '../core/accounting.ts';
import type { Cache } from '../core/cache.ts';
import type { Catalogue } from '../core/catalogue.ts';
import type { Embedder as Core } from '../core/embedder.ts';
import { badUserInput, EmbedQLError } from '../core/errors.ts';
import { type Answer, type EmbedRequest, unlimited } from '../core/request.ts';
import { shortenVector } from '../core/vectors.ts';
import { type EmbeddingWish, readChunkWish, readWish, requireText } from '../core/wish.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { SpendDimension } from '../ledger/spend.ts';
import type {
  EmbedChunksOptions,
  Embedder,
  EmbedderFigures,
  EmbedderMetrics,
  Embedding,
  EmbeddingBatch,
  EmbedManyOptions,
  EmbedOptions,
  ModelInfo,
  SpendOptions,
  SpendRow,
  TextChunk,
} from './embedder.ts';
import { checkOptions, checkType, checkWholeNumber, type Given, kindOf } from './options.ts';

export interface TextEmbedderParts {
  core: Core;
  catalogue: Catalogue;
  accounting: Accounting;
  cache: Cache;
  ledger: Ledger;
  /** Texts that may wait for a model at the same time. */
  queueLimit: number;
}

/** Texts of one call that are under way together. Enough for full batches, and not all that the queue has room for. */
const mostTogether = 2_000;

/** The same of long texts whose pieces are averaged. */
const mostLongTogether = 16;

const optionNames = ['model', 'dimensions', 'signal', 'useCache', 'truncate', 'longText'];
const chunkOptionNames = ['model', 'dimensions', 'signal', 'useCache', 'maxTokens', 'overlapTokens'];

type Outcome = Embedding | EmbedQLError;

/** The front of the core for programs: names and plain values in, errors for what a caller without types gets wrong. */
export class TextEmbedder implements Embedder {
  readonly #parts: TextEmbedderParts;
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(parts: TextEmbedderParts) {
    this.#parts = parts;
  }

  embed(text: string, options?: EmbedOptions): Promise<Embedding> {
    return this.#tracked(() => this.#one('embed()', text, 'doc', options));
  }

  embedQuery(query: string, options?: EmbedOptions): Promise<Embedding> {
    return this.#tracked(() => this.#one('embedQuery()', query, 'query', options));
  }

  embedMany(texts: readonly string[], options?: EmbedManyOptions): Promise<EmbeddingBatch> {
    return this.#tracked(() => this.#many(texts, options));
  }

  embedChunks(text: string, options?: EmbedChunksOptions): Promise<TextChunk[]> {
    return this.#tracked(() => this.#chunks(text, options));
  }

  metrics(): EmbedderMetrics {
    const { since, byModel, ...total } = this.#parts.accounting.snapshot();
    return {
      ...figuresOf(total),
      since,
      byModel: byModel.map(({ model, ...figures }) => ({ model, ...figuresOf(figures) })),
    };
  }

  spend(options: SpendOptions): Promise<SpendRow[]> {
    return this.#tracked(async () => {
      const where = 'spend()';
      const given = checkOptions(where, options, ['from', 'to', 'groupBy']);
      const groupBy = readDimensions(where, given['groupBy']);
      const { from, to } = given;
      if (typeof from !== 'string' || typeof to !== 'string')
        throw badUserInput(`${where}: from and to must be days such as 2026-11-25.`);
      const rows = await this.#parts.ledger.spend({ from, to, groupBy });
      return rows.map(({ day, model, texts, hits, computed, tokens, costUsd, costSavedUsd, lossy }) => ({
        ...{ day, model, texts, hits, computed, tokens, costUsd, costSavedUsd, lossy },
      }));
    });
  }

  models(): ModelInfo[] {
    const { catalogue } = this.#parts;
    return catalogue.all().map((model) => {
      const { name, provider, dimension, maxBatchSize, maxInputTokens, costPer1kTokens, supportsDimensions } =
        model.spec;
      const { available, loaded, reason } = model.status();
      const isDefault = model === catalogue.defaultModel;
      return {
        ...{ name, provider, dimension, maxBatchSize, maxInputTokens, costPer1kTokens, supportsDimensions },
        ...{ isDefault, available, loaded, reason },
      };
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    const { catalogue, cache, ledger } = this.#parts;
    await Promise.all([ledger.close(), cache.close(), ...catalogue.all().map((model) => model.close())]);
  }

  /** Runs a call that `close` waits for. */
  async #tracked<Result>(call: () => Promise<Result>): Promise<Result> {
    if (this.#closing) throw badUserInput('The embedder is closed; make another one with createEmbedder().');
    const running = call();
    this.#underWay.add(running);
    try {
      return await running;
    } finally {
      this.#underWay.delete(running);
    }
  }

  async #one(where: string, text: unknown, kind: 'doc' | 'query', options: unknown): Promise<Embedding> {
    const given = checkOptions(where, options, optionNames);
    const wish = this.#wish(where, given);
    const request = wish.request(readText(where, text), kind);
    const [outcome] = await this.#ask([request], wish, signalOf(where, given));
    if (outcome instanceof Error) throw outcome;
    return outcome!;
  }

  async #chunks(text: unknown, options: unknown): Promise<TextChunk[]> {
    const where = 'embedChunks()';
    const given = checkOptions(where, options, chunkOptionNames);
    checkShared(where, given);
    checkWholeNumber(where, given, 'maxTokens', 1);
    checkWholeNumber(where, given, 'overlapTokens', 0);
    const wish = readChunkWish(given, this.#parts.catalogue);
    const request = wish.request(readText(where, text), 'doc');
    const [answer] = await this.#answers([request], signalOf(where, given));
    if (answer instanceof EmbedQLError) throw answer;
    return (answer?.pieces ?? []).map(({ start, end, tokens, answer }) => ({
      ...{ text: request.text.slice(start, end), start, end, tokens },
      embedding: toEmbedding(answer, wish.dimension, wish.model.spec.name),
    }));
  }

  async #many(texts: unknown, options: unknown): Promise<EmbeddingBatch> {
    const where = 'embedMany()';
    const given = checkOptions(where, options, [...optionNames, 'kind', 'batchSize']);
    const wish = this.#wish(where, given);
    const kind = readKind(where, given['kind']);
    checkWholeNumber(where, given, 'batchSize', 1);
    const batchSize = (given['batchSize'] ?? undefined) as number | undefined;
    if (!Array.isArray(texts))
      throw badUserInput(`${where}: the first argument must be a list of texts; got ${kindOf(texts)}.`);

    // The same text again is the same answer; who stands first pays for it.
    const requests = new Map<string, EmbedRequest>();
    const places = texts.map((text: unknown, i): string | EmbedQLError => {
      if (typeof text !== 'string') return badUserInput(`texts[${i}] must be a text; got ${kindOf(text)}.`);
      try {
        const request = wish.request(requireText(text, `texts[${i}]`), kind, batchSize);
        // Not the text: V8 hashes long ones by their length alone, and then compares each with each.
        const { dedupeKey } = request;
        if (!requests.has(dedupeKey)) requests.set(dedupeKey, request);
        return dedupeKey;
      } catch (error) {
        return error as EmbedQLError;
      }
    });
    const distinct = [...requests.keys()];
    const outcomes = await this.#ask([...requests.values()], wish, signalOf(where, given));
    const byKey = new Map(distinct.map((key, i) => [key, outcomes[i]!]));
    const answered = new Set<string>();
    const results = places.map((place): Outcome => {
      if (typeof place !== 'string') return place;
      const outcome = byKey.get(place)!;
      const isFirst = !answered.has(place);
      answered.add(place);
      if (isFirst || outcome instanceof Error) return outcome;
      return { ...outcome, vector: outcome.vector.slice(), costUsd: 0 };
    });
    const embeddings = results.filter((result) => !(result instanceof Error)) as Embedding[];
    return {
      results,
      costUsd: embeddings.reduce((sum, { costUsd }) => sum + costUsd, 0),
      tokens: embeddings.reduce((sum, { tokens }) => sum + tokens, 0),
    };
  }

  #wish(where: string, given: Given): EmbeddingWish {
    checkShared(where, given);
    checkType(where, given, 'truncate', 'boolean');
    checkLongText(where, given);
    return readWish(given, this.#parts.catalogue);
  }

  /** Outcomes in the order of `requests`. @throws the signal's reason once it aborts */
  async #ask(
    requests: readonly EmbedRequest[],
    { model, dimension }: EmbeddingWish,
    signal: AbortSignal | undefined,
  ): Promise<Outcome[]> {
    const answers = await this.#answers(requests, signal);
    return answers.map((answer) =>
      answer instanceof EmbedQLError ? answer : toEmbedding(answer, dimension, model.spec.name),
    );
  }

  async #answers(
    requests: readonly EmbedRequest[],
    signal: AbortSignal | undefined,
  ): Promise<Array<Answer | EmbedQLError>> {
    const most = requests[0]?.pieces ? mostLongTogether : mostTogether;
    const size = Math.max(1, Math.min(most, Math.floor(this.#parts.queueLimit / 2)));
    const all: Array<Answer | EmbedQLError> = [];
    const payer = this.#parts.ledger.account('library');
    for (let start = 0; start < requests.length; start += size) {
      signal?.throwIfAborted();
      const some = requests.slice(start, start + size);
      const answers = await untilAborted(
        this.#parts.core.embedMany(some, { ...unlimited, signal, payer }),
        signal,
      );
      for (const answer of answers) all.push(answer);
    }
    return all;
  }
}

function toEmbedding(answer: Answer, dimension: number, model: string): Embedding {
  const { tokens, costUsd, source, truncated } = answer;
  const chunks = answer.pieces?.length ?? 1;
  const shortened = shortenVector(answer.vector, dimension);
  // The cache and others who asked have the same one.
  const vector = shortened === answer.vector ? shortened.slice() : shortened;
  return { vector, tokens, costUsd, cached: source !== 'provider', truncated, model, chunks };
}

/** Rejects with the signal's reason as soon as it aborts, whatever `work` is waiting for. */
async function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (!signal) return work;
  let stop = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function signalOf(where: string, { signal }: Given): AbortSignal | undefined {
  if (signal === undefined || signal === null || signal instanceof AbortSignal) return signal ?? undefined;
  throw badUserInput(`${where}: signal must be an AbortSignal; got ${kindOf(signal)}.`);
}

/** @throws EmbedQLError BAD_USER_INPUT for an option of all calls that is not what it must be */
function checkShared(where: string, given: Given): void {
  const { model } = given;
  if (model !== undefined && model !== null && typeof model !== 'string')
    throw badUserInput(`${where}: model must be the name of a model; got ${kindOf(model)}.`);
  checkType(where, given, 'useCache', 'boolean');
  checkWholeNumber(where, given, 'dimensions', 1);
}

function checkLongText(where: string, { longText }: Given): void {
  if (longText === undefined || longText === null) return;
  if (longText !== 'truncate' && longText !== 'refuse' && longText !== 'average')
    throw badUserInput(`${where}: longText must be 'truncate', 'refuse' or 'average'.`);
}

function readText(where: string, text: unknown): string {
  if (typeof text === 'string') return requireText(text, 'The text');
  throw badUserInput(`${where}: the first argument must be a text; got ${kindOf(text)}.`);
}

function readDimensions(where: string, groupBy: unknown = ['day']): SpendDimension[] {
  const names = Array.isArray(groupBy) ? (groupBy as unknown[]) : [groupBy];
  return names.map((name) => {
    if (name === 'day') return 'DAY';
    if (name === 'model') return 'MODEL';
    throw badUserInput(`${where}: groupBy must be a list of 'day' and 'model'.`);
  });
}

function readKind(where: string, kind: unknown): 'doc' | 'query' {
  if (kind === undefined || kind === null || kind === 'document') return 'doc';
  if (kind === 'query') return 'query';
  throw badUserInput(`${where}: kind must be 'document' or 'query'.`);
}

function figuresOf(figures: Figures): EmbedderFigures {
  const lookups = figures.cacheHits + figures.cacheMisses;
  return {
    totalEmbeddingsGenerated: figures.generated,
    cacheHits: figures.cacheHits,
    cacheMisses: figures.cacheMisses,
    cacheHitRate: lookups === 0 ? 0 : figures.cacheHits / lookups,
    totalTokens: figures.tokens,
    totalCostUsd: figures.costUsd,
    costSavedUsd: figures.costSavedUsd,
    providerCalls: figures.providerCalls,
    averageBatchSize: figures.providerCalls === 0 ? 0 : figures.textsSent / figures.providerCalls,
    coalescedTexts: figures.coalescedTexts,
  };
}
