import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { countTokens } from 'gpt-tokenizer/encoding/cl100k_base';
import { sendJson, vectorOf } from './provider-server.ts';

/** What a service was asked for, as its own API says it. */
export interface VendorRequest {
  model: string;
  texts: string[];
  /** `doc`, `query`, or undefined where the API has no such thing. */
  kind: 'doc' | 'query' | undefined;
  dimension: number;
  /** The limits of this model: texts of a call, tokens of a text and of a call. */
  limits: { texts: number; text: number; call: number };
}

/** A call that was answered. */
export interface VendorCall extends VendorRequest {
  tokens: number;
}

type Body = Record<string, unknown>;

/** Why a service says no, with the status that it documents. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** How one vendor's API reads and writes. */
interface Api {
  /** What the base URL ends with. */
  path: string;
  authorized(request: IncomingMessage): boolean;
  /** @throws Refusal */
  read(path: string, body: Body): VendorRequest;
  /** Its own count. */
  count(text: string): number;
  write(
    vectors: number[][],
    tokens: number,
    request: VendorRequest,
  ): { body: unknown; headers?: Record<string, string> };
  fail(status: number, message: string): unknown;
}

export interface VendorService {
  url: string;
  calls: VendorCall[];
  /** Messages of everything that was refused, but for poison. */
  refused: string[];
  /** A text with this in it is refused. */
  poison: string;
  /** Its own count of a text's tokens. */
  count: (text: string) => number;
  /** Answers the next calls in its own way; true ends them. */
  misbehave: ((response: ServerResponse) => boolean) | undefined;
  billed(): number;
  close(): void;
}

/** The one vector that a text has as what it is. */
export const vectorAs = (kind: 'doc' | 'query' | undefined, text: string, dimension: number): number[] =>
  Array.from(vectorOf(`${kind ?? ''}|${text}`, dimension));

const bearer =
  (key: string) =>
  ({ headers }: IncomingMessage) =>
    headers.authorization === `Bearer ${key}`;

const words = (text: string) => text.split(/\s+/).filter(Boolean).length;

function need<Value>(table: Record<string, Value>, value: unknown, what: string): Value {
  if (typeof value === 'string' && Object.hasOwn(table, value)) return table[value]!;
  throw new Refusal(400, `invalid or missing ${what}: ${String(value)}`);
}

function textsOf(value: unknown): string[] {
  if (Array.isArray(value) && value.every((text) => typeof text === 'string')) return value;
  throw new Refusal(400, 'no list of texts');
}

function known(body: Body, names: readonly string[]): void {
  const unknown = Object.keys(body).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Refusal(422, `extra field: ${unknown}`);
}

/** In another order than they were asked for, with their numbers. */
const shuffled = (vectors: number[][]) =>
  vectors.map((embedding, index) => ({ object: 'embedding', embedding, index })).reverse();

const numberIn = (value: unknown, sizes: readonly number[], otherwise: number): number => {
  if (value === undefined) return otherwise;
  if (sizes.includes(value as number)) return value as number;
  throw new Refusal(400, `invalid dimension: ${String(value)}`);
};

const upTo = (most: number) => Array.from({ length: most }, (_, i) => i + 1);

