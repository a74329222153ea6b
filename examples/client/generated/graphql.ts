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
  /** An embedding: a JSON array of numbers (float32), of unit length for all built-in models, so that the dot product of two is their cosine similarity. */
  Vector: { input: number[]; output: number[]; }
  /** What another subgraph says of an entity: its `__typename`, and the fields of one of its keys. */
  _Any: { input: Record<string, unknown>; output: Record<string, unknown>; }
};

/** Why one text of a batch has no embedding. */
export type BatchFailure = {
  __typename?: 'BatchFailure';
  /** What went wrong, as in the `extensions.code` of an error. */
  code: Scalars['String']['output'];
  /** Its place in `texts`, from 0. */
  index: Scalars['Int']['output'];
  /** What to do about it. */
  message: Scalars['String']['output'];
  /** Milliseconds after which it makes sense to try again, where that is known. */
  retryAfterMs?: Maybe<Scalars['Int']['output']>;
  /** Whether the same text may succeed later without a change. */
  retryable: Scalars['Boolean']['output'];
};

/** A text of another subgraph. Return `{ __typename: "EmbeddedText", text }` there, with or without `model`, and the gateway fetches the embedding here: one provider call for each model, however many texts there are. */
export type EmbeddedText = {
  __typename?: 'EmbeddedText';
  /** The embedding of the text, as `embed` gives it. */
  embedding?: Maybe<Embedding>;
  /** The model: the one that was given, else the default. */
  model: Scalars['String']['output'];
  /** The text, as the other subgraph gave it. */
  text: Scalars['String']['output'];
};

/** The embedding of one text, and what it took to get it. */
export type Embedding = {
  __typename?: 'Embedding';
  /** Whether it came out of the cache. A text that is being computed already is waited for, which is not a cache hit. */
  cached: Scalars['Boolean']['output'];
  /** USD that this field caused. 0 when it was cached, or when the same text was asked for before it and not yet computed: the first to ask carries the cost. */
  cost: Scalars['Float']['output'];
  /** Numbers in the vector. */
  dimension: Scalars['Int']['output'];
  /** The vector, as numbers. For many or long vectors `embeddingBase64` is smaller and faster. */
  embedding: Scalars['Vector']['output'];
  /** The same vector as base64 of little-endian float32: 4 · dimension bytes. */
  embeddingBase64: Scalars['String']['output'];
  /** The model that made it. */
  model: Scalars['String']['output'];
  /** Tokens that the provider charged for this text; when it was cached, those it would have charged. */
  tokens: Scalars['Int']['output'];
  /** Whether the text was longer than the model can read and was cut. */
  truncated: Scalars['Boolean']['output'];
};

/** The embeddings of a list of texts, and what it took to get them. */
export type EmbeddingBatch = {
  __typename?: 'EmbeddingBatch';
  /** Whether each text came out of the cache; null where it failed. */
  cached: Array<Maybe<Scalars['Boolean']['output']>>;
  /** How many of them came out of the cache. */
  cachedCount: Scalars['Int']['output'];
  /** USD that each text caused, as in `Embedding`; null where it failed. */
  costs: Array<Maybe<Scalars['Float']['output']>>;
  /** Numbers in each vector. */
  dimension: Scalars['Int']['output'];
  /** The vectors, in the order of `texts`; null where a text failed. */
  embeddings: Array<Maybe<Scalars['Vector']['output']>>;
  /** The same as base64 of little-endian float32: smaller and faster. */
  embeddingsBase64: Array<Maybe<Scalars['String']['output']>>;
  /** The texts that have no embedding, in the order of `texts`. */
  failures: Array<BatchFailure>;
  /** The model that made them. */
  model: Scalars['String']['output'];
  /** Tokens of each text, as in `Embedding`; null where it failed. */
  tokens: Array<Maybe<Scalars['Int']['output']>>;
  /** USD that this field caused. */
  totalCost: Scalars['Float']['output'];
  /** Vectors that were returned. */
  totalEmbeddings: Scalars['Int']['output'];
  /** Tokens of all returned vectors, cached ones included. */
  totalTokens: Scalars['Int']['output'];
  /** Whether each text was cut to what the model can read; null where it failed. */
  truncated: Array<Maybe<Scalars['Boolean']['output']>>;
};

/** Some results of `embedStream`, and how far it is. */
export type EmbeddingChunk = {
  __typename?: 'EmbeddingChunk';
  /** Texts that are done, in all chunks so far. */
  done: Scalars['Int']['output'];
  /** Embeddings that are ready now. */
  embeddings: Array<IndexedEmbedding>;
  /** Texts of this chunk that have none. */
  failures: Array<BatchFailure>;
  /** Texts that were asked for. */
  total: Scalars['Int']['output'];
};

