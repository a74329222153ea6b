import type { TypedDocumentString } from './generated/graphql.ts';

/** What a GraphQL server answers. */
export interface Answer<Result> {
  data?: Result | null;
  errors?: ReadonlyArray<{
    message: string;
    path?: ReadonlyArray<string | number>;
    extensions?: Record<string, unknown>;
  }>;
}

/** Runs a typed operation: the result and the variables have the types that the schema gives them. */
export async function execute<Result, Variables>(
  url: string,
  operation: TypedDocumentString<Result, Variables>,
  ...[variables]: Variables extends Record<string, never> ? [] : [Variables]
): Promise<Answer<Result>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query: operation.toString(), variables }),
  });
  return (await response.json()) as Answer<Result>;
}
