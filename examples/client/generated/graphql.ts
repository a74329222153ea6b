/* eslint-disable */
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
export type Maybe<T> = T | null;
export type InputMaybe<T> = T | null | undefined;
export type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
export type MakeOptional<T, K extends keyof T> = Omit<T, K> & { [SubKey in K]?: Maybe<T[SubKey]> };
export type MakeMaybe<T, K extends keyof T> = Omit<T, K> & { [SubKey in K]: Maybe<T[SubKey]> };
export type MakeEmpty<T extends { [key: string]: unknown }, K extends keyof T> = { [_ in K]?: never };
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string; }
  String: { input: string; output: string; }
  Boolean: { input: boolean; output: boolean; }
  Int: { input: number; output: number; }
  Float: { input: number; output: number; }
  /** An embedding: a JSON array of numbers (float32). Vectors of the built-in models have unit length, so the dot product of two vectors is their cosine similarity. */
  Vector: { input: number[]; output: number[]; }
  /** The representation of an entity: its `__typename` and the fields of one of its keys. */
  _Any: { input: Record<string, unknown>; output: Record<string, unknown>; }
};

/** The reason why a text has no embedding. */
export type BatchFailure = {
  __typename?: 'BatchFailure';
  /** The error code, as in `extensions.code` of an error. */
  code: Scalars['String']['output'];
  /** The index of the text in `texts`, from 0. */
  index: Scalars['Int']['output'];
  /** The error message: the problem, and what to do. */
  message: Scalars['String']['output'];
  /** Milliseconds to wait before a retry, if known. */
  retryAfterMs?: Maybe<Scalars['Int']['output']>;
  /** Whether the same text may succeed later. */
  retryable: Scalars['Boolean']['output'];
};

/** A place where vectors are kept. */
export type CacheTier = {
  __typename?: 'CacheTier';
  /** Whether it can be read and written. */
  healthy: Scalars['Boolean']['output'];
  /** `memory`, `disk` or `redis`. */
  name: Scalars['String']['output'];
  /** What is wrong with it, and what to do; null if nothing is. */
  problem?: Maybe<Scalars['String']['output']>;
};

/** A text of another subgraph. That subgraph returns `{ __typename: "EmbeddedText", text }`, with or without `model`, and the gateway fetches the embedding here: one provider call per model for all texts of a request. */
export type EmbeddedText = {
  __typename?: 'EmbeddedText';
  /** The embedding of the text, as from `embed`. */
  embedding?: Maybe<Embedding>;
  /** The name of the model: the given one, else the default model. */
  model: Scalars['String']['output'];
  /** The text from the other subgraph. */
  text: Scalars['String']['output'];
};

/** The embedding of one text, with its cost. */
export type Embedding = {
  __typename?: 'Embedding';
  /** Whether the vector came from the cache. Waiting for a computation already in progress is not a cache hit. */
  cached: Scalars['Boolean']['output'];
  /** The pieces that the text was read in: 1, or more with `longText: AVERAGE`. */
  chunks: Scalars['Int']['output'];
  /** USD that this field cost. 0 if the vector was cached, or if an earlier request for the same text was in progress: the first request carries the cost. */
  cost: Scalars['Float']['output'];
  /** The length of the vector. */
  dimension: Scalars['Int']['output'];
  /** The vector as numbers. For many or long vectors, `embeddingBase64` is smaller and faster. */
  embedding: Scalars['Vector']['output'];
  /** The vector as base64 of little-endian float32: 4 · dimension bytes. */
  embeddingBase64: Scalars['String']['output'];
  /** The vector as base64 of one bit for each number (above zero or not), most significant bit first: 1/32 of the size, for comparing by Hamming distance. */
  embeddingBinary: Scalars['String']['output'];
  /** The vector as base64 of dimension signed bytes, scaled so that the largest is 127: a quarter of the size, and nearly the same cosine. */
  embeddingInt8: Scalars['String']['output'];
  /** The name of the model. */
  model: Scalars['String']['output'];
  /** Tokens that the provider charged for this text or, if it was cached, would have charged. */
  tokens: Scalars['Int']['output'];
  /** Whether the text was over the limit of the model and was cut. */
  truncated: Scalars['Boolean']['output'];
};