/** How often something failed. */
export type ErrorCount = {
  __typename?: 'ErrorCount';
  /** What went wrong, as in the `extensions.code` of an error. */
  code: Scalars['String']['output'];
  /** Fields and entries of lists that failed so. */
  count: Scalars['Int']['output'];
};

/** How the server is, and what it runs with. */
export type Health = {
  __typename?: 'Health';
  /** `redis`, `memory` (also while Redis is away) or `none`. */
  cacheBackend: Scalars['String']['output'];
  /** Whether answers are cached at all. */
  cachingEnabled: Scalars['Boolean']['output'];
  /** The model that is used where none is named. */
  defaultModel: Scalars['String']['output'];
  /** Models that answer without being loaded first. */
  modelsLoaded: Array<Scalars['String']['output']>;
  /** Always `embedql`. */
  service: Scalars['String']['output'];
  /** OK, or DEGRADED where Redis is configured and away or the default model cannot be asked. */
  status: HealthStatus;
  /** The version of EmbedQL. */
  version: Scalars['String']['output'];
};

/** How the server is. */
export type HealthStatus =
  /** It serves, but something that is configured is away, such as Redis. */
  | 'DEGRADED'
  /** Everything that is configured works. */
  | 'OK';

/** The embedding of one of many texts. */
export type IndexedEmbedding = {
  __typename?: 'IndexedEmbedding';
  /** Its embedding. */
  embedding: Embedding;
  /** The place of the text in `texts`, from 0. */
  index: Scalars['Int']['output'];
};

/** What one request may ask for. */
export type Limits = {
  __typename?: 'Limits';
  /** Bytes of one request's body. */
  maxBodyBytes: Scalars['Float']['output'];
  /** Texts of one operation, over all its fields. */
  maxTexts: Scalars['Int']['output'];
  /** Tokens of all texts of one operation. */
  maxTokens: Scalars['Float']['output'];
};

/** Figures since `since`, of this process alone. */
export type Metrics = {
  __typename?: 'Metrics';
  /** Texts in a provider call, on average. */
  averageBatchSize: Scalars['Float']['output'];
  /** Milliseconds that an operation took, on average; subscriptions are left out. */
  averageOperationMs: Scalars['Float']['output'];
  /** Milliseconds that a provider call took, on average. */
  averageProviderCallMs: Scalars['Float']['output'];
  /** The same for each model that was used. */
  byModel: Array<ModelMetrics>;
  /** Hits by look-ups, from 0 to 1; 0 before the first look-up. */
  cacheHitRate: Scalars['Float']['output'];
  /** Texts answered from the cache. */
  cacheHits: Scalars['Int']['output'];
  /** Texts that were looked up, not found, and sent to be computed. */
  cacheMisses: Scalars['Int']['output'];
  /** Texts that shared their provider call with others, or joined a computation under way. */
  coalescedTexts: Scalars['Int']['output'];
  /** USD that the cache hits would have cost. */
  costSavedUsd: Scalars['Float']['output'];
  /** Fields and entries of lists that failed, by code, the most frequent first. */
  errors: Array<ErrorCount>;
  /** Of those, the ones whose answer had `errors`. */
  failedOperations: Scalars['Int']['output'];
  /** Models that answer without being loaded first. */
  modelsLoaded: Array<Scalars['String']['output']>;
  /** Operations that were answered, whichever way they came. */
  operations: Scalars['Int']['output'];
  /** Calls to providers, failed ones and retries included. */
  providerCalls: Scalars['Int']['output'];
  /** Texts that wait at this moment to be sent to a provider. */
  queueDepth: Scalars['Int']['output'];
  /** Of those, the ones that came from Redis; the others came from memory. */
  redisHits: Scalars['Int']['output'];
  /** When the counting began (ISO 8601, UTC). */
  since: Scalars['String']['output'];
  /** USD that providers charged. */
  totalCostUsd: Scalars['Float']['output'];
  /** Vectors that providers computed. */
  totalEmbeddingsGenerated: Scalars['Int']['output'];
  /** Tokens that providers charged for. */
  totalTokens: Scalars['Float']['output'];
};

