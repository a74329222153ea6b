export { type Client, createClient } from './client.ts';
export { EmbedError, type EmbedErrorDetails, EmbedManyError } from './errors.ts';
export type { AbortSignalLike, FetchInit, ReaderLike, ResponseLike } from './runtime.ts';
export type {
  ClientOptions,
  Embedding,
  EmbedManyOptions,
  EmbedManyResult,
  EmbedOptions,
  Progress,
  StreamedResult,
} from './types.ts';
export { cosine, decodeBase64 } from './vectors.ts';
