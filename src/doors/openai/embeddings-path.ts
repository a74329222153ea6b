/** Where OpenAI has embeddings. */
export const embeddingsPath = '/v1/embeddings';
