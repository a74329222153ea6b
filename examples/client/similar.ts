// Embeds some documents and a query in one operation and ranks the documents. Start a server, then:
//   npx tsx examples/client/similar.ts [http://127.0.0.1:4000/graphql]
import { pathToFileURL } from 'node:url';
import { decodeBase64 } from '@embedql/client';
import { execute } from './client.ts';
import { graphql } from './generated/gql.ts';

const Ranking = graphql(`
  mutation Ranking($documents: [String!]!, $query: String!) {
    embedBatch(texts: $documents) {
      embeddingsBase64
      totalCost
      failures { index code message }
    }
    embedQuery(query: $query) {
      embeddingBase64
    }
  }
`);

/** The documents from the nearest to the farthest, with their cosine similarity to the query. */
export async function rank(url: string, documents: string[], query: string) {
  const { data, errors } = await execute(url, Ranking, { documents, query });
  if (!data?.embedBatch || !data.embedQuery) throw new Error(errors?.[0]?.message ?? 'no answer');
  const target = decodeBase64(data.embedQuery.embeddingBase64);
  return data.embedBatch.embeddingsBase64
    .flatMap((base64, i) =>
      base64 ? [{ document: documents[i]!, similarity: dot(decodeBase64(base64), target) }] : [],
    )
    .sort((a, b) => b.similarity - a.similarity);
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const url = process.argv[2] ?? 'http://127.0.0.1:4000/graphql';
  const documents = ['The cat purrs on the sofa.', 'Shares fell sharply today.', 'Lions hunt at night.'];
  for (const { document, similarity } of await rank(url, documents, 'feline animals')) {
    process.stdout.write(`${similarity.toFixed(3)}  ${document}\n`);
  }
}
