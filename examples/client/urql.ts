// The same with urql: the generated documents are typed for any client. Start a server, then:
//   npx tsx examples/client/urql.ts [http://127.0.0.1:4000/graphql]
import { pathToFileURL } from 'node:url';
import { decodeBase64 } from '@embedql/client';
import { Client, fetchExchange, gql } from '@urql/core';
import { graphql } from './generated/gql.ts';
import type { PairMutation, PairMutationVariables } from './generated/graphql.ts';

const Pair = graphql(`
  mutation Pair($a: String!, $b: String!) {
    a: embed(text: $a) { embeddingBase64 cached cost }
    b: embed(text: $b) { embeddingBase64 cached cost }
  }
`);

/** Two aliases, one provider call. @returns the dot product of the two vectors. */
export async function compare(url: string, a: string, b: string): Promise<number> {
  const client = new Client({ url, exchanges: [fetchExchange] });
  const { data, error } = await client.mutation<PairMutation, PairMutationVariables>(gql(Pair.toString()), {
    a,
    b,
  });
  if (!data?.a || !data.b) throw new Error(error?.message ?? 'no answer');
  const [one, other] = [decodeBase64(data.a.embeddingBase64), decodeBase64(data.b.embeddingBase64)];
  return one.reduce((sum, value, i) => sum + value * other[i]!, 0);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const url = process.argv[2] ?? 'http://127.0.0.1:4000/graphql';
  process.stdout.write(`cat and feline: ${(await compare(url, 'cat', 'feline')).toFixed(3)}\n`);
}
