import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { countTokens } from 'gpt-tokenizer/encoding/cl100k_base';
import { vectorToBase64 } from '../../src/core/vectors.ts';

/** A call as the provider saw it. */
export interface SeenCall {
  model: string;
  input: string[];
  authorization: string | undefined;
  /** Tokens that were billed; 0 where the call was refused. */
  billedTokens: number;
}

/** Answers a call in its own way; false lets the ordinary answer go ahead. */
export type Misbehave = (
  call: SeenCall,
  response: ServerResponse,
  count: number,
) => boolean | Promise<boolean>;

export interface ProviderServer {
  /** With `/v1`, as OPENAI_BASE_URL wants it. */
  url: string;
  calls: SeenCall[];
  /** What to do to the next calls instead of answering them. */
  misbehave: Misbehave | undefined;
  /** What answers other paths; false where it does not. */
  elsewhere:
    | ((request: IncomingMessage, body: Buffer, response: ServerResponse) => boolean | Promise<boolean>)
    | undefined;
  /** Milliseconds that every call takes. */
  delayMs: number;
  /** A text with this in it makes the provider refuse the whole call, as OpenAI does. */
  poison: string;
  /** The environment that points a server here. */
  env: Record<string, string>;
  billedTokens(): number;
  forget(): void;
  close(): Promise<void>;
}

export const testKey = 'sk-test-0123456789';

const dimensions: Record<string, number> = {
  'text-embedding-3-small': 1_536,
  'text-embedding-3-large': 3_072,
  'text-embedding-ada-002': 1_536,
};

/** The one vector that a text has, whoever asks: unit length, made from the text's hash. */
export function vectorOf(text: string, dimension = 1_536): Float32Array {
  let state = createHash('sha256').update(text).digest().readUInt32LE(0) || 1;
  const vector = new Float32Array(dimension);
  let squares = 0;
  for (let i = 0; i < dimension; i++) {
    // xorshift32: small, and the same everywhere.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    vector[i] = state / 2 ** 31;
    squares += vector[i]! ** 2;
  }
  const norm = Math.sqrt(squares);
  return vector.map((value) => value / norm);
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** An error in OpenAI's shape. The message repeats what was sent, as real ones do. */
export function sendFailure(
  response: ServerResponse,
  status: number,
  options: { code?: string; param?: string; echo?: string; headers?: Record<string, string> } = {},
): void {
  const { code = null, param = null, echo = '', headers } = options;
  const error = { message: `Failed ${echo}`, type: code ?? 'server_error', param, code };
  sendJson(response, status, { error }, headers);
}

/** A local HTTP server that answers `POST /v1/embeddings` as OpenAI does, and counts. */
export async function startProvider(options: { delayMs?: number } = {}): Promise<ProviderServer> {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (
      request.url !== '/v1/embeddings' &&
      (await provider.elsewhere?.(request, Buffer.concat(chunks), response))
    )
      return;
    if (request.method !== 'POST' || request.url !== '/v1/embeddings') return sendFailure(response, 404);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as {
      model: string;
      input: string | string[];
      encoding_format?: string;
    };
    const input = typeof body.input === 'string' ? [body.input] : body.input;
    const call: SeenCall = {
      model: body.model,
      input,
      authorization: request.headers.authorization,
      billedTokens: 0,
    };
    provider.calls.push(call);
    if (provider.delayMs > 0) await sleep(provider.delayMs);
    if (await provider.misbehave?.(call, response, provider.calls.length)) return;
    if (call.authorization !== `Bearer ${testKey}`) {
      return sendFailure(response, 401, { code: 'invalid_api_key', echo: call.authorization ?? '' });
    }
    const dimension = dimensions[body.model];
    if (dimension === undefined)
      return sendFailure(response, 404, { code: 'model_not_found', param: 'model' });
    const tokens = input.map((text) => countTokens(text, { disallowedSpecial: new Set() }));
    const total = tokens.reduce((a, b) => a + b, 0);
    if (
      input.length > 2_048 ||
      total > 300_000 ||
      input.some((text, i) => text === '' || text.includes(provider.poison) || tokens[i]! > 8_191)
    ) {
      return sendFailure(response, 400, {
        code: 'invalid_request_error',
        param: 'input',
        echo: input.join(' '),
      });
    }
    call.billedTokens = total;
    const data = input.map((text, index) => {
      const vector = vectorOf(text, dimension);
      const embedding = body.encoding_format === 'base64' ? vectorToBase64(vector) : Array.from(vector);
      return { object: 'embedding', index, embedding };
    });
    const usage = { prompt_tokens: total, total_tokens: total };
    const headers = { 'x-request-id': `req_${provider.calls.length}` };
    sendJson(response, 200, { object: 'list', model: body.model, data, usage }, headers);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const provider: ProviderServer = {
    url,
    calls: [],
    misbehave: undefined,
    elsewhere: undefined,
    delayMs: options.delayMs ?? 0,
    poison: '☠',
    env: { OPENAI_API_KEY: testKey, OPENAI_BASE_URL: url },
    billedTokens: () => provider.calls.reduce((sum, call) => sum + call.billedTokens, 0),
    forget: () => {
      provider.calls.length = 0;
      provider.misbehave = undefined;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return provider;
}
