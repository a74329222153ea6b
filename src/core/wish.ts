import { sha256 } from './cache.ts';
import type { Catalogue } from './catalogue.ts';
import { badUserInput } from './errors.ts';
import type { EmbeddingModel, TextKind } from './model.ts';
import type { EmbedRequest, PieceOptions } from './request.ts';

/** The options that every door takes. Null means the same as left out. */
export interface EmbeddingOptions {
  /** The name of the model. Default: the default model. */
  model?: string | null | undefined;
  /** False neither reads the cache nor writes to it. Default: true. */
  useCache?: boolean | null | undefined;
  /** Numbers in the vector that is given back. Default: the model's own dimension. */
  dimensions?: number | null | undefined;
  /** False refuses a text that is over the model's limit instead of cutting it. Default: true. */
  truncate?: boolean | null | undefined;
  /** What becomes of a text that is over the model's limit. Default: what `truncate` says. */
  longText?: LongText | null | undefined;
}

/** A text that is too long is cut, refused, or read in pieces whose vectors are averaged. */
export type LongText = 'truncate' | 'refuse' | 'average';

/** How `embedChunks` takes a text apart. */
export interface ChunkOptions {
  /** Tokens of a piece at the most, special ones and the model's prefix included. Default: the model's limit. */
  maxTokens?: number | null | undefined;
  /** Tokens that a piece has in common with the one before it, at the most. Default: 0. */
  overlapTokens?: number | null | undefined;
}

/** What the options come down to for one model. */
export interface EmbeddingWish {
  readonly model: EmbeddingModel;
  /** Numbers in the vector that is given back. */
  readonly dimension: number;
  /** False refuses a text that is over the model's limit, where it is not read in pieces. */
  readonly truncate: boolean;
  /** How texts are read in pieces. Default: as one. */
  readonly pieces?: PieceOptions | undefined;
  /** Any text is one: halves of characters become replacement characters. */
  request(text: string, kind: TextKind, maxBatchSize?: number): EmbedRequest;
}

/** A wish for the pieces of texts. */
export interface ChunkWish extends EmbeddingWish {
  /** How they are read. */
  readonly pieces: PieceOptions;
}

/** Reads the options of a request, the same for every door. @throws EmbedQLError MODEL_NOT_FOUND, BAD_USER_INPUT */
export function readWish(options: EmbeddingOptions, catalogue: Catalogue): EmbeddingWish {
  const model = catalogue.get(options.model);
  const { longText } = options;
  return wishFor(model, options, {
    // Where its pieces are averaged, nothing of a text is left to be cut.
    truncate: longText ? longText !== 'refuse' : (options.truncate ?? true),
    pieces: longText === 'average' ? averaged(model) : undefined,
  });
}

/** How texts are read whose pieces are averaged. */
export function averaged({ spec }: EmbeddingModel): PieceOptions {
  return { maxTokens: spec.maxInputTokens, overlapTokens: 0, onlyIfTooLong: true };
}

/**
 * Reads the options of a request for the pieces of texts.
 * @throws EmbedQLError MODEL_NOT_FOUND, BAD_USER_INPUT
 */
export function readChunkWish(options: EmbeddingOptions & ChunkOptions, catalogue: Catalogue): ChunkWish {
  const model = catalogue.get(options.model);
  const { name, maxInputTokens } = model.spec;
  const maxTokens = options.maxTokens ?? maxInputTokens;
  const overlapTokens = options.overlapTokens ?? 0;
  if (maxTokens < 1 || maxTokens > maxInputTokens)
    throw badUserInput(`maxTokens must be from 1 to ${maxInputTokens} for ${name}.`);
  if (overlapTokens < 0 || overlapTokens >= maxTokens)
    throw badUserInput(`overlapTokens must be from 0 to ${maxTokens - 1}, less than maxTokens.`);
  const pieces = { maxTokens, overlapTokens, onlyIfTooLong: false };
  return { ...wishFor(model, options, { truncate: true, pieces }), pieces };
}

function wishFor(
  model: EmbeddingModel,
  options: EmbeddingOptions,
  { truncate, pieces }: { truncate: boolean; pieces: PieceOptions | undefined },
): EmbeddingWish {
  const useCache = options.useCache ?? true;
  const shared = `${model.spec.name}\n${useCache ? 'c' : ''}${truncate ? 't' : ''}${nameOf(pieces)}`;
  return {
    model,
    dimension: readDimensions(options.dimensions, model),
    truncate,
    pieces,
    request: (given, kind, maxBatchSize) => {
      // UTF-8 has no halves of characters: what would be sent and hashed is this.
      const text = given.toWellFormed();
      return {
        model,
        text,
        kind,
        useCache,
        truncate,
        maxBatchSize,
        pieces,
        dedupeKey: `${shared}${kind}${maxBatchSize ?? ''}\n${standIn(text)}`,
      };
    },
  };
}

/** What tells ways of reading a text apart. */
function nameOf(pieces: PieceOptions | undefined): string {
  if (!pieces) return '';
  return pieces.onlyIfTooLong ? 'a' : `p${pieces.maxTokens},${pieces.overlapTokens}`;
}

function readDimensions(dimensions: number | null | undefined, { spec }: EmbeddingModel): number {
  if (dimensions === null || dimensions === undefined || dimensions === spec.dimension) return spec.dimension;
  const { name, dimension, matryoshka } = spec;
  if (matryoshka) {
    if (matryoshka.includes(dimensions)) return dimensions;
    throw badUserInput(`dimensions must be one of ${[...matryoshka, dimension].join(', ')} for ${name}.`);
  }
  if (!spec.supportsDimensions)
    throw badUserInput(`${name} has vectors of ${dimension} numbers and no others; leave out dimensions.`);
  if (dimensions < 1 || dimensions > dimension)
    throw badUserInput(`dimensions must be from 1 to ${dimension} for ${name}.`);
  return dimensions;
}

/** Characters from which on a text stands for itself by its hash. */
const longText = 1_024;
let last = { text: '', standIn: '' };

/**
 * What stands for a text in a key. V8 hashes a string of more than 16,383 characters by its length alone, so that a map of
 * many such compares each with each.
 */
export function standIn(text: string): string {
  if (text.length < longText) return text;
  // One text under many names is one string, and hashed once.
  if (last.text !== text) last = { text, standIn: `\0${text.length} ${sha256(text)}` };
  return last.standIn;
}

let lastEmpty = '';

/** Whether a text has nothing but white space in it. One long text under many names is gone over once. */
export function isEmptyText(text: string): boolean {
  if (text.length < longText) return text.trim() === '';
  if (text === lastEmpty) return true;
  if (text.trim() !== '') return false;
  lastEmpty = text;
  return true;
}

/** @throws EmbedQLError BAD_USER_INPUT for a text with nothing in it */
export function requireText(text: string, argument: string): string {
  if (isEmptyText(text)) throw badUserInput(`${argument} is empty; pass a text to embed.`);
  return text;
}
