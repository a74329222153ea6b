import type { InputShapeFromFields } from '@pothos/core';
import type { EmbedRequest } from '../../../core/embedder.ts';
import { badUserInput } from '../../../core/errors.ts';
import type { EmbeddingModel, TextKind } from '../../../core/model.ts';
import type { Builder } from './builder.ts';
import type { Context } from '../context.ts';

/** The arguments that every embedding field takes. */
export function embeddingArguments(builder: Builder) {
  return builder.args((t) => ({
    model: t.string({
      description: 'The name of the model, as `models` lists it. Without it: the default model.',
    }),
    useCache: t.boolean({
      defaultValue: true,
      description: 'False neither reads the cache nor writes to it.',
    }),
    dimensions: t.int({
      description:
        'A shorter vector: cut to this many numbers and scaled to unit length again. Only for models that are ' +
        'made for it (text-embedding-3-*).',
    }),
    truncate: t.boolean({
      defaultValue: true,
      description:
        'A text that is longer than the model can read is cut to its limit, and `truncated` says so. False ' +
        'refuses it with TEXT_TOO_LONG instead.',
    }),
  }));
}

export type EmbeddingArguments = InputShapeFromFields<ReturnType<typeof embeddingArguments>>;

/** What the arguments that every embedding field takes come down to. */
export interface ReadArguments {
  model: EmbeddingModel;
  /** Numbers in the vector that is given back. */
  dimension: number;
  request(text: string, kind: TextKind, maxBatchSize?: number): EmbedRequest;
}

/** Checks the arguments. @throws EmbedQLError MODEL_NOT_FOUND, BAD_USER_INPUT. */
export function readArguments(
  args: EmbeddingArguments,
  { catalogue }: Pick<Context, 'catalogue'>,
): ReadArguments {
  const model = catalogue.get(args.model);
  // An explicit null means the same as nothing.
  const useCache = args.useCache ?? true;
  const truncate = args.truncate ?? true;
  const options = `${model.spec.name}\n${useCache ? 'c' : ''}${truncate ? 't' : ''}`;
  return {
    model,
    dimension: readDimensions(args.dimensions, model),
    request: (text, kind, maxBatchSize) => ({
      model,
      text,
      kind,
      useCache,
      truncate,
      maxBatchSize,
      sameness: `${options}${kind}${maxBatchSize ?? ''}\n${text}`,
    }),
  };
}

function readDimensions(dimensions: number | null | undefined, { spec }: EmbeddingModel): number {
  if (dimensions === null || dimensions === undefined) return spec.dimension;
  if (!spec.supportsDimensions) {
    throw badUserInput(
      `${spec.name} has vectors of ${spec.dimension} numbers and none shorter; leave out dimensions.`,
    );
  }
  if (dimensions < 1 || dimensions > spec.dimension) {
    throw badUserInput(`dimensions must be from 1 to ${spec.dimension} for ${spec.name}.`);
  }
  return dimensions;
}

export function isEmptyText(text: string): boolean {
  return text.trim() === '';
}

/** @throws EmbedQLError BAD_USER_INPUT for a text without anything in it. */
export function requireText(text: string, argument: string): string {
  if (isEmptyText(text)) throw badUserInput(`${argument} is empty; give it something to embed.`);
  return text;
}
