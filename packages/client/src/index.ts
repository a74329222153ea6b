export { type Client, createClient } from './client.ts';
export { EmbedError, type EmbedErrorDetails, EmbedManyError } from './errors.ts';
export type { AbortSignalLike, FetchInit, ReaderLike, ResponseLike } from './runtime.ts';
export type {
  ClientOptions,
  EmbedChunksOptions,
  Embedding,
  EmbedManyOptions,
  EmbedManyResult,
  EmbedOptions,
  Progress,
  StreamedResult,
  TextChunk,
  VectorForm,
  VectorOf,
} from './types.ts';
export { cosine, decodeBase64, decodeBinary, decodeInt8, hamming } from './vectors.ts';
