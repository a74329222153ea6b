import type { IncomingMessage, ServerResponse } from 'node:http';
import { countTokens } from 'gpt-tokenizer/encoding/cl100k_base';
import { vectorToBase64 } from '../../src/core/vectors.ts';
import { type ProviderServer, sendFailure, sendJson, vectorOf } from './provider-server.ts';

/** How a batch goes. */
export interface BatchCourse {
  /** Looks at it in each state before the next. Default: one, and none at `finalizing`. */
  validating?: number;
  in_progress?: number;
  finalizing?: number;
  /** Default: `completed`. */
  ends?: 'completed' | 'expired' | 'failed' | 'cancelled';
  /**
   * What becomes of a line: its vector, an HTTP status, no line at all, or two. Of a batch that does not complete, lines that
   * are `unfinished` are in no output. Default: its vector.
   */
  line?(text: string, place: number): 'ok' | 'missing' | 'twice' | 'unfinished' | number;
  /** Default: false. */
  isShuffled?: boolean;
}

interface Request {
  custom_id: string;
  body: { model: string; input: string; encoding_format?: string };
}

export interface SeenBatch {
  id: string;
  input_file_id: string;
  metadata: Record<string, string>;
  requests: Request[];
  course: BatchCourse;
  status: string;
  looks: number;
  created_at: number;
  output_file_id: string | null;
  error_file_id: string | null;
  /** Tokens that were billed, once it has ended. */
  billedTokens: number;
  /** Texts that were billed. */
  billed: string[];
}

/** The part of OpenAI's API that has files and batches, in front of a provider. */
export interface BatchServer {
  batches: SeenBatch[];
  files: Map<string, string>;
  /** How the next batches go, by their number from 0. */
  course: (number: number) => BatchCourse;
  /** Refuses a call, or breaks it off: `before` it has an effect, or `after`. */
  fault: (call: string, count: number) => 'before' | 'after' | number | undefined;
  billedTokens(): number;
  /** Texts that batches have billed. */
  billed(): string[];
  forget(): void;
}

const states = ['validating', 'in_progress', 'finalizing'] as const;