/** The embeddings of a list of texts, with their cost. */
export type EmbeddingBatch = {
  __typename?: 'EmbeddingBatch';
  /** Whether the vector of each text came from the cache; null where it failed. */
  cached: Array<Maybe<Scalars['Boolean']['output']>>;
  /** The number of vectors that came from the cache. */
  cachedCount: Scalars['Int']['output'];
  /** The pieces that each text was read in, as in `Embedding`; null where it failed. */
  chunks: Array<Maybe<Scalars['Int']['output']>>;
  /** USD for each text, as in `Embedding`; null where it failed. */
  costs: Array<Maybe<Scalars['Float']['output']>>;
  /** The length of each vector. */
  dimension: Scalars['Int']['output'];
  /** The vectors, in the order of `texts`; null where a text failed. */
  embeddings: Array<Maybe<Scalars['Vector']['output']>>;
  /** The vectors as base64 of little-endian float32: smaller and faster than numbers. */
  embeddingsBase64: Array<Maybe<Scalars['String']['output']>>;
  /** The vectors as `embeddingBinary` of `Embedding`; null where a text failed. */
  embeddingsBinary: Array<Maybe<Scalars['String']['output']>>;
  /** The vectors as `embeddingInt8` of `Embedding`; null where a text failed. */
  embeddingsInt8: Array<Maybe<Scalars['String']['output']>>;
  /** The texts that have no embedding, in the order of `texts`. */
  failures: Array<BatchFailure>;
  /** The name of the model. */
  model: Scalars['String']['output'];
  /** Tokens of each text, as in `Embedding`; null where it failed. */
  tokens: Array<Maybe<Scalars['Int']['output']>>;
  /** USD that this field cost. */
  totalCost: Scalars['Float']['output'];
  /** The number of vectors returned. */
  totalEmbeddings: Scalars['Int']['output'];
  /** Tokens of all returned vectors, including cached ones. */
  totalTokens: Scalars['Int']['output'];
  /** Whether each text was over the limit of the model and was cut; null where it failed. */
  truncated: Array<Maybe<Scalars['Boolean']['output']>>;
};

/** A part of the results of `embedStream`, with its progress. */
export type EmbeddingChunk = {
  __typename?: 'EmbeddingChunk';
  /** The number of texts done so far, in all chunks. */
  done: Scalars['Int']['output'];
  /** The embeddings of this chunk. */
  embeddings: Array<IndexedEmbedding>;
  /** The texts of this chunk that failed. */
  failures: Array<BatchFailure>;
  /** The number of texts requested. */
  total: Scalars['Int']['output'];
};

/** A list of texts that is embedded in the background. */
export type EmbeddingJob = {
  __typename?: 'EmbeddingJob';
  /** Of these, texts from the cache. */
  cached: Scalars['Int']['output'];
  /** USD that the job has cost so far. */
  costUsd: Scalars['Float']['output'];
  /** When it was created (ISO 8601, UTC). */
  createdAt: Scalars['String']['output'];
  /** When the results are needed. */
  deadline: JobDeadline;
  /** Texts whose results can be read, failed ones included. */
  done: Scalars['Int']['output'];
  /** Of these, texts that failed. */
  failed: Scalars['Int']['output'];
  /** The reason why it failed as a whole, and what to do; null if it did not. */
  failure?: Maybe<Scalars['String']['output']>;
  /** When it ended (ISO 8601, UTC); null before. */
  finishedAt?: Maybe<Scalars['String']['output']>;
  /** The id of the job. */
  id: Scalars['ID']['output'];
  /** The name of the API key that the job belongs to. */
  key: Scalars['String']['output'];
  /** The name of the model. */
  model: Scalars['String']['output'];
  /** The path of the results on this server: JSONL, in the order of the texts, each line `{index, embeddingBase64, tokens}` or `{index, error: {code, message}}`. It can be read while the job runs, up to where it is complete, and goes on with `Range`. Null once the results have been deleted. */
  resultUrl?: Maybe<Scalars['String']['output']>;
  /** The status of the job. */
  status: JobStatus;
  /** Tokens of the texts that are done. */
  tokens: Scalars['Float']['output'];
  /** The number of texts. */
  total: Scalars['Int']['output'];
};

/** The texts of a job, and how to embed them. */
export type EmbeddingJobInput = {
  /** When the results are needed. */
  deadline?: InputMaybe<JobDeadline>;
  /** Shortens the vectors to this many numbers. */
  dimensions?: InputMaybe<Scalars['Int']['input']>;
  /** The id of a file sent to `/v1/files`: on each line a JSON string, an object with a `text`, or a line of an OpenAI batch. */
  file?: InputMaybe<Scalars['ID']['input']>;
  /** Whether the texts are documents or queries. */
  kind?: InputMaybe<TextKind>;
  /** How a text over the limit of the model is handled. AVERAGE is not available with `deadline: DAY` in the provider's batches. */
  longText?: InputMaybe<LongText>;
  /** The name of a model. Default: the one that the file names, else the default model. */
  model?: InputMaybe<Scalars['String']['input']>;
  /** The texts. Empty texts get an error in the results. */
  texts?: InputMaybe<Array<Scalars['String']['input']>>;
};

/** One of the places that serve a model. */
export type Endpoint = {
  __typename?: 'Endpoint';
  /** Whether it is in use: false while it is left alone after failures, asks for a pause, or is shut out. */
  healthy: Scalars['Boolean']['output'];
  /** Calls to it that are under way. */
  inFlight: Scalars['Int']['output'];
  /** What the models file calls it, else its host. */
  name: Scalars['String']['output'];
  /** Why it is not healthy; null if it is. */
  reason?: Maybe<Scalars['String']['output']>;
};

