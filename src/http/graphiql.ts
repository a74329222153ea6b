import type { GraphiQLOptions } from 'graphql-yoga';

/** Operations that run as they are; each opens in a tab of its own. */
const defaultTabs = [
  {
    query: `# One text, one embedding. Run it twice: the second time it comes out of the cache.
mutation OneText {
  embed(text: "The cat sat on the mat.") {
    embedding
    dimension
    model
    cached
    cost
    tokens
  }
}
`,
  },
  {
    query: `# As many fields as you like: together they take one provider call for every full batch.
mutation ManyAliases {
  cat: embed(text: "cat") { ...Facts }
  feline: embed(text: "feline") { ...Facts }
  stocks: embed(text: "stock market") { ...Facts }
  question: embedQuery(query: "Which animals purr?") { ...Facts }
}

fragment Facts on Embedding {
  embedding
  cached
  tokens
}
`,
  },
  {
    query: `# A list of texts in one field. The empty one fails alone.
mutation Batch($texts: [String!]!) {
  embedBatch(texts: $texts) {
    embeddingsBase64
    totalEmbeddings
    cachedCount
    totalCost
    totalTokens
    failures { index code message }
  }
}
`,
    variables: JSON.stringify({ texts: ['red', 'green', 'blue', ''] }, null, 2),
  },
  {
    query: `# What there is, and what it has cost so far.
query ModelsAndMetrics {
  models {
    name
    provider
    dimension
    costPer1kTokens
    available
    loaded
    isDefault
  }
  metrics {
    totalEmbeddingsGenerated
    cacheHitRate
    totalCostUsd
    costSavedUsd
    providerCalls
    averageBatchSize
  }
  health {
    status
    cacheBackend
  }
}
`,
  },
];

export const graphiqlOptions: GraphiQLOptions = {
  title: 'EmbedQL',
  defaultTabs,
  defaultQuery: defaultTabs[0]!.query,
  defaultEditorToolsVisibility: true,
};

/** Renders GraphiQL from the package, so that the page works without the internet. The page is made once. */
export function createGraphiQLRenderer(): (options: GraphiQLOptions) => Promise<string> {
  let page: Promise<string> | undefined;
  return (options) => {
    page ??= import('@graphql-yoga/render-graphiql').then(({ renderGraphiQL }) =>
      String(renderGraphiQL(options)),
    );
    return page;
  };
}
