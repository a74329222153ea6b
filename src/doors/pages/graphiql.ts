import { createHash } from 'node:crypto';
import type { GraphiQLOptions } from 'graphql-yoga';
import type { Handler } from '../../http/route.ts';

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

const graphiqlOptions: GraphiQLOptions = {
  title: 'EmbedQL',
  defaultTabs,
  defaultQuery: defaultTabs[0]!.query,
  defaultEditorToolsVisibility: true,
};

/**
 * GraphiQL from the package, so that it works without the internet: one page with everything in it, made once. Only the
 * scripts that are in it may run, and it may talk only to this server.
 */
export function createGraphiQLPage(): Handler {
  let page: Promise<Page> | undefined;
  return async (_request, response) => {
    page ??= renderPage();
    const { html, headers } = await page;
    response.writeHead(200, headers).end(html);
  };
}

interface Page {
  html: Buffer;
  headers: Record<string, string | number>;
}

async function renderPage(): Promise<Page> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const text = String(renderGraphiQL(graphiqlOptions));
  const scripts = scriptsOf(text).map(
    (script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  );
  const html = Buffer.from(text);
  return {
    html,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-length': html.length,
      'cache-control': 'no-cache',
      // The editor writes its styles into the page, and runs its workers from blobs.
      'content-security-policy':
        `default-src 'none'; script-src ${scripts.join(' ')}; style-src 'unsafe-inline'; img-src data:; ` +
        "font-src data:; worker-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  };
}

/** What stands between the tags of each script. Scripts speak of such tags themselves: what is inside of one is passed over. */
function scriptsOf(html: string): string[] {
  const scripts: string[] = [];
  for (let tag = html.indexOf('<script'); tag >= 0; ) {
    const start = html.indexOf('>', tag) + 1;
    const end = html.indexOf('</script>', start);
    scripts.push(html.slice(start, end));
    tag = html.indexOf('<script', end);
  }
  return scripts;
}
