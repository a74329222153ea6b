import type { GraphQLSchema } from 'graphql';
import { addLongText } from './arguments.ts';
import { createBuilder } from './builder.ts';
import { addEmbed } from './embed.ts';
import { addEmbedBatch } from './embed-batch.ts';
import { addEmbedChunks } from './embed-chunks.ts';
import { addEmbedStream } from './embed-stream.ts';
import { addEmbeddedText } from './embedded-text.ts';
import { addEmbedding } from './embedding.ts';
import { addEstimate } from './estimate.ts';
import { addFederation } from './federation.ts';
import { addHealth, addLimits } from './health.ts';
import { addJobs } from './jobs.ts';
import { addMetrics } from './metrics.ts';
import { addModels } from './models.ts';
import { addSimilarity } from './similarity.ts';
import { addSpend } from './spend.ts';
import { addVector } from './vector.ts';

/** The whole schema, a Federation 2 subgraph. It holds no state: everything comes with the context. */
export function createSchema(): GraphQLSchema {
  const builder = createBuilder();
  addVector(builder);
  const Embedding = addEmbedding(builder);
  const LongText = addLongText(builder);
  addEmbed(builder, Embedding, LongText);
  addEmbedChunks(builder, Embedding);
  const embeddedText = addEmbeddedText(builder, Embedding);
  const { BatchFailure, TextKindEnum } = addEmbedBatch(builder, LongText);
  addEstimate(builder, TextKindEnum, LongText);
  addSimilarity(builder);
  const model = addModels(builder);
  addMetrics(builder);
  addEmbedStream(builder, Embedding, BatchFailure, LongText);
  addJobs(builder, TextKindEnum, LongText);
  addSpend(builder);
  addHealth(builder);
  addLimits(builder);
  addFederation(builder, [embeddedText, model]);
  return builder.toSchema();
}
