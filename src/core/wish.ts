import { sha256 } from './cache.ts';
import type { Catalogue } from './catalogue.ts';
import { badUserInput } from './errors.ts';
import type { EmbeddingModel, TextKind } from './model.ts';
import type { EmbedRequest } from './request.ts';

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
}

/** What the options come down to for one model. */
export interface EmbeddingWish {
  readonly model: EmbeddingModel;
  /** Numbers in the vector that is given back. */
  readonly dimension: number;
  /** Any text is one: halves of characters become replacement characters. */
  request(text: string, kind: TextKind, maxBatchSize?: number): EmbedRequest;
}

/** Reads the options of a request, the same for every door. @throws EmbedQLError MODEL_NOT_FOUND, BAD_USER_INPUT */
export function readWish(options: EmbeddingOptions, catalogue: Catalogue): EmbeddingWish {
  const model = catalogue.get(options.model);
  const useCache = options.useCache ?? true;
  const truncate = options.truncate ?? true;
  const shared = `${model.spec.name}\n${useCache ? 'c' : ''}${truncate ? 't' : ''}`;
  return {
    model,
    dimension: readDimensions(options.dimensions, model),
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
        dedupeKey: `${shared}${kind}${maxBatchSize ?? ''}\n${standIn(text)}`,
      };
    },
  };
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
function standIn(text: string): string {
  if (text.length < longText) return text;
  // One text under many names is one string, and hashed once.
  if (last.text !== text) last = { text, standIn: `\0${text.length} ${sha256(text)}` };
  return last.standIn;
}

/** Whether a text has nothing but white space in it. */
export function isEmptyText(text: string): boolean {
  return text.trim() === '';
}

/** @throws EmbedQLError BAD_USER_INPUT for a text with nothing in it */
export function requireText(text: string, argument: string): string {
  if (isEmptyText(text)) throw badUserInput(`${argument} is empty; pass a text to embed.`);
  return text;
}