/** The number of failures with one error code. */
export type ErrorCount = {
  __typename?: 'ErrorCount';
  /** The error code, as in `extensions.code` of an error. */
  code: Scalars['String']['output'];
  /** Fields, and entries of lists, that failed with it. */
  count: Scalars['Int']['output'];
};

/** The cost of a list of texts if they were embedded now. */
export type Estimate = {
  __typename?: 'Estimate';
  /** Distinct texts that are in the cache and cost nothing. */
  cached: Scalars['Int']['output'];
  /** USD for these tokens; null if the price is unknown. */
  costUsd?: Maybe<Scalars['Float']['output']>;
  /** USD with `deadline: DAY`; null if the provider has no batches. */
  costUsdWithinDay?: Maybe<Scalars['Float']['output']>;
  /** Different texts that are not empty. With `longText: AVERAGE`, each piece of a long text is a text. */
  distinct: Scalars['Int']['output'];
  /** Texts with nothing in them; they are never sent. */
  empty: Scalars['Int']['output'];
  /** The number of texts given. */
  texts: Scalars['Int']['output'];
  /** Tokens that the provider would charge for: of distinct texts that are not cached. Exact if the tokenizer of the model is known, else the most it can be. */
  tokens: Scalars['Float']['output'];
  /** Distinct texts over the token limit of the model; they would be cut, refused, or read in pieces, as `longText` says. */
  tooLong: Scalars['Int']['output'];
};

/** The status and the configuration of the server. */
export type Health = {
  __typename?: 'Health';
  /** `redis`, `memory` (also with a disk cache, and while Redis is unreachable) or `none`. */
  cacheBackend: Scalars['String']['output'];
  /** Where vectors are kept, in the order in which it is looked for them. */
  cacheTiers: Array<CacheTier>;
  /** Whether the server caches embeddings. */
  cachingEnabled: Scalars['Boolean']['output'];
  /** The model of requests that name none. */
  defaultModel: Scalars['String']['output'];
  /** Models that are ready without loading. */
  modelsLoaded: Array<Scalars['String']['output']>;
  /** What is wrong where `status` is DEGRADED, and what to do. */
  problems: Array<Scalars['String']['output']>;
  /** Always `embedql`. */
  service: Scalars['String']['output'];
  /** DEGRADED if Redis or the disk cache is configured but cannot be used, if the default model is unavailable, or if this server has another EMBEDQL_JOB_SECRET than the jobs in Redis; else OK. */
  status: HealthStatus;
  /** The version of EmbedQL. */
  version: Scalars['String']['output'];
};

/** The status of the server. */
export type HealthStatus =
  /** The server answers, but something is unavailable, such as Redis. */
  | 'DEGRADED'
  /** Everything works. */
  | 'OK';

/** The embedding of one text of a list. */
export type IndexedEmbedding = {
  __typename?: 'IndexedEmbedding';
  /** The embedding of the text. */
  embedding: Embedding;
  /** The index of the text in `texts`, from 0. */
  index: Scalars['Int']['output'];
};

/** When the results of a job are needed. */
export type JobDeadline =
  /** Within a day: bought in the provider's batches, at their price (OpenAI: half). As NOW if the provider has none. */
  | 'DAY'
  /** As soon as possible. */
  | 'NOW';

/** The status of a job. */
export type JobStatus =
  /** It was cancelled. */
  | 'CANCELLED'
  /** Every text has its result, or its error. */
  | 'DONE'
  /** It has ended, and its results have been deleted. */
  | 'EXPIRED'
  /** It could not be carried out; `failure` has the reason. */
  | 'FAILED'
  /** It has not begun. */
  | 'QUEUED'
  /** It is being computed. */
  | 'RUNNING';

/** Percentiles of durations, to about 1 %. 0 before the first. */
export type Latency = {
  __typename?: 'Latency';
  /** Operations that were measured. */
  count: Scalars['Float']['output'];
  /** Milliseconds that half of them took at most. */
  p50: Scalars['Float']['output'];
  /** Milliseconds that 95 % took at most. */
  p95: Scalars['Float']['output'];
  /** Milliseconds that 99 % took at most. */
  p99: Scalars['Float']['output'];
};

/** The limits of one request. */
export type Limits = {
  __typename?: 'Limits';
  /** Bytes of one request body. */
  maxBodyBytes: Scalars['Float']['output'];
  /** Texts in one operation, over all its fields. */
  maxTexts: Scalars['Int']['output'];
  /** Tokens of all texts in one operation. */
  maxTokens: Scalars['Float']['output'];
};

