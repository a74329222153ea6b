// Starts products, EmbedQL and the gateway with one command. EmbedQL must be built: npm ci && npm run build, above.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compose, startGateway } from './gateway.ts';
import { startProducts } from './products.ts';

const embedql = spawn(process.execPath, [fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url))], {
  env: { ...process.env, PORT: '0' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
process.on('exit', () => embedql.kill());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(0));

const embedqlUrl = await new Promise<string>((resolve) => {
  let output = '';
  embedql.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
    const [, url] = /(http:\/\/[\d.:]+\/graphql)/.exec(output) ?? [];
    if (url) resolve(url);
  });
});
const supergraph = await compose({ products: await startProducts(), embedql: embedqlUrl });
const url = await startGateway(supergraph, Number(process.env['GATEWAY_PORT'] ?? 4010));
process.stdout.write(`The gateway is at ${url}. Try:

  { products(first: 50) { name descriptionText { text embedding { dimension cached } } } }
`);