/** Puts files and batches in front of a provider. Every call is answered as OpenAI's reference describes it. */
export function attachBatches(provider: ProviderServer): BatchServer {
  let ids = 0;
  let calls = 0;
  const server: BatchServer = {
    batches: [],
    files: new Map(),
    course: () => ({}),
    fault: () => undefined,
    billedTokens: () => server.batches.reduce((sum, { billedTokens }) => sum + billedTokens, 0),
    billed: () => server.batches.flatMap(({ billed }) => billed),
    forget() {
      server.batches.length = 0;
      server.files.clear();
      server.course = () => ({});
      server.fault = () => undefined;
    },
  };
  const nextId = (prefix: string) => `${prefix}${(ids++).toString(36).padStart(6, '0')}`;

  provider.elsewhere = (request, body, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const [, , kind, id, part] = url.pathname.split('/');
    if (kind !== 'files' && kind !== 'batches') return false;
    const call = `${request.method} ${kind}${id ? '/id' : ''}${part ? `/${part}` : ''}`;
    calls += 1;
    const fault = server.fault(call, calls);
    if (typeof fault === 'number') {
      sendFailure(response, fault, { echo: 'a secret of the provider' });
      return true;
    }
    if (fault === 'before') {
      response.destroy();
      return true;
    }
    const silent = fault === 'after';
    const answer = (status: number, value: unknown) => {
      if (silent) response.destroy();
      else sendJson(response, status, value);
    };
    if (kind === 'files') answerFiles(request, id, part, body, answer, silent, response);
    else answerBatches(request, url, id, part, body, answer);
    return true;
  };

  function answerFiles(
    { method, headers }: IncomingMessage,
    id: string | undefined,
    part: string | undefined,
    body: Buffer,
    answer: (status: number, value: unknown) => void,
    silent: boolean,
    response: ServerResponse,
  ): unknown {
    if (method === 'POST') {
      const [, boundary] = /boundary=(.+)$/.exec(headers['content-type'] ?? '') ?? [];
      const parts = body.toString().split(`--${boundary}`);
      const file = parts.find((one) => /name="file"/.test(one)) ?? '';
      const fileId = nextId('file-');
      server.files.set(fileId, file.slice(file.indexOf('\r\n\r\n') + 4, -2));
      return answer(200, { id: fileId, object: 'file', purpose: 'batch' });
    }
    const content = id === undefined ? undefined : server.files.get(id);
    if (content === undefined) return answer(404, { error: { message: 'no such file', code: null } });
    if (method === 'DELETE') {
      server.files.delete(id!);
      return answer(200, { id, deleted: true });
    }
    if (part !== 'content') return answer(200, { id, object: 'file' });
    if (silent) {
      // Half of it, and then the connection is gone.
      response.writeHead(200, { 'content-length': Buffer.byteLength(content) });
      response.write(content.slice(0, content.length / 2));
      setTimeout(() => response.destroy(), 20);
      return undefined;
    }
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.end(content);
    return undefined;
  }

  function answerBatches(
    { method }: IncomingMessage,
    { searchParams }: URL,
    id: string | undefined,
    part: string | undefined,
    body: Buffer,
    answer: (status: number, value: unknown) => void,
  ): unknown {
    if (method === 'POST' && id === undefined) {
      const { input_file_id, metadata } = JSON.parse(body.toString()) as SeenBatch;
      const input = server.files.get(input_file_id);
      if (input === undefined) return answer(400, { error: { message: 'no such file', code: null } });
      const batch: SeenBatch = {
        id: nextId('batch_'),
        input_file_id,
        metadata: metadata ?? {},
        requests: input
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Request),
        course: server.course(server.batches.length),
        status: 'validating',
        looks: 0,
        created_at: Math.floor(Date.now() / 1_000),
        output_file_id: null,
        error_file_id: null,
        billedTokens: 0,
        billed: [],
      };
      server.batches.push(batch);
      return answer(200, show(batch));
    }
    if (id === undefined) {
      // A page has two, so that turning pages is tested.
      const newest = server.batches.toReversed();
      const after = searchParams.get('after');
      const from = after === null ? 0 : newest.findIndex((one) => one.id === after) + 1;
      const data = newest.slice(from, from + 2).map(show);
      return answer(200, {
        object: 'list',
        data,
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        has_more: from + 2 < newest.length,
      });
    }
    const batch = server.batches.find((one) => one.id === id);
    if (!batch) return answer(404, { error: { message: 'no such batch', code: null } });
    if (part === 'cancel') {
      if (batch.output_file_id === null && !isOver(batch)) {
        batch.status = 'cancelling';
        batch.course = {
          ...batch.course,
          ends: 'cancelled',
          line: batch.course.line ?? ((_text, i) => (i % 2 ? 'unfinished' : 'ok')),
        };
      }
      return answer(200, show(batch));
    }
    go(batch);
    return answer(200, show(batch));
  }

  /** One look further. */
  function go(batch: SeenBatch): unknown {
    if (isOver(batch)) return undefined;
    const { course } = batch;
    if (batch.status === 'cancelling') return end(batch);
    const looks = {
      validating: course.validating ?? 1,
      in_progress: course.in_progress ?? 1,
      finalizing: course.finalizing ?? 0,
    };
    batch.looks += 1;
    let left = batch.looks;
    for (const state of states) {
      left -= looks[state];
      if (left <= 0 && looks[state] > 0) {
        batch.status = state;
        return undefined;
      }
    }
    return end(batch);
  }

  function end(batch: SeenBatch): void {
    const { ends = 'completed', line = () => 'ok' as const, isShuffled } = batch.course;
    batch.status = ends;
    if (ends === 'failed') return;
    const output: string[] = [];
    const errors: string[] = [];
    for (const [place, { custom_id, body }] of batch.requests.entries()) {
      const fate = line(body.input, place);
      if (fate === 'missing') continue;
      if (fate === 'unfinished') {
        errors.push(
          JSON.stringify({
            id: 'x',
            custom_id,
            response: null,
            error: { code: 'batch_expired', message: 'expired' },
          }),
        );
        continue;
      }
      if (typeof fate === 'number') {
        const error = { message: `bad: ${body.input}`, type: 'x', param: null, code: null };
        errors.push(
          JSON.stringify({
            id: 'x',
            custom_id,
            response: { status_code: fate, request_id: 'r', body: { error } },
            error: null,
          }),
        );
        continue;
      }
      const tokens = countTokens(body.input, { disallowedSpecial: new Set() });
      batch.billedTokens += tokens;
      batch.billed.push(body.input);
      const answer = JSON.stringify({
        id: 'x',
        custom_id,
        response: {
          status_code: 200,
          request_id: 'r',
          body: {
            object: 'list',
            model: body.model,
            data: [{ object: 'embedding', index: 0, embedding: vectorToBase64(vectorOf(body.input)) }],
            usage: { prompt_tokens: tokens, total_tokens: tokens },
          },
        },
        error: null,
      });
      output.push(answer);
      if (fate === 'twice') output.push(answer);
    }
    if (isShuffled) output.sort(() => Math.random() - 0.5);
    if (output.length > 0) {
      batch.output_file_id = nextId('file-');
      server.files.set(batch.output_file_id, `${output.join('\n')}\n`);
    }
    if (errors.length > 0) {
      batch.error_file_id = nextId('file-');
      server.files.set(batch.error_file_id, `${errors.join('\n')}\n`);
    }
  }

  return server;
}

function isOver({ status }: SeenBatch): boolean {
  return ['completed', 'failed', 'expired', 'cancelled'].includes(status);
}

function show({
  requests,
  course: _course,
  looks: _looks,
  billed: _billed,
  billedTokens: _tokens,
  ...batch
}: SeenBatch) {
  return {
    ...batch,
    object: 'batch',
    endpoint: '/v1/embeddings',
    completion_window: '24h',
    request_counts: { total: requests.length, completed: 0, failed: 0 },
  };
}