/** How a text over the token limit of the model is handled. */
export type LongText =
  /** It is read in pieces, and the vector is their mean, weighted by tokens and scaled to unit length. Each piece is cached and counts as a text. For search in long documents, `embedChunks` is better: a mean of many topics is close to none of them. */
  | 'AVERAGE'
  /** It fails with TEXT_TOO_LONG. */
  | 'REFUSE'
  /** It is cut; `truncated` is true. */
  | 'TRUNCATE';

/** Figures of this process since `since`. */
export type Metrics = {
  __typename?: 'Metrics';
  /** Average number of texts in a provider call. */
  averageBatchSize: Scalars['Float']['output'];
  /** Average duration of an operation in milliseconds, without subscriptions. */
  averageOperationMs: Scalars['Float']['output'];
  /** Average duration of a provider call in milliseconds. */
  averageProviderCallMs: Scalars['Float']['output'];
  /** The figures of each model that was used. */
  byModel: Array<ModelMetrics>;
  /** Hits divided by look-ups, from 0 to 1; 0 before the first look-up. */
  cacheHitRate: Scalars['Float']['output'];
  /** Texts answered from the cache. */
  cacheHits: Scalars['Int']['output'];
  /** Texts not found in the cache and computed. */
  cacheMisses: Scalars['Int']['output'];
  /** Texts that shared a provider call with others, or joined a computation in progress. */
  coalescedTexts: Scalars['Int']['output'];
  /** USD that the cache saved. */
  costSavedUsd: Scalars['Float']['output'];
  /** Cache hits from the disk. */
  diskHits: Scalars['Int']['output'];
  /** Failed fields, and entries of lists, by error code; the most frequent first. */
  errors: Array<ErrorCount>;
  /** Operations whose answer had `errors`. */
  failedOperations: Scalars['Int']['output'];
  /** What happened in each of the last minutes, oldest first, the current minute included. Kept by this process for a day; `resetMetrics` does not change it. Days are in `spend`. */
  history: Array<MetricsPoint>;
  /** How long operations that requested texts took, without subscriptions. */
  latency: Latency;
  /** Models that are ready without loading. */
  modelsLoaded: Array<Scalars['String']['output']>;
  /** Operations answered, over GraphQL and `/v1`. */
  operations: Scalars['Int']['output'];
  /** Calls to providers, including retries and failed calls. */
  providerCalls: Scalars['Int']['output'];
  /** Texts that are waiting for a provider call. */
  queueDepth: Scalars['Int']['output'];
  /** Cache hits from Redis. */
  redisHits: Scalars['Int']['output'];
  /** The time of the start or the last reset (ISO 8601, UTC). */
  since: Scalars['String']['output'];
  /** USD charged by providers. */
  totalCostUsd: Scalars['Float']['output'];
  /** Vectors computed by providers. */
  totalEmbeddingsGenerated: Scalars['Int']['output'];
  /** Tokens charged by providers. */
  totalTokens: Scalars['Float']['output'];
};


/** Figures of this process since `since`. */
export type MetricsHistoryArgs = {
  minutes?: InputMaybe<Scalars['Int']['input']>;
};

/** What happened in one minute. */
export type MetricsPoint = {
  __typename?: 'MetricsPoint';
  /** Calls to providers, including failed ones. */
  calls: Scalars['Float']['output'];
  /** Vectors computed by providers. */
  computed: Scalars['Float']['output'];
  /** USD that the cache saved. */
  costSavedUsd: Scalars['Float']['output'];
  /** USD charged by providers. */
  costUsd: Scalars['Float']['output'];
  /** Fields, and entries of lists, that failed. */
  errors: Scalars['Float']['output'];
  /** Operations whose answer had `errors`. */
  failedOperations: Scalars['Float']['output'];
  /** Texts answered from the cache. */
  hits: Scalars['Float']['output'];
  /** Operations answered. */
  operations: Scalars['Float']['output'];
  /** Milliseconds that half of the operations with texts took at most; 0 without any. */
  p50: Scalars['Float']['output'];
  /** Milliseconds that 95 % of them took at most. */
  p95: Scalars['Float']['output'];
  /** Texts requested. */
  texts: Scalars['Float']['output'];
  /** When the minute began (ISO 8601, UTC). */
  time: Scalars['String']['output'];
  /** Tokens charged by providers. */
  tokens: Scalars['Float']['output'];
};