/** A model that texts can be embedded with. */
export type Model = {
  __typename?: 'Model';
  /** Whether it can be asked; `unavailableReason` says what is missing. */
  available: Scalars['Boolean']['output'];
  /** USD for 1,000 tokens; 0 is free, null is not known. */
  costPer1kTokens?: Maybe<Scalars['Float']['output']>;
  /** Numbers in a full vector. */
  dimension: Scalars['Int']['output'];
  /** Whether it is used where no model is named. */
  isDefault: Scalars['Boolean']['output'];
  /** Whether it answers without being loaded first. Local models are loaded by their first text. */
  loaded: Scalars['Boolean']['output'];
  /** Texts in one provider call. */
  maxBatchSize: Scalars['Int']['output'];
  /** Tokens that the model reads of one text. */
  maxInputTokens: Scalars['Int']['output'];
  /** What to give as the `model` argument. */
  name: Scalars['String']['output'];
  /** Who computes: `openai` for OpenAI and servers that speak like it, `local` for this process. */
  provider: Scalars['String']['output'];
  /** Whether the `dimensions` argument can shorten its vectors. */
  supportsDimensions: Scalars['Boolean']['output'];
  /** What stands in the way, and what to do; null when the model is available. */
  unavailableReason?: Maybe<Scalars['String']['output']>;
};

/** The figures of one model. */
export type ModelMetrics = {
  __typename?: 'ModelMetrics';
  /** Texts in a provider call, on average. */
  averageBatchSize: Scalars['Float']['output'];
  /** Milliseconds that a provider call took, on average. */
  averageProviderCallMs: Scalars['Float']['output'];
  /** Hits by look-ups, from 0 to 1; 0 before the first look-up. */
  cacheHitRate: Scalars['Float']['output'];
  /** Texts answered from the cache. */
  cacheHits: Scalars['Int']['output'];
  /** Texts that were looked up, not found, and sent to be computed. */
  cacheMisses: Scalars['Int']['output'];
  /** Texts that shared their provider call with others, or joined a computation under way. */
  coalescedTexts: Scalars['Int']['output'];
  /** USD that the cache hits would have cost. */
  costSavedUsd: Scalars['Float']['output'];
  /** The name of the model. */
  model: Scalars['String']['output'];
  /** Calls to providers, failed ones and retries included. */
  providerCalls: Scalars['Int']['output'];
  /** Of those, the ones that came from Redis; the others came from memory. */
  redisHits: Scalars['Int']['output'];
  /** USD that providers charged. */
  totalCostUsd: Scalars['Float']['output'];
  /** Vectors that providers computed. */
  totalEmbeddingsGenerated: Scalars['Int']['output'];
  /** Tokens that providers charged for. */
  totalTokens: Scalars['Float']['output'];
};

/** Computing embeddings. These are mutations because they may cost money. Ask for as many fields as you like in one operation: the server gathers them into the fewest possible provider calls. */
export type Mutation = {
  __typename?: 'Mutation';
  /** Embeds one text: a document, something to be found. Ask for it under as many aliases as you like; all of them together take one provider call for every full batch. */
  embed?: Maybe<Embedding>;
  /** Embeds a list of texts. A text that fails has null in its place and an entry in `failures`; the others are not affected. Texts of other fields may travel in the same provider calls. */
  embedBatch?: Maybe<EmbeddingBatch>;
  /** Embeds one search query: something to find documents with. Some models embed queries differently from documents; for the others it is the same as `embed`. */
  embedQuery?: Maybe<Embedding>;
  /** Sets the figures of `metrics` to zero and gives back what they were. Requires an admin key where EMBEDQL_ADMIN_KEYS is set. Prometheus counters are not touched. */
  resetMetrics: ResetMetricsPayload;
};


/** Computing embeddings. These are mutations because they may cost money. Ask for as many fields as you like in one operation: the server gathers them into the fewest possible provider calls. */
export type MutationEmbedArgs = {
  dimensions?: InputMaybe<Scalars['Int']['input']>;
  model?: InputMaybe<Scalars['String']['input']>;
  text: Scalars['String']['input'];
  truncate?: InputMaybe<Scalars['Boolean']['input']>;
  useCache?: InputMaybe<Scalars['Boolean']['input']>;
};


/** Computing embeddings. These are mutations because they may cost money. Ask for as many fields as you like in one operation: the server gathers them into the fewest possible provider calls. */
export type MutationEmbedBatchArgs = {
  batchSize?: InputMaybe<Scalars['Int']['input']>;
  dimensions?: InputMaybe<Scalars['Int']['input']>;
  kind?: InputMaybe<TextKind>;
  model?: InputMaybe<Scalars['String']['input']>;
  texts: Array<Scalars['String']['input']>;
  truncate?: InputMaybe<Scalars['Boolean']['input']>;
  useCache?: InputMaybe<Scalars['Boolean']['input']>;
};


