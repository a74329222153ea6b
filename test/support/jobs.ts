import { setTimeout as sleep } from 'node:timers/promises';
import { vectorFromBase64 } from '../../src/core/vectors.ts';
import { vectorOf } from './provider-server.ts';

/** A server, wherever it runs. */
export interface JobServer {
  url: string;
}

export interface SeenJob {
  id: string;
  status: string;
  model: string;
  total: number;
  done: number;
  cached: number;
  failed: number;
  tokens: number;
  costUsd: number;
  createdAt: string;
  finishedAt: string | null;
  resultUrl: string | null;
  failure: string | null;
}

export interface SeenLine {
  index: number;
  embeddingBase64?: string;
  tokens?: number;
  error?: { code: string; message: string };
}

export const jobFields =
  'id status model total done cached failed tokens costUsd createdAt finishedAt resultUrl failure';

const bearer = (key?: string): Record<string, string> => (key ? { authorization: `Bearer ${key}` } : {});

/** Asks, and gives back data and errors as they are. */
export async function ask(
  { url }: JobServer,
  query: string,
  variables: Record<string, unknown> = {},
  key?: string,
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
): Promise<{ data?: any; errors?: Array<{ message: string; extensions: Record<string, unknown> }> }> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    body: JSON.stringify({ query, variables }),
    headers: { 'content-type': 'application/json', ...bearer(key) },
  });
  return (await response.json()) as Awaited<ReturnType<typeof ask>>;
}

/** Creates a job. @throws where it is refused */
export async function createJob(server: JobServer, input: object, key?: string): Promise<SeenJob> {
  const { data, errors } = await ask(
    server,
    `mutation ($input: EmbeddingJobInput!) { createEmbeddingJob(input: $input) { ${jobFields} } }`,
    { input },
    key,
  );
  if (errors) throw Object.assign(new Error(errors[0]!.message), { code: errors[0]!.extensions['code'] });
  return data.createEmbeddingJob as SeenJob;
}

export async function seeJob(server: JobServer, id: string, key?: string): Promise<SeenJob | null> {
  const { data } = await ask(
    server,
    `query ($id: ID!) { embeddingJob(id: $id) { ${jobFields} } }`,
    { id },
    key,
  );
  return (data?.embeddingJob as SeenJob) ?? null;
}

/** Waits for a job. @param until what it is waited for; default: that it is over */
export async function jobOver(
  server: JobServer,
  id: string,
  key?: string,
  until: (job: SeenJob) => boolean = ({ finishedAt }) => finishedAt !== null,
): Promise<SeenJob> {
  for (;;) {
    const job = await seeJob(server, id, key);
    if (job && until(job)) return job;
    await sleep(50);
  }
}

/** The results that there are. */
export async function resultsOf(
  { url }: JobServer,
  { resultUrl }: SeenJob,
  key?: string,
): Promise<SeenLine[]> {
  const response = await fetch(new URL(resultUrl!, url), { headers: bearer(key) });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`results: ${response.status} ${text}`);
  return linesOf(text);
}

export function linesOf(text: string): SeenLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as SeenLine);
}

/** What is wrong with results, which should be one vector for each text, in order; empty where nothing is. */
export function wrongWith(lines: readonly SeenLine[], texts: readonly string[], dimension = 1_536): string[] {
  const wrong = lines.length === texts.length ? [] : [`${lines.length} lines for ${texts.length} texts`];
  for (const [i, line] of lines.entries()) {
    if (line.index !== i) wrong.push(`line ${i} has index ${line.index}`);
    else if (line.error) wrong.push(`line ${i}: ${line.error.code}: ${line.error.message}`);
    else {
      const vector = vectorFromBase64(line.embeddingBase64!);
      const right = vectorOf(texts[i]!, dimension);
      if (vector.length !== dimension || vector[0] !== right[0] || vector.at(-1) !== right.at(-1))
        wrong.push(`line ${i} has another text's vector`);
    }
    if (wrong.length > 5) break;
  }
  return wrong;
}

/** Sends a file. @returns the answer's status and body */
export async function sendFile(
  { url }: JobServer,
  content: string,
  { key, purpose = 'batch', name = 'texts.jsonl' }: { key?: string; purpose?: string; name?: string } = {},
): Promise<{
  status: number;
  body: { id: string; bytes: number; error?: { message: string } } & Record<string, unknown>;
}> {
  const form = new FormData();
  form.append('purpose', purpose);
  form.append('file', new Blob([content]), name);
  const response = await fetch(`${url}/v1/files`, { method: 'POST', body: form, headers: bearer(key) });
  return { status: response.status, body: (await response.json()) as never };
}