/** An embedding model. */
export type Model = {
  __typename?: 'Model';
  /** Whether the model can be used; if not, `unavailableReason` says why. */
  available: Scalars['Boolean']['output'];
  /** USD for 1,000 tokens; 0 if free, null if unknown. */
  costPer1kTokens?: Maybe<Scalars['Float']['output']>;
  /** The length of a full vector. */
  dimension: Scalars['Int']['output'];
  /** The sizes that the `dimensions` argument may ask for; null for any up to `dimension`, where `supportsDimensions` is true. */
  dimensions?: Maybe<Array<Scalars['Int']['output']>>;
  /** The places that serve it; none for a model that runs in this process. */
  endpoints: Array<Endpoint>;
  /** Whether this is the default model. */
  isDefault: Scalars['Boolean']['output'];
  /** Whether the model is ready without loading. A local model is loaded at its first text. */
  loaded: Scalars['Boolean']['output'];
  /** Maximum number of texts in one provider call. */
  maxBatchSize: Scalars['Int']['output'];
  /** Maximum number of tokens in one text. */
  maxInputTokens: Scalars['Int']['output'];
  /** The name to pass as the `model` argument. */
  name: Scalars['String']['output'];
  /** The provider: `openai` for OpenAI and compatible servers, `local` for this process, a vendor, or one that was added. */
  provider: Scalars['String']['output'];
  /** Whether the `dimensions` argument can shorten its vectors. */
  supportsDimensions: Scalars['Boolean']['output'];
  /** Why the model is unavailable, and what to do; null if it is available. */
  unavailableReason?: Maybe<Scalars['String']['output']>;
};

/** The figures of one model. */
export type ModelMetrics = {
  __typename?: 'ModelMetrics';
  /** Average number of texts in a provider call. */
  averageBatchSize: Scalars['Float']['output'];
  /** Average duration of a provider call in milliseconds. */
  averageProviderCallMs: Scalars['Float']['output'];
  /** Hits divided by look-ups, from 0 to 1; 0 before the first look-up. */
  cacheHitRate: Scalars['Float']['output'];
  /** Texts answered from the cache. */
  cacheHits: Scalars['Int']['output'];
  /** Texts not found in the cache and computed. */
  cacheMisses: Scalars['Int']['output'];
  /** Texts that shared a provider call with others, or joined a computation in progress. */
  coalescedTexts: Scalars['Int']['output'];
  /** USD that the cache saved. */
  costSavedUsd: Scalars['Float']['output'];
  /** Cache hits from the disk. */
  diskHits: Scalars['Int']['output'];
  /** The name of the model. */
  model: Scalars['String']['output'];
  /** Calls to providers, including retries and failed calls. */
  providerCalls: Scalars['Int']['output'];
  /** Cache hits from Redis. */
  redisHits: Scalars['Int']['output'];
  /** USD charged by providers. */
  totalCostUsd: Scalars['Float']['output'];
  /** Vectors computed by providers. */
  totalEmbeddingsGenerated: Scalars['Int']['output'];
  /** Tokens charged by providers. */
  totalTokens: Scalars['Float']['output'];
};

/** Embeds texts. These fields are mutations because they may cost money. The server combines all fields of an operation into the fewest possible provider calls. */
export type Mutation = {
  __typename?: 'Mutation';
  /** Ends a job. Results that are complete are kept. Texts that are at the provider already are paid, and cached. A job that has ended is returned unchanged. */
  cancelEmbeddingJob: EmbeddingJob;
  /** Takes a list of texts, inline or in a file, and embeds it in the background. Interactive requests come first. The maximum cost is set aside before the job is accepted; a refused job costs nothing. */
  createEmbeddingJob: EmbeddingJob;
  /** Embeds one text as a document. Use as many aliases as you need: together they make one provider call for each full batch. */
  embed?: Maybe<Embedding>;
  /** Embeds a list of texts. A text that fails has null in its place and an entry in `failures`; it does not affect the others. Texts of other fields may share the same provider calls. */
  embedBatch?: Maybe<EmbeddingBatch>;
  /** Embeds a long text piece by piece. Pieces end at paragraphs or sentences, in a longer sentence at words. Without their overlap they are the whole text; only white space that would be a piece by itself is left out. Each piece is cached and counts as a text, so an edited document costs only its changed pieces. */
  embedChunks?: Maybe<Array<TextChunk>>;
  /** Embeds one text as a search query. Some models embed queries differently from documents; for the others this is the same as `embed`. */
  embedQuery?: Maybe<Embedding>;
  /** Sets the figures of `metrics` to zero and returns the previous ones. Requires an admin key if EMBEDQL_ADMIN_KEYS is set. Does not change the Prometheus counters. */
  resetMetrics: ResetMetricsPayload;
};


/** Embeds texts. These fields are mutations because they may cost money. The server combines all fields of an operation into the fewest possible provider calls. */
export type MutationCancelEmbeddingJobArgs = {
  id: Scalars['ID']['input'];
};


/** Embeds texts. These fields are mutations because they may cost money. The server combines all fields of an operation into the fewest possible provider calls. */
export type MutationCreateEmbeddingJobArgs = {
  input: EmbeddingJobInput;
};