/** Computing embeddings. These are mutations because they may cost money. Ask for as many fields as you like in one operation: the server gathers them into the fewest possible provider calls. */
export type MutationEmbedQueryArgs = {
  dimensions?: InputMaybe<Scalars['Int']['input']>;
  model?: InputMaybe<Scalars['String']['input']>;
  query: Scalars['String']['input'];
  truncate?: InputMaybe<Scalars['Boolean']['input']>;
  useCache?: InputMaybe<Scalars['Boolean']['input']>;
};

/** A text and how near it is to the query. */
export type Neighbor = {
  __typename?: 'Neighbor';
  /** Its place in `texts`, from 0. */
  index: Scalars['Int']['output'];
  /** Its cosine similarity to the query. */
  similarity: Scalars['Float']['output'];
  /** The text. */
  text: Scalars['String']['output'];
};

/** What can be asked without computing anything. */
export type Query = {
  __typename?: 'Query';
  /** The entities that other subgraphs have stubs of, for the gateway of a federated graph. A wrong representation is null in its place; the others are answered. */
  _entities: Array<Maybe<_Entity>>;
  /** This subgraph, for the gateway of a federated graph. */
  _service: _Service;
  /** The model that is used where none is named. */
  defaultModel: Model;
  /** How the server is. Over plain HTTP there are `/health` and `/ready`. */
  health: Health;
  /** What one request may ask for. What is more has to be split into several. */
  limits: Limits;
  /** What has been computed, cached, paid and saved since the start or the last `resetMetrics`. */
  metrics: Metrics;
  /** Every model there is, available or not. */
  models: Array<Model>;
  /** The texts that are nearest to a query, the nearest first. Texts that are empty or cannot be embedded are left out; it is an error when none is left. */
  nearest: Array<Neighbor>;
  /** The cosine similarity of two texts: 1 for the same direction, 0 for nothing in common. */
  similarity?: Maybe<Scalars['Float']['output']>;
};


/** What can be asked without computing anything. */
export type Query_EntitiesArgs = {
  representations: Array<Scalars['_Any']['input']>;
};


/** What can be asked without computing anything. */
export type QueryNearestArgs = {
  k?: InputMaybe<Scalars['Int']['input']>;
  model?: InputMaybe<Scalars['String']['input']>;
  query: Scalars['String']['input'];
  texts: Array<Scalars['String']['input']>;
};


/** What can be asked without computing anything. */
export type QuerySimilarityArgs = {
  a: Scalars['String']['input'];
  b: Scalars['String']['input'];
  model?: InputMaybe<Scalars['String']['input']>;
};

/** What `resetMetrics` answers. */
export type ResetMetricsPayload = {
  __typename?: 'ResetMetricsPayload';
  /** What was done, for a person. */
  message: Scalars['String']['output'];
  /** The figures as they were. */
  previous: Metrics;
  /** `success`. */
  status: Scalars['String']['output'];
};

/** What can be watched as it changes, over server-sent events. */
export type Subscription = {
  __typename?: 'Subscription';
  /** Embeds a long list of texts, over server-sent events: results come in chunks as soon as they are ready, in any order, and no more is computed ahead than the client has read. */
  embedStream: EmbeddingChunk;
  /** The figures of `metrics`, now and again after every interval. */
  metricsUpdated: Metrics;
};


/** What can be watched as it changes, over server-sent events. */
export type SubscriptionEmbedStreamArgs = {
  dimensions?: InputMaybe<Scalars['Int']['input']>;
  model?: InputMaybe<Scalars['String']['input']>;
  texts: Array<Scalars['String']['input']>;
  truncate?: InputMaybe<Scalars['Boolean']['input']>;
  useCache?: InputMaybe<Scalars['Boolean']['input']>;
};


/** What can be watched as it changes, over server-sent events. */
export type SubscriptionMetricsUpdatedArgs = {
  intervalMs?: InputMaybe<Scalars['Int']['input']>;
};

/** What a text is for. Models that tell the two apart read them differently. */
export type TextKind =
  /** Something to be found. */
  | 'DOCUMENT'
  /** Something to find with. */
  | 'QUERY';

/** What another subgraph may return as a stub, to have the gateway fetch its fields here. */
export type _Entity = EmbeddedText | Model;

/** This subgraph, for the gateway of a federated graph. */
export type _Service = {
  __typename?: '_Service';
  /** The schema with the keys of its entities, and without what every subgraph has. */
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