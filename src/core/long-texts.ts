import { addedTokens, fewestPieces, mostPieces, type Piece, type SplitOptions, splitText } from './chunks.ts';
import { EmbedQLError, toEmbedQLError, tooManyTexts } from './errors.ts';
import type { EmbeddingModel } from './model.ts';
import type { Answer, AnsweredPiece, ModelRequest, Operation, Payer } from './request.ts';
import type { SplitMemory } from './split-memory.ts';
import { standIn } from './wish.ts';

type Outcome = Answer | EmbedQLError;

/** What requests are after those for long texts have become requests for their pieces. */
export interface Expanded {
  /** What is to be asked for instead. */
  readonly requests: readonly ModelRequest[];
  /** Those, by their places among what was asked for, that are read in pieces. */
  readonly long: readonly number[];
  /** Why nothing is split, where there are too many pieces. */
  readonly refusal: EmbedQLError | undefined;
  /** From the outcomes of `requests`, those of what was asked for at first. */
  collect(outcomes: readonly Outcome[]): Outcome[];
}

/** Who has texts split, and how many pieces they may have. */
export interface Asking extends Pick<Operation, 'draw' | 'signal' | 'textsLeft'> {
  readonly payer?: Pick<Payer, 'key'> | undefined;
}

/**
 * Splits the texts that are to be read in pieces, and draws these before anything of them is looked up or computed; the texts
 * themselves have been drawn, as one each. Where the operation may not have as many, its long texts fail, and no others.
 */
export async function expandLongTexts(
  requests: readonly ModelRequest[],
  operation: Asking,
  memory: SplitMemory,
): Promise<Expanded> {
  const { split, refusal } = await new LongTexts(requests, operation, memory).split();
  const expanded: ModelRequest[] = [];
  const collectors = requests.map((request, i): ((outcomes: readonly Outcome[]) => Outcome) => {
    const pieces = split.get(i);
    if (pieces instanceof Error) return () => pieces;
    const at = expanded.length;
    if (!pieces) {
      expanded.push(request);
      return (outcomes) => outcomes[at]!;
    }
    for (const piece of pieces) expanded.push(pieceOf(request, piece));
    return (outcomes) => joined(pieces, outcomes.slice(at, at + pieces.length));
  });
  return {
    requests: expanded,
    long: [...split].flatMap(([i, pieces]) => (pieces instanceof Error ? [] : [i])),
    refusal,
    collect: (outcomes) => collectors.map((collector) => collector(outcomes)),
  };
}

/** Texts that are split at the same time. */
const together = 4;

/** The long texts among some requests, by their places there. */
class LongTexts {
  readonly #requests: readonly ModelRequest[];
  readonly #operation: Asking;
  readonly #memory: SplitMemory;
  readonly #split = new Map<number, readonly Piece[] | EmbedQLError>();
  /** Pieces so far, beside the first of each text. */
  #more = 0;
  #refused = false;

  constructor(requests: readonly ModelRequest[], operation: Asking, memory: SplitMemory) {
    this.#requests = requests;
    this.#operation = operation;
    this.#memory = memory;
  }