/** Embeds texts. These fields are mutations because they may cost money. The server combines all fields of an operation into the fewest possible provider calls. */
export type MutationEmbedArgs = {
  dimensions?: InputMaybe<Scalars['Int']['input']>;
  longText?: InputMaybe<LongText>;
  model?: InputMaybe<Scalars['String']['input']>;
  text: Scalars['String']['input'];
  truncate?: InputMaybe<Scalars['Boolean']['input']>;
  useCache?: InputMaybe<Scalars['Boolean']['input']>;
};


/** Embeds texts. These fields are mutations because they may cost money. The server combines all fields of an operation into the fewest possible provider calls. */
export type MutationEmbedBatchArgs = {
  batchSize?: InputMaybe<Scalars['Int']['input']>;
  dimensions?: InputMaybe<Scalars['Int']['input']>;
  kind?: InputMaybe<TextKind>;
  longText?: InputMaybe<LongText>;
  model?: InputMaybe<Scalars['String']['input']>;
  texts: Array<Scalars['String']['input']>;
  truncate?: InputMaybe<Scalars['Boolean']['input']>;
  useCache?: InputMaybe<Scalars['Boolean']['input']>;
};


/** Embeds texts. These fields are mutations because they may cost money. The server combines all fields of an operation into the fewest possible provider calls. */
export type MutationEmbedChunksArgs = {
  dimensions?: InputMaybe<Scalars['Int']['input']>;
  maxTokens?: InputMaybe<Scalars['Int']['input']>;
  model?: InputMaybe<Scalars['String']['input']>;
  overlapTokens?: InputMaybe<Scalars['Int']['input']>;
  text: Scalars['String']['input'];
  useCache?: InputMaybe<Scalars['Boolean']['input']>;
};


/** Embeds texts. These fields are mutations because they may cost money. The server combines all fields of an operation into the fewest possible provider calls. */
export type MutationEmbedQueryArgs = {
  dimensions?: InputMaybe<Scalars['Int']['input']>;
  longText?: InputMaybe<LongText>;
  model?: InputMaybe<Scalars['String']['input']>;
  query: Scalars['String']['input'];
  truncate?: InputMaybe<Scalars['Boolean']['input']>;
  useCache?: InputMaybe<Scalars['Boolean']['input']>;
};

/** A text and its similarity to the query. */
export type Neighbor = {
  __typename?: 'Neighbor';
  /** The index of the text in `texts`, from 0. */
  index: Scalars['Int']['output'];
  /** The cosine similarity to the query. */
  similarity: Scalars['Float']['output'];
  /** The text. */
  text: Scalars['String']['output'];
};

/** Queries. Only `similarity` and `nearest` compute embeddings. */
export type Query = {
  __typename?: 'Query';
  /** Resolves the entities of other subgraphs, for the gateway of a federated graph. An invalid representation gives null in its place and an error; it does not affect the others. */
  _entities: Array<Maybe<_Entity>>;
  /** This subgraph, for the gateway of a federated graph. */
  _service: _Service;
  /** The model of requests that name none. */
  defaultModel: Model;
  /** A job of the key that asks; null if there is none with this id. An admin key sees all jobs. */
  embeddingJob?: Maybe<EmbeddingJob>;
  /** The newest jobs of the key that asks, the newest first. An admin key sees all jobs. */
  embeddingJobs: Array<EmbeddingJob>;
  /** The cost of a list of texts. Computes and pays nothing. The texts count towards the limits of the operation. */
  estimate: Estimate;
  /** The status of the server. Probes use `/health` and `/ready` over plain HTTP. */
  health: Health;
  /** The limits of one request. Split larger requests. */
  limits: Limits;
  /** Counts, tokens and costs since the start or the last `resetMetrics`. */
  metrics: Metrics;
  /** All models, including unavailable ones. */
  models: Array<Model>;
  /** The texts that are most similar to a query, in descending order. Empty and failed texts are left out; if none is left, the field fails. */
  nearest: Array<Neighbor>;
  /** The cosine similarity of two texts, from -1 to 1; 1 for the same direction. */
  similarity?: Maybe<Scalars['Float']['output']>;
  /** What was requested, computed, paid and saved on these days, over all replicas. A key sees its own figures, an admin key all of them; without any keys everybody does. Kept for 400 days; `resetMetrics` does not change it. */
  spend: Array<Spend>;
};


/** Queries. Only `similarity` and `nearest` compute embeddings. */
export type Query_EntitiesArgs = {
  representations: Array<Scalars['_Any']['input']>;
};


/** Queries. Only `similarity` and `nearest` compute embeddings. */
export type QueryEmbeddingJobArgs = {
  id: Scalars['ID']['input'];
};


/** Queries. Only `similarity` and `nearest` compute embeddings. */
export type QueryEmbeddingJobsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
};


/** Queries. Only `similarity` and `nearest` compute embeddings. */
export type QueryEstimateArgs = {
  kind?: InputMaybe<TextKind>;
  longText?: InputMaybe<LongText>;
  model?: InputMaybe<Scalars['String']['input']>;
  texts: Array<Scalars['String']['input']>;
};