const apis = {
  cohere: {
    path: '/v2',
    authorized: bearer('cohere-key'),
    read(path, body) {
      if (path !== '/embed') throw new Refusal(404, 'no such route');
      known(body, ['model', 'texts', 'input_type', 'embedding_types', 'truncate', 'output_dimension']);
      const isV4 = need({ 'embed-v4.0': true, 'embed-english-v3.0': false }, body['model'], 'model');
      if (!isV4 && body['output_dimension'] !== undefined)
        throw new Refusal(400, 'output_dimension is not supported');
      return {
        model: String(body['model']),
        texts: textsOf(body['texts']),
        kind: need({ search_document: 'doc', search_query: 'query' }, body['input_type'], 'input_type'),
        dimension: isV4 ? numberIn(body['output_dimension'], [256, 512, 1_024, 1_536], 1_536) : 1_024,
        limits: { texts: 96, text: isV4 ? 128_000 : 512, call: 128_000 },
      };
    },
    count: (text) => Math.ceil(Buffer.byteLength(text) / 4),
    write: (float, tokens) => ({
      body: { embeddings: { float }, meta: { billed_units: { input_tokens: tokens } } },
    }),
    fail: (_status, message) => ({ message }),
  },
  voyage: {
    path: '/v1',
    authorized: bearer('voyage-key'),
    read(path, body) {
      if (path !== '/embeddings') throw new Refusal(404, 'no such route');
      known(body, ['model', 'input', 'input_type', 'truncation', 'output_dimension', 'output_dtype']);
      const call = need({ 'voyage-4': 320_000, 'voyage-4-large': 120_000 }, body['model'], 'model');
      return {
        model: String(body['model']),
        texts: textsOf(body['input']),
        kind: need({ document: 'doc', query: 'query' }, body['input_type'], 'input_type'),
        dimension: numberIn(body['output_dimension'], [256, 512, 1_024, 2_048], 1_024),
        limits: { texts: 128, text: 32_000, call },
      };
    },
    // Its prompt counts, too.
    count: (text) => words(text) + 9,
    write: (vectors, tokens) => ({ body: { data: shuffled(vectors), usage: { total_tokens: tokens } } }),
    fail: (_status, detail) => ({ detail }),
  },
  google: {
    path: '/v1beta',
    authorized: ({ headers }) => headers['x-goog-api-key'] === 'google-key',
    read(path, body) {
      const [, model, method] = /^\/models\/([\w.-]+):(\w+)$/.exec(path) ?? [];
      const first = need({ 'gemini-embedding-001': true, 'gemini-embedding-2': false }, model, 'model');
      const requests = (method === 'embedContent' ? [body] : body['requests']) as Body[];
      const [one] = requests;
      for (const request of requests) {
        known(request, ['model', 'content', 'taskType', 'outputDimensionality']);
        if (request['taskType'] !== one!['taskType']) throw new Refusal(400, 'mixed task types');
      }
      if (!first && one!['taskType'] !== undefined) throw new Refusal(400, 'task_type is not supported');
      const kinds = { RETRIEVAL_DOCUMENT: 'doc', RETRIEVAL_QUERY: 'query' } as const;
      return {
        model: model!,
        texts: requests.map(({ content }) => (content as { parts: [{ text: string }] }).parts[0].text),
        kind: first ? need(kinds, one!['taskType'], 'taskType') : undefined,
        dimension: numberIn(one!['outputDimensionality'], upTo(3_072), 3_072),
        limits: { texts: 100, text: first ? 2_048 : 8_192, call: Number.POSITIVE_INFINITY },
      };
    },
    count: (text) => countTokens(text, { disallowedSpecial: new Set() }),
    write: (vectors, _tokens, { texts }) => {
      const embeddings = vectors.map((values) => ({ values }));
      return { body: texts.length === 1 ? { embedding: embeddings[0] } : { embeddings } };
    },
    fail: (status, message) => ({
      error: {
        code: status === 401 ? 400 : status,
        message,
        status: 'INVALID_ARGUMENT',
        details: [
          ...(status === 401 ? [{ '@type': 'ErrorInfo', reason: 'API_KEY_INVALID' }] : []),
          ...(status === 429 ? [{ '@type': 'RetryInfo', retryDelay: '3s' }] : []),
        ],
      },
    }),
  },
  mistral: {
    path: '/v1',
    authorized: bearer('mistral-key'),
    read(path, body) {
      if (path !== '/embeddings') throw new Refusal(404, 'no such route');
      known(body, ['model', 'input', 'encoding_format']);
      need({ 'mistral-embed': true }, body['model'], 'model');
      return {
        model: 'mistral-embed',
        texts: textsOf(body['input']),
        kind: undefined,
        dimension: 1_024,
        limits: { texts: 32, text: 8_192, call: 16_384 },
      };
    },
    count: (text) => words(text) + 2,
    write: (vectors, tokens) => ({ body: { data: shuffled(vectors), usage: { prompt_tokens: tokens } } }),
    fail: (_status, message) => ({
      object: 'error',
      message,
      type: 'invalid_request_error',
      param: null,
      code: '3210',
    }),
  },
  azure: {
    path: '/openai',
    authorized: ({ headers }) => headers['api-key'] === 'azure-key',
    read(path, body) {
      if (path !== '/embeddings') throw new Refusal(404, 'no such route');
      known(body, ['model', 'input', 'encoding_format', 'dimensions']);
      need({ 'my-deployment': true }, body['model'], 'deployment');
      return {
        model: 'my-deployment',
        texts: textsOf(body['input']),
        kind: undefined,
        dimension: numberIn(body['dimensions'], upTo(3_072), 3_072),
        limits: { texts: 2_048, text: 8_191, call: 300_000 },
      };
    },
    count: (text) => countTokens(text, { disallowedSpecial: new Set() }),
    write: (vectors, tokens) => ({ body: { data: shuffled(vectors), usage: { prompt_tokens: tokens } } }),
    fail: (_status, message) => ({ error: { message, code: '400' } }),
  },
  bedrock: {
    path: '',
    authorized: ({ headers }) =>
      headers.authorization === 'Bearer bedrock-key' ||
      /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-west-1\/bedrock\//.test(headers.authorization ?? ''),
    read(path, body) {
      const model = decodeURIComponent(/^\/model\/([^/]+)\/invoke$/.exec(path)?.[1] ?? '');
      if (model.startsWith('cohere.')) {
        const isV4 = need({ 'cohere.embed-v4:0': true, 'cohere.embed-english-v3': false }, model, 'model');
        known(body, ['input_type', 'texts', 'truncate', ...(isV4 ? ['output_dimension'] : [])]);
        const texts = textsOf(body['texts']);
        if (!isV4 && texts.some((text) => text.length > 2_048))
          throw new Refusal(400, 'over 2048 characters');
        return {
          ...{ model, texts },
          kind: need({ search_document: 'doc', search_query: 'query' }, body['input_type'], 'input_type'),
          dimension: isV4 ? numberIn(body['output_dimension'], [256, 512, 1_024, 1_536], 1_536) : 1_024,
          limits: { texts: 96, text: isV4 ? 128_000 : 512, call: 128_000 },
        };
      }
      const limits = { texts: 1, text: 8_172, call: 8_172 };
      if (model === 'amazon.titan-embed-text-v2:0') {
        known(body, ['inputText', 'dimensions', 'normalize']);
        const dimension = numberIn(body['dimensions'], [256, 512, 1_024], 1_024);
        return { model, texts: textsOf([body['inputText']]), kind: undefined, dimension, limits };
      }
      if (model !== 'amazon.nova-2-multimodal-embeddings-v1:0') throw new Refusal(404, 'no such model');
      const { embeddingPurpose, embeddingDimension, text } = body['singleEmbeddingParams'] as {
        embeddingPurpose: string;
        embeddingDimension: number;
        text: { value: string };
      };
      return {
        model,
        texts: textsOf([text.value]),
        kind: need({ GENERIC_INDEX: 'doc', TEXT_RETRIEVAL: 'query' }, embeddingPurpose, 'embeddingPurpose'),
        dimension: numberIn(embeddingDimension, [256, 384, 1_024, 3_072], 3_072),
        limits,
      };
    },
    count: (text) => Math.ceil(Buffer.byteLength(text) / 5),
    write: (vectors, tokens, { model }) => {
      if (model.includes('titan')) return { body: { embedding: vectors[0], inputTextTokenCount: tokens } };
      if (model.includes('nova'))
        return {
          body: { embeddings: [{ embeddingType: 'TEXT', embedding: vectors[0] }], inputTokenCount: tokens },
        };
      const headers = { 'x-amzn-bedrock-input-token-count': String(tokens) };
      return { body: { embeddings: model.includes('v4') ? { float: vectors } : vectors }, headers };
    },
    fail: (_status, message) => ({ message }),
  },
} as const satisfies Record<string, Api>;

