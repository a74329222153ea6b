export type { Cache, CachedVector, CacheHit, CacheTier } from './core/cache.ts';
export { EmbedQLError, type ErrorCode, type ErrorDetails, InputRefusedError } from './core/errors.ts';
export type {
  EmbeddedText,
  EmbeddingModel,
  FittedText,
  ModelSpec,
  ModelStatus,
  TextKind,
} from './core/model.ts';
export type { Environment, Log, Logger, LogLine, Progress, ProgressTask } from './core/surroundings.ts';
export {
  type CacheDefinition,
  type DiskCacheOptions,
  type DiskFolder,
  diskCache,
  type MemoryCacheOptions,
  memoryCache,
  type RedisCacheOptions,
  redisCache,
} from './library/caches.ts';
export {
  type CreateEmbedderOptions,
  createEmbedder,
  type ProviderLimits,
} from './library/create-embedder.ts';
export type {
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
} from './library/embedder.ts';
export {
  type LocalModelOptions,
  local,
  type ModelDefinition,
  type ModelOptions,
  type OpenAICompatibleEndpoint,
  type OpenAICompatibleOptions,
  type OpenAIModelOptions,
  openai,
  openaiCompatible,
} from './library/models.ts';
export {
  type AiSdkOptions,
  type AzureModelOptions,
  aiSdk,
  azure,
  type BedrockModelOptions,
  bedrock,
  cohere,
  google,
  mistral,
  type VendorModelOptions,
  voyage,
} from './library/vendors.ts';
export type {
  AiSdkEmbeddingModel,
  AiSdkJson,
  AiSdkProviderOptions,
  AiSdkResult,
} from './providers/ai-sdk/model.ts';
export type { OptionReader, OptionReaders, StandardSchema } from './providers/options.ts';
export type {
  KnownModel,
  Provider,
  ProviderCallOptions,
  ProviderContext,
  ProviderDefaults,
  ProviderModel,
  ProviderSpec,
} from './providers/provider.ts';
export type { CutText, TokenCounter } from './providers/tokens/counter.ts';