/** Queries. Only `similarity` and `nearest` compute embeddings. */
export type QueryNearestArgs = {
  k?: InputMaybe<Scalars['Int']['input']>;
  model?: InputMaybe<Scalars['String']['input']>;
  query: Scalars['String']['input'];
  texts: Array<Scalars['String']['input']>;
};


/** Queries. Only `similarity` and `nearest` compute embeddings. */
export type QuerySimilarityArgs = {
  a: Scalars['String']['input'];
  b: Scalars['String']['input'];
  model?: InputMaybe<Scalars['String']['input']>;
};


/** Queries. Only `similarity` and `nearest` compute embeddings. */
export type QuerySpendArgs = {
  from: Scalars['String']['input'];
  groupBy?: Array<SpendDimension>;
  to: Scalars['String']['input'];
};

/** The result of `resetMetrics`. */
export type ResetMetricsPayload = {
  __typename?: 'ResetMetricsPayload';
  /** A message for people. */
  message: Scalars['String']['output'];
  /** The figures before the reset. */
  previous: Metrics;
  /** `success`. */
  status: Scalars['String']['output'];
};

/** What was requested, computed and paid. A dimension that was not in `groupBy` is null, and so is a tag that was not given. */
export type Spend = {
  __typename?: 'Spend';
  /** Texts that a provider charged for. */
  computed: Scalars['Float']['output'];
  /** USD that the cache saved. */
  costSavedUsd: Scalars['Float']['output'];
  /** USD charged by providers. */
  costUsd: Scalars['Float']['output'];
  /** YYYY-MM-DD, UTC. */
  day?: Maybe<Scalars['String']['output']>;
  /** Texts answered from the cache. */
  hits: Scalars['Float']['output'];
  /** The name of the API key; `anonymous` without one, `warm` for `embedql warm`, `canary` for checks of endpoints. */
  key?: Maybe<Scalars['String']['output']>;
  /** Whether figures may be missing: they are kept in memory only, in a Redis that may evict, or were damaged or out of reach. */
  lossy: Scalars['Boolean']['output'];
  /** Seconds of bookkeeping that crashed processes may have lost on these days, over all rows. */
  lostSeconds: Scalars['Float']['output'];
  /** The name of the model. */
  model?: Maybe<Scalars['String']['output']>;
  /** The tag; `other` once a key has used 100 tags on a day. */
  tag?: Maybe<Scalars['String']['output']>;
  /** Texts requested. A text that is in an operation twice counts once. */
  texts: Scalars['Float']['output'];
  /** Tokens charged by providers. */
  tokens: Scalars['Float']['output'];
  /** The part of `tokens` that is an estimate, because the provider does not report tokens. */
  tokensEstimated: Scalars['Float']['output'];
};

/** What figures are added up by. */
export type SpendDimension =
  /** The UTC day. */
  | 'DAY'
  /** The name of the API key. */
  | 'KEY'
  /** The model. */
  | 'MODEL'
  /** The header `x-embedql-tag` of the request. */
  | 'TAG';

/** Streams, over server-sent events. */
export type Subscription = {
  __typename?: 'Subscription';
  /** Embeds a long list of texts. Results arrive in chunks as soon as they are ready, in any order. The server computes the next chunks only as the client reads. */
  embedStream: EmbeddingChunk;
  /** A job as it is now, and after each change until it has ended. */
  embeddingJobProgress: EmbeddingJob;
  /** The figures of `metrics`: once at the start, then after every interval. */
  metricsUpdated: Metrics;
};


/** Streams, over server-sent events. */
export type SubscriptionEmbedStreamArgs = {
  dimensions?: InputMaybe<Scalars['Int']['input']>;
  longText?: InputMaybe<LongText>;
  model?: InputMaybe<Scalars['String']['input']>;
  texts: Array<Scalars['String']['input']>;
  truncate?: InputMaybe<Scalars['Boolean']['input']>;
  useCache?: InputMaybe<Scalars['Boolean']['input']>;
};


/** Streams, over server-sent events. */
export type SubscriptionEmbeddingJobProgressArgs = {
  id: Scalars['ID']['input'];
};


/** Streams, over server-sent events. */
export type SubscriptionMetricsUpdatedArgs = {
  intervalMs?: InputMaybe<Scalars['Int']['input']>;
};

/** A piece of a text, with its embedding. */
export type TextChunk = {
  __typename?: 'TextChunk';
  /** The embedding of the piece, as from `embed`. */
  embedding: Embedding;
  /** Where it ends: the first position that is not in it. */
  end: Scalars['Int']['output'];
  /** Where it begins in the text, in UTF-16 units, from 0. */
  start: Scalars['Int']['output'];
  /** The piece: exactly the text from `start` to `end`. */
  text: Scalars['String']['output'];
  /** Its tokens as `maxTokens` counts them: with special tokens and the prefix of the model. */
  tokens: Scalars['Int']['output'];
};