export type VendorName = keyof typeof apis;

/** A local HTTP server that answers as a vendor documents: it refuses what they refuse, and bills by its own count. */
export async function startVendor(name: VendorName): Promise<VendorService> {
  const api: Api = apis[name];
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (service.misbehave?.(response)) return;
    const fail = (status: number, message: string) =>
      sendJson(response, status === 401 && name === 'google' ? 400 : status, api.fail(status, message));
    if (!api.authorized(request)) return fail(401, 'wrong key');
    const { pathname } = new URL(request.url!, 'http://localhost');
    try {
      if (!pathname.startsWith(api.path)) throw new Refusal(404, 'no such route');
      const asked = api.read(
        pathname.slice(api.path.length),
        JSON.parse(Buffer.concat(chunks).toString()) as Body,
      );
      if (asked.texts.some((text) => text.includes(service.poison)))
        return fail(400, `I do not like: ${asked.texts.join(' ')}`);
      const { limits, texts } = asked;
      if (texts.length < 1 || texts.length > limits.texts) throw new Refusal(400, `${texts.length} texts`);
      const counts = texts.map((text) => service.count(text));
      const tokens = counts.reduce((sum, count) => sum + count, 0);
      if (Math.max(...counts) > limits.text)
        throw new Refusal(400, `a text of ${Math.max(...counts)} tokens`);
      if (tokens > limits.call) throw new Refusal(400, `${tokens} tokens in a call`);
      service.calls.push({ ...asked, tokens });
      const vectors = texts.map((text) => vectorAs(asked.kind, text, asked.dimension));
      const { body, headers } = api.write(vectors, tokens, asked);
      return sendJson(response, 200, body, headers);
    } catch (error) {
      const { status, message } = error instanceof Refusal ? error : new Refusal(500, String(error));
      service.refused.push(message);
      return fail(status, message);
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const service: VendorService = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${api.path}`,
    calls: [],
    refused: [],
    poison: '☠',
    count: api.count,
    misbehave: undefined,
    billed: () => service.calls.reduce((sum, { tokens }) => sum + tokens, 0),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return service;
}

/** The keys that the services take. */
export const vendorKeys = {
  COHERE_API_KEY: 'cohere-key',
  VOYAGE_API_KEY: 'voyage-key',
  GOOGLE_GENERATIVE_AI_API_KEY: 'google-key',
  MISTRAL_API_KEY: 'mistral-key',
  AZURE_API_KEY: 'azure-key',
  AWS_BEARER_TOKEN_BEDROCK: 'bedrock-key',
  AWS_REGION: 'eu-west-1',
};
