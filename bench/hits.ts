// What hits cost, against the least that they could cost.
//   npm run bench:hits
// Big: 100 cached vectors of 1,536 numbers in one embedBatch, in every form, against node:http writing the same bytes from
// memory.
// Many: operations a second with one cached embed, and with 100 aliases, under autocannon, against bare Yoga answering
// `{ __typename }`.
// Doors: the processor's time that a hit takes through GraphQL, against the same hit through /v1.
import autocannon from 'autocannon';
import { post } from './http-client.ts';
import { load } from './load.ts';
import { metric, startBareYoga, startBenchProvider, startScript, startServer } from './processes.ts';
import { machine, median, milliseconds, print, table } from './report.ts';

const rounds = 200;
/** Requests before it counts: V8 goes on compiling for about so many. */
const warmups = 1_500;
const seconds = Number(process.argv[2] ?? 4);
const texts = Array.from({ length: 100 }, (_, i) => `cached text ${i}`);

const provider = await startBenchProvider(0);
const server = await startServer(provider.env);
const [bare] = await startScript('bare-http.ts', [], /http:\/\/[\d.:]+/);
const bareYoga = await startBareYoga();

print(machine());
await big();
await many();
await doors();
process.exit(0);

async function big(): Promise<void> {
  const graphql = (field: string) =>
    JSON.stringify({
      query: `mutation($texts: [String!]!) { embedBatch(texts: $texts) { ${field} } }`,
      variables: { texts },
    });
  const openai = (encoding_format: string, output_dtype?: string) =>
    JSON.stringify({ input: texts, encoding_format, output_dtype });
  const rows: string[][] = [];
  for (const [name, path, body] of [
    ['embedBatch, numbers', '/graphql', graphql('embeddings')],
    ['embedBatch, base64', '/graphql', graphql('embeddingsBase64')],
    ['embedBatch, int8', '/graphql', graphql('embeddingsInt8')],
    ['embedBatch, binary', '/graphql', graphql('embeddingsBinary')],
    ['/v1/embeddings, numbers', '/v1/embeddings', openai('float')],
    ['/v1/embeddings, base64', '/v1/embeddings', openai('base64')],
    ['/v1/embeddings, int8 in base64', '/v1/embeddings', openai('base64', 'int8')],
    ['/v1/embeddings, binary in base64', '/v1/embeddings', openai('base64', 'binary')],
  ] as const) {
    const bytes = await post(server + path, body);
    await post(`${bare}/set`, bytes);
    const ours = () => milliseconds(() => post(server + path, body));
    const floor = () => milliseconds(() => post(`${bare}/`, body));
    for (let warm = 0; warm < warmups; warm++) await Promise.all([ours(), floor()]);
    const times: Array<[number, number]> = [];
    for (let round = 0; round < rounds; round++) times.push([await ours(), await floor()]);
    const [a, b] = await Promise.all([
      median(rounds, async (i) => times[i]![0]),
      median(rounds, async (i) => times[i]![1]),
    ]);
    rows.push([name, String(bytes.length), b.toFixed(2), a.toFixed(2), `${(a / b).toFixed(2)}×`]);
  }
  print(`\n100 cached vectors of 1,536 numbers, median of ${rounds}`);
  table(['', 'bytes', 'node:http, ms', 'ours, ms', 'ratio'], rows);
}