/** How a text is used. Some models embed queries differently from documents. */
export type TextKind =
  /** A text that is searched. */
  | 'DOCUMENT'
  /** A text to search with. */
  | 'QUERY';

/** The entities that other subgraphs may return as stubs; the gateway fetches their fields here. */
export type _Entity = EmbeddedText | Model;

/** This subgraph, for the gateway of a federated graph. */
export type _Service = {
  __typename?: '_Service';
  /** The schema, with the keys of its entities. */
  sdl?: Maybe<Scalars['String']['output']>;
};

export type RankingMutationVariables = Exact<{
  documents: Array<Scalars['String']['input']> | Scalars['String']['input'];
  query: Scalars['String']['input'];
}>;


export type RankingMutation = { __typename?: 'Mutation', embedBatch?: { __typename?: 'EmbeddingBatch', embeddingsBase64: Array<string | null>, totalCost: number, failures: Array<{ __typename?: 'BatchFailure', index: number, code: string, message: string }> } | null, embedQuery?: { __typename?: 'Embedding', embeddingBase64: string } | null };

export type PairMutationVariables = Exact<{
  a: Scalars['String']['input'];
  b: Scalars['String']['input'];
}>;


export type PairMutation = { __typename?: 'Mutation', a?: { __typename?: 'Embedding', embeddingBase64: string, cached: boolean, cost: number } | null, b?: { __typename?: 'Embedding', embeddingBase64: string, cached: boolean, cost: number } | null };

export type EverythingQueryVariables = Exact<{ [key: string]: never; }>;


export type EverythingQuery = { __typename?: 'Query', models: Array<{ __typename?: 'Model', name: string, provider: string, dimension: number, maxBatchSize: number, maxInputTokens: number, costPer1kTokens?: number | null, available: boolean, loaded: boolean, isDefault: boolean }>, defaultModel: { __typename?: 'Model', name: string }, metrics: { __typename?: 'Metrics', totalEmbeddingsGenerated: number, cacheHits: number, cacheMisses: number, cacheHitRate: number, totalCostUsd: number, costSavedUsd: number, totalTokens: number, providerCalls: number, averageBatchSize: number, coalescedTexts: number, modelsLoaded: Array<string>, since: string, byModel: Array<{ __typename?: 'ModelMetrics', model: string, providerCalls: number }> }, health: { __typename?: 'Health', status: HealthStatus, service: string, version: string, defaultModel: string, cachingEnabled: boolean, cacheBackend: string, modelsLoaded: Array<string> } };

export type ResetMutationVariables = Exact<{ [key: string]: never; }>;


export type ResetMutation = { __typename?: 'Mutation', resetMetrics: { __typename?: 'ResetMetricsPayload', status: string, message: string, previous: { __typename?: 'Metrics', totalEmbeddingsGenerated: number, providerCalls: number } } };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}

export const RankingDocument = new TypedDocumentString(`
    mutation Ranking($documents: [String!]!, $query: String!) {
  embedBatch(texts: $documents) {
    embeddingsBase64
    totalCost
    failures {
      index
      code
      message
    }
  }
  embedQuery(query: $query) {
    embeddingBase64
  }
}
    `) as unknown as TypedDocumentString<RankingMutation, RankingMutationVariables>;
export const PairDocument = new TypedDocumentString(`
    mutation Pair($a: String!, $b: String!) {
  a: embed(text: $a) {
    embeddingBase64
    cached
    cost
  }
  b: embed(text: $b) {
    embeddingBase64
    cached
    cost
  }
}
    `) as unknown as TypedDocumentString<PairMutation, PairMutationVariables>;
export const EverythingDocument = new TypedDocumentString(`
    query Everything {
  models {
    name
    provider
    dimension
    maxBatchSize
    maxInputTokens
    costPer1kTokens
    available
    loaded
    isDefault
  }
  defaultModel {
    name
  }
  metrics {
    totalEmbeddingsGenerated
    cacheHits
    cacheMisses
    cacheHitRate
    totalCostUsd
    costSavedUsd
    totalTokens
    providerCalls
    averageBatchSize
    coalescedTexts
    modelsLoaded
    since
    byModel {
      model
      providerCalls
    }
  }
  health {
    status
    service
    version
    defaultModel
    cachingEnabled
    cacheBackend
    modelsLoaded
  }
}
    `) as unknown as TypedDocumentString<EverythingQuery, EverythingQueryVariables>;
export const ResetDocument = new TypedDocumentString(`
    mutation Reset {
  resetMetrics {
    status
    message
    previous {
      totalEmbeddingsGenerated
      providerCalls
    }
  }
}
    `) as unknown as TypedDocumentString<ResetMutation, ResetMutationVariables>;