export type { Cache, CachedVector, CacheHit } from './core/cache.ts';
export { EmbedQLError, type ErrorCode, type ErrorDetails, InputRefusedError } from './core/errors.ts';
export type {
  EmbeddedText,
  EmbeddingModel,
  FittedText,
  ModelSpec,
  ModelStatus,
  TextKind,
} from './core/model.ts';
export type { Environment, Log, LogLine, Progress, ProgressTask } from './core/surroundings.ts';
export type { OptionReader, OptionReaders, StandardSchema } from './providers/options.ts';
export type {
  Provider,
  ProviderContext,
  ProviderDefaults,
  ProviderModel,
  ProviderSpec,
} from './providers/provider.ts';