  /** Never rejects. @returns the pieces of each text that is read in pieces, or why it has none */
  async split(): Promise<{
    split: ReadonlyMap<number, readonly Piece[] | EmbedQLError>;
    refusal: EmbedQLError | undefined;
  }> {
    const long = await this.#findLong();
    const waiting = long.values();
    const work = async () => {
      for (const i of waiting) if (!this.#refused) await this.#splitOne(i);
    };
    await Promise.all(Array.from({ length: Math.min(together, long.length) }, work));
    try {
      await this.#draw();
    } catch (error) {
      const refusal = toEmbedQLError(error);
      for (const i of long) this.#split.set(i, refusal);
      return { split: this.#split, refusal };
    }
    return { split: this.#split, refusal: undefined };
  }

  /** Pieces that the operation may have yet. */
  get #left(): number {
    return (this.#operation.textsLeft ?? Number.POSITIVE_INFINITY) - this.#more;
  }

  /** Those that ask for pieces in any case, and those that are over their model's limit. */
  async #findLong(): Promise<number[]> {
    const long: number[] = [];
    const doubtful = new Map<EmbeddingModel, number[]>();
    for (const [i, request] of this.#requests.entries()) {
      const { pieces, text, model } = request;
      if (!pieces) continue;
      if (!pieces.onlyIfTooLong) long.push(i);
      // A token is a byte at least, and a UTF-16 unit is three at most.
      else if (3 * (prefixOf(request).length + text.length) + addedTokens > pieces.maxTokens) {
        const others = doubtful.get(model);
        if (others) others.push(i);
        else doubtful.set(model, [i]);
      }
    }
    for (const [model, places] of doubtful) {
      try {
        const identity = await model.identity();
        const uncounted: number[] = [];
        for (const i of places) {
          const pieces = this.#memory.get(this.#keyOf(i, identity));
          if (!pieces) uncounted.push(i);
          else if (pieces.length > 0) long.push(i);
        }
        const texts = uncounted.map((i) => prefixOf(this.#requests[i]!) + this.#requests[i]!.text);
        const { maxInputTokens } = model.spec;
        const counts = await model.countTokens(texts, maxInputTokens + 1);
        for (const [n, i] of uncounted.entries()) {
          if (counts[n]! > maxInputTokens) long.push(i);
          else this.#memory.set(this.#keyOf(i, identity), []);
        }
      } catch (error) {
        for (const i of places) this.#split.set(i, toEmbedQLError(error));
      }
    }
    return long;
  }

  async #splitOne(i: number): Promise<void> {
    const request = this.#requests[i]!;
    const { text, model, pieces: options } = request;
    const { maxTokens, overlapTokens, onlyIfTooLong } = options!;
    const limits = { maxTokens, overlapTokens, prefix: prefixOf(request) };
    const most = onlyIfTooLong ? Number.POSITIVE_INFINITY : mostPieces(text, limits);
    try {
      const identity = await model.identity();
      // Before anything is read: as many there are in any case.
      if (fewestPieces(text.length, maxTokens) - 1 > this.#left) {
        this.#refused = true;
        return;
      }
      const pieces = await this.#piecesOf(i, identity, {
        ...limits,
        count: (texts, atMost) => model.countTokens(texts, atMost),
        mostPieces: Math.min(most, this.#left + 1),
        check: () => {
          if (this.#refused || this.#operation.signal?.aborted) throw givenUp;
        },
      });
      if (pieces.length > most) throw tooManyPieces(most);
      this.#more += pieces.length - 1;
      if (this.#left < 0) this.#refused = true;
      this.#split.set(i, pieces);
    } catch (error) {
      this.#split.set(i, toEmbedQLError(error));
    }
  }

  async #piecesOf(i: number, identity: string, options: SplitOptions): Promise<readonly Piece[]> {
    const key = this.#keyOf(i, identity);
    const remembered = this.#memory.get(key);
    if (remembered) return remembered;
    const pieces = await splitText(this.#requests[i]!.text, options);
    // One that is not read to its end has more.
    if (pieces.length <= options.mostPieces!) this.#memory.set(key, pieces);
    return pieces;
  }

  /** What names a text and the way it is read. Of what others have asked nothing is told, not even by the time it takes. */
  #keyOf(i: number, identity: string): string {
    const request = this.#requests[i]!;
    const { maxTokens, overlapTokens, onlyIfTooLong } = request.pieces!;
    const names = [this.#operation.payer?.key, request.model.spec.name, identity, prefixOf(request)];
    return JSON.stringify([...names, maxTokens, overlapTokens, onlyIfTooLong, standIn(request.text)]);
  }

  /** Draws what the pieces are more than the texts. @throws EmbedQLError where the operation may not have them */
  async #draw(): Promise<void> {
    if (this.#refused) {
      const { textsLeft = 0 } = this.#operation;
      // Whoever allows texts says best why these are too many.
      await this.#operation.draw(Array.from({ length: textsLeft + 1 }, () => this.#requests[0]!));
      throw tooManyTexts(textsLeft + 1, textsLeft);
    }
    const more: ModelRequest[] = [];
    for (const [i, pieces] of this.#split) {
      if (pieces instanceof Error) continue;
      for (const piece of pieces.slice(1)) more.push(pieceOf(this.#requests[i]!, piece));
    }
    if (more.length > 0) await this.#operation.draw(more);
  }
}

const givenUp = new EmbedQLError('INTERNAL_SERVER_ERROR', 'The request was cancelled.', { retryable: true });

function tooManyPieces(most: number): EmbedQLError {
  return new EmbedQLError(
    'COST_LIMIT_EXCEEDED',
    `The text comes to more than ${most} pieces; pass a larger maxTokens, or split the text.`,
  );
}

/** What the model puts before a text. */
export function prefixOf({ kind, model }: Pick<ModelRequest, 'kind' | 'model'>): string {
  const { queryPrefix = '', documentPrefix = '' } = model.spec;
  return kind === 'query' ? queryPrefix : documentPrefix;
}

function pieceOf(request: ModelRequest, { start, end }: Piece): ModelRequest {
  return { ...request, text: request.text.slice(start, end), pieces: undefined };
}

/** The answer for a text that was read in pieces; the first failure where there is one. */
function joined(pieces: readonly Piece[], outcomes: readonly Outcome[]): Outcome {
  const failure = outcomes.find((outcome) => outcome instanceof Error);
  if (failure) return failure as EmbedQLError;
  const answers = outcomes as readonly Answer[];
  const sum = (figure: (answer: Answer) => number) => answers.reduce((all, one) => all + figure(one), 0);
  return {
    vector: weightedMean(
      answers.map(({ vector }) => vector),
      pieces.map(({ tokens }) => tokens),
    ),
    tokens: sum(({ tokens }) => tokens),
    costUsd: sum(({ costUsd }) => costUsd),
    truncated: answers.some(({ truncated }) => truncated),
    source: (answers.find(({ source }) => source === 'provider') ?? answers[0]!).source,
    tokensEstimated: answers.some(({ tokensEstimated }) => tokensEstimated),
    pieces: pieces.map((piece, i): AnsweredPiece => ({ ...piece, answer: answers[i]! })),
  };
}

/** The mean of vectors, each as often as its weight says, scaled to unit length; zeros where they cancel each other out. */
export function weightedMean(vectors: readonly Float32Array[], weights: readonly number[]): Float32Array {
  const mean = new Float64Array(vectors[0]!.length);
  for (const [n, vector] of vectors.entries()) {
    const weight = weights[n]!;
    for (let i = 0; i < mean.length; i++) mean[i]! += weight * vector[i]!;
  }
  let squares = 0;
  for (const value of mean) squares += value * value;
  const norm = Math.sqrt(squares);
  return Float32Array.from(mean, (value) => (norm > 0 ? value / norm : 0));
}