async function many(): Promise<void> {
  const one = (selection: string) =>
    JSON.stringify({
      query: `mutation($t: String!) { embed(text: $t) { ${selection} } }`,
      variables: { t: texts[0] },
    });
  const aliases = (selection: string) => {
    const declared = texts.map((_, i) => `$t${i}: String!`).join(' ');
    const fields = texts.map((_, i) => `a${i}: embed(text: $t${i}) { ${selection} }`).join(' ');
    const variables = Object.fromEntries(texts.map((text, i) => [`t${i}`, text]));
    return JSON.stringify({ query: `mutation(${declared}) { ${fields} }`, variables });
  };
  const yoga = `${bareYoga}/graphql`;
  const rows: Array<{ name: string; url: string; body: string; aliases: number }> = [
    {
      name: 'bare Yoga, { __typename }',
      url: yoga,
      body: JSON.stringify({ query: '{ __typename }' }),
      aliases: 1,
    },
    { name: 'one embed, cached and cost', url: `${server}/graphql`, body: one('cached cost'), aliases: 1 },
    { name: 'one embed, base64', url: `${server}/graphql`, body: one('embeddingBase64'), aliases: 1 },
    { name: 'one embed, int8', url: `${server}/graphql`, body: one('embeddingInt8'), aliases: 1 },
    { name: 'one embed, binary', url: `${server}/graphql`, body: one('embeddingBinary'), aliases: 1 },
    { name: 'one embed, numbers', url: `${server}/graphql`, body: one('embedding'), aliases: 1 },
    {
      name: '100 aliases, cached and cost',
      url: `${server}/graphql`,
      body: aliases('cached cost'),
      aliases: 100,
    },
    { name: '100 aliases, base64', url: `${server}/graphql`, body: aliases('embeddingBase64'), aliases: 100 },
    { name: '100 aliases, numbers', url: `${server}/graphql`, body: aliases('embedding'), aliases: 100 },
  ];
  const rates: number[][] = rows.map(() => []);
  // Round by round, so that a noisy minute is everybody's.
  for (let round = 0; round < 3; round++)
    for (const [i, { url, body }] of rows.entries()) rates[i]!.push(await rate(url, body));
  const middle = rates.map((each) => each.sort((a, b) => a - b)[1]!);
  print(`\noperations a second, 10 connections, median of 3 rounds of ${seconds} s`);
  table(
    ['', 'a second', 'of bare Yoga', 'µs an alias'],
    rows.map(({ name, aliases: count }, i) => [
      name,
      middle[i]!.toFixed(0),
      (middle[i]! / middle[0]!).toFixed(2),
      (1e6 / middle[i]! / count).toFixed(1),
    ]),
  );
}

async function doors(): Promise<void> {
  const graphql = (selection: string) =>
    JSON.stringify({
      query: `mutation($t: String!) { embed(text: $t) { ${selection} } }`,
      variables: { t: texts[0] },
    });
  const openai = (encoding_format: string) => JSON.stringify({ input: texts[0], encoding_format });
  const rows = [
    { name: '/v1, base64', path: '/v1/embeddings', body: openai('base64') },
    { name: 'GraphQL, base64', path: '/graphql', body: graphql('embeddingBase64') },
    { name: 'GraphQL, cached and cost', path: '/graphql', body: graphql('cached cost') },
    { name: '/v1, numbers', path: '/v1/embeddings', body: openai('float') },
    { name: 'GraphQL, numbers', path: '/graphql', body: graphql('embedding') },
  ];
  const costs: number[][] = rows.map(() => []);
  for (let round = 0; round < 5; round++)
    for (const [i, { path, body }] of rows.entries()) {
      const before = await metric(server, 'process_cpu_seconds_total');
      const { answered } = await load(server + path, 10, seconds / 2, () => body);
      costs[i]!.push(((await metric(server, 'process_cpu_seconds_total')) - before) / answered);
    }
  const middle = costs.map((each) => each.sort((a, b) => a - b)[2]!);
  print(`\nprocessor of the server a hit, 10 connections, median of 5 rounds of ${seconds / 2} s`);
  table(
    ['', 'µs', 'of the same through /v1'],
    rows.map(({ name }, i) => [
      name,
      (1e6 * middle[i]!).toFixed(0),
      (middle[i]! / middle[name.endsWith('numbers') ? 3 : 0]!).toFixed(2),
    ]),
  );
}

async function rate(url: string, body: string): Promise<number> {
  const result = await autocannon({
    url,
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' },
    connections: 10,
    duration: seconds,
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${result.non2xx} refused, ${result.errors} failed`);
  return result.requests.average;
}
