/** Operations that run as they are; each opens in a tab of its own. Lines of comments fit beside the toolbar. */
export const exampleOperations = [
  {
    query: `# One text, one embedding. Run it twice:
# the second time it comes from the cache.
mutation OneText {
  embed(text: "The cat sat on the mat.") {
    model
    cached
    tokens
    cost
    dimension
    embedding
  }
}
`,
  },
  {
    query: `# As many fields as you like: together they
# take one provider call for each full batch.
mutation ManyAliases {
  cat: embed(text: "cat") { ...Facts }
  feline: embed(text: "feline") { ...Facts }
  catAgain: embed(text: "cat") { ...Facts }
  stocks: embed(text: "stock market") { ...Facts }
}

fragment Facts on Embedding {
  dimension
  cached
  tokens
  cost
}
`,
  },
  {
    query: `# A list of texts. The empty one fails alone.
# embeddingsBase64 has float32; embeddingsInt8
# and embeddingsBinary are a 4th and a 32nd of it.
mutation Batch($texts: [String!]!) {
  embedBatch(texts: $texts) {
    totalEmbeddings
    cachedCount
    totalTokens
    totalCost
    failures { index code message }
    embeddingsBinary
  }
}
`,
    variables: variables({ texts: ['red', 'green', 'blue', ''] }),
  },
  {
    query: `# Some models embed a question differently from
# the texts that may answer it. Both kinds travel
# in as few provider calls as the model allows.
mutation QueryAndDocuments($texts: [String!]!) {
  question: embedQuery(query: "What purrs?") {
    tokens
    embeddingBinary
  }
  documents: embedBatch(texts: $texts, kind: DOCUMENT) {
    totalTokens
    embeddingsBinary
  }
}
`,
    variables: variables({ texts: ['The cat sat on the mat.', 'Shares fell sharply today.'] }),
  },
  {
    query: `# The texts that are closest to a question,
# the closest first.
query Nearest($texts: [String!]!) {
  nearest(query: "Where does the cat sleep?", texts: $texts, k: 3) {
    similarity
    text
  }
  similarity(a: "cat", b: "kitten")
}
`,
    variables: variables({
      texts: [
        'A kitten sleeps in the sun.',
        'The cat sat on the mat.',
        'Lions hunt at night.',
        'Shares fell sharply today.',
      ],
    }),
  },
  {
    query: `# What texts would cost, before anything is paid.
# Without a price (null) the model's is not known.
query Estimate($texts: [String!]!) {
  estimate(texts: $texts) {
    texts
    distinct
    empty
    cached
    tokens
    costUsd
    costUsdWithinDay
  }
}
`,
    variables: variables({ texts: ['red', 'green', 'blue', 'red', ''] }),
  },
  {
    query: `# A long list, answered in parts as they are done.
subscription Stream($texts: [String!]!) {
  embedStream(texts: $texts) {
    done
    total
    embeddings {
      index
      embedding { tokens cached }
    }
    failures { index code }
  }
}
`,
    variables: variables({ texts: ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday'] }),
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

function variables(values: Record<string, unknown>): string {
  return JSON.stringify(values, null, 2);
}
