/* eslint-disable */
import * as types from './graphql.ts';



/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  mutation Ranking($documents: [String!]!, $query: String!) {\n    embedBatch(texts: $documents) {\n      embeddingsBase64\n      totalCost\n      failures { index code message }\n    }\n    embedQuery(query: $query) {\n      embeddingBase64\n    }\n  }\n": typeof types.RankingDocument,
    "\n  mutation Pair($a: String!, $b: String!) {\n    a: embed(text: $a) { embeddingBase64 cached cost }\n    b: embed(text: $b) { embeddingBase64 cached cost }\n  }\n": typeof types.PairDocument,
    "\n  query Everything {\n    models { name provider dimension maxBatchSize maxInputTokens costPer1kTokens available loaded isDefault }\n    defaultModel { name }\n    metrics {\n      totalEmbeddingsGenerated cacheHits cacheMisses cacheHitRate totalCostUsd costSavedUsd totalTokens\n      providerCalls averageBatchSize coalescedTexts modelsLoaded since byModel { model providerCalls }\n    }\n    health { status service version defaultModel cachingEnabled cacheBackend modelsLoaded }\n  }\n": typeof types.EverythingDocument,
    "\n  mutation Reset {\n    resetMetrics { status message previous { totalEmbeddingsGenerated providerCalls } }\n  }\n": typeof types.ResetDocument,
};
const documents: Documents = {
    "\n  mutation Ranking($documents: [String!]!, $query: String!) {\n    embedBatch(texts: $documents) {\n      embeddingsBase64\n      totalCost\n      failures { index code message }\n    }\n    embedQuery(query: $query) {\n      embeddingBase64\n    }\n  }\n": types.RankingDocument,
    "\n  mutation Pair($a: String!, $b: String!) {\n    a: embed(text: $a) { embeddingBase64 cached cost }\n    b: embed(text: $b) { embeddingBase64 cached cost }\n  }\n": types.PairDocument,
    "\n  query Everything {\n    models { name provider dimension maxBatchSize maxInputTokens costPer1kTokens available loaded isDefault }\n    defaultModel { name }\n    metrics {\n      totalEmbeddingsGenerated cacheHits cacheMisses cacheHitRate totalCostUsd costSavedUsd totalTokens\n      providerCalls averageBatchSize coalescedTexts modelsLoaded since byModel { model providerCalls }\n    }\n    health { status service version defaultModel cachingEnabled cacheBackend modelsLoaded }\n  }\n": types.EverythingDocument,
    "\n  mutation Reset {\n    resetMetrics { status message previous { totalEmbeddingsGenerated providerCalls } }\n  }\n": types.ResetDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Ranking($documents: [String!]!, $query: String!) {\n    embedBatch(texts: $documents) {\n      embeddingsBase64\n      totalCost\n      failures { index code message }\n    }\n    embedQuery(query: $query) {\n      embeddingBase64\n    }\n  }\n"): typeof import('./graphql.ts').RankingDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Pair($a: String!, $b: String!) {\n    a: embed(text: $a) { embeddingBase64 cached cost }\n    b: embed(text: $b) { embeddingBase64 cached cost }\n  }\n"): typeof import('./graphql.ts').PairDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Everything {\n    models { name provider dimension maxBatchSize maxInputTokens costPer1kTokens available loaded isDefault }\n    defaultModel { name }\n    metrics {\n      totalEmbeddingsGenerated cacheHits cacheMisses cacheHitRate totalCostUsd costSavedUsd totalTokens\n      providerCalls averageBatchSize coalescedTexts modelsLoaded since byModel { model providerCalls }\n    }\n    health { status service version defaultModel cachingEnabled cacheBackend modelsLoaded }\n  }\n"): typeof import('./graphql.ts').EverythingDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Reset {\n    resetMetrics { status message previous { totalEmbeddingsGenerated providerCalls } }\n  }\n"): typeof import('./graphql.ts').ResetDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
