import type { IncomingMessage } from 'node:http';
import { badUserInput, toEmbedQLError } from '../../core/errors.ts';
import type { Log } from '../../core/surroundings.ts';
import { BrokenOff, hasTooMuchInside, leaveUnread, readJson } from '../../http/body.ts';
import { HttpError, sendError, sendJson } from '../../http/respond.ts';
import type { Caller, Handler } from '../../http/route.ts';
import type { JobView } from '../../jobs/jobs.ts';
import { outputFileId } from '../../jobs/names.ts';
import { LostError } from '../../jobs/store-errors.ts';
import type { Services } from '../services.ts';
import { modelNamed } from './availability.ts';
import { readBatchInput } from './batch-input.ts';
import { countRequests } from './batch-output.ts';
import { embeddingsPath } from './embeddings-path.ts';
import { openaiErrors, ParameterError } from './errors.ts';
import { askerOf, pageOf, partsBehind, seconds, wrongMethod } from './files.ts';
import { setFacts } from './headers.ts';
import { decodeTokenLists } from './token-lists.ts';

export const batchesPath = '/v1/batches';

/** Milliseconds that a batch may take. */
const dayMs = 86_400_000;

/** Entries of a page, and jobs that are looked through for them. */
const longestPage = 100;
const mostJobs = 10_000;

const words = {
  QUEUED: 'validating',
  RUNNING: 'in_progress',
  DONE: 'completed',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  EXPIRED: 'expired',
} as const;

/** `/v1/batches`: OpenAI's Batch API for embeddings, over jobs. */
export function createBatchesHandler(services: Services, maxBodyBytes: number, log: Log): Handler {
  const shape = openaiErrors(services.nameOption);
  const { jobs, catalogue } = services;
  /** Requests of batches that are over, which never change. */
  const counted = new Map<string, { completed: number; failed: number }>();

  return async (request, response, caller) => {
    const started = performance.now();
    try {
      setFacts(response, { started });
      const [id, action, ...more] = partsBehind(caller.path, '/batches');
      if (more.length > 0 || (action !== undefined && action !== 'cancel')) throw notFound();
      const isPost = request.method === 'POST';
      if (id === undefined) {
        const answer = isPost ? await create(request, caller) : await list(request, caller);
        return sendJson(response, 200, answer);
      }
      if (action === 'cancel' && !isPost) throw wrongMethod(response, 'POST');
      if (action === undefined && isPost) throw wrongMethod(response, 'GET');
      const job = await find(id, caller);
      const after = action === 'cancel' ? await jobs.cancel(job.id, askerOf(caller)) : job;
      sendJson(response, 200, await describe(after ?? job, caller));
    } catch (error) {
      if (error instanceof BrokenOff) throw error;
      leaveUnread(request, response);
      const shown = toEmbedQLError(error);
      if (shown !== error) log.error({ err: error, path: batchesPath }, 'internal error');
      sendError(response, shown, { shape });
    }
  };

  async function create(request: IncomingMessage, caller: Caller) {
    const body = await readJson(request, maxBodyBytes, caller.buffer);
    const { fileId, metadata } = readCreation(body);
    const asker = askerOf(caller);
    const files = await jobs.files();
    const file = await files.get(fileId, asker);
    if (!file)
      throw new ParameterError('input_file_id', 'There is no file of this id; send one to /v1/files first.');
    const input = await readBatchInput(
      () => files.content(file),
      (lists, line) =>
        decodeTokenLists(lists, { limit: maxBodyBytes, placeOf: (i) => `input[${i}] of line ${line}` }),
      { maxBytes: maxBodyBytes, hasTooMuchInside: (json) => hasTooMuchInside(json, maxBodyBytes) },
    );
    const { shared, texts } = input;
    const { spec } = modelNamed(shared.model, catalogue);
    const job = await jobs.create(
      {
        texts,
        model: spec.name,
        kind: shared.kind,
        dimensions: shared.dimensions,
        deadline: 'DAY',
        truncate: shared.truncate ?? !spec.refusesLongTexts,
        longText: shared.longText,
        takesBlank: true,
        door() {
          const { lines, requests } = input.layout();
          return { record: { inputFileId: fileId, metadata, requests }, layout: lines };
        },
      },
      asker,
    );
    return describe(job, caller);
  }

  async function list(request: IncomingMessage, caller: Caller) {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
    if (!searchParams.has('limit')) searchParams.set('limit', '20');
    const all = (await jobs.list(mostJobs, askerOf(caller))).filter(({ door }) => door !== undefined);
    const { data, ...page } = pageOf(all, searchParams, longestPage, (job) => ({ id: batchIdOf(job), job }));
    return { ...page, data: await Promise.all(data.map(({ job }) => describe(job, caller))) };
  }

  async function find(id: string, caller: Caller): Promise<JobView> {
    const [, hex] = /^batch_([0-9a-f]{24})$/.exec(id) ?? [];
    const job = hex === undefined ? undefined : await jobs.get(`job_${hex}`, askerOf(caller));
    if (!job?.door) throw notFound();
    return job;
  }

  async function describe(job: JobView, caller: Caller) {
    const { door, status, finishedAt, createdAt, startedAt, cancelledAt } = job;
    const over = finishedAt !== undefined;
    const counts = await countsOf(job, caller);
    const at = (is: boolean, ms = finishedAt) => (is && ms !== undefined ? seconds(ms) : null);
    const hasFiles = over && status !== 'EXPIRED';
    return {
      id: batchIdOf(job),
      object: 'batch',
      endpoint: embeddingsPath,
      model: job.model,
      errors: job.failure ? { object: 'list', data: [{ ...job.failure, line: null, param: null }] } : null,
      input_file_id: door!.inputFileId,
      completion_window: '24h',
      status: status === 'CANCELLED' && !over ? 'cancelling' : words[status],
      output_file_id: hasFiles && counts.completed > 0 ? outputFileId(job.id, 'output') : null,
      error_file_id: hasFiles && counts.failed > 0 ? outputFileId(job.id, 'error') : null,
      created_at: seconds(createdAt),
      in_progress_at: at(true, startedAt),
      expires_at: seconds(createdAt + dayMs),
      finalizing_at: at(status === 'DONE'),
      completed_at: at(status === 'DONE'),
      failed_at: at(status === 'FAILED'),
      expired_at: status === 'EXPIRED' ? seconds(job.endsAt ?? createdAt) : null,
      cancelling_at: at(cancelledAt !== undefined, cancelledAt),
      cancelled_at: at(status === 'CANCELLED'),
      request_counts: { total: door!.requests, ...counts },
      usage: { input_tokens: job.tokens, total_tokens: job.tokens, output_tokens: 0 },
      metadata: door!.metadata,
    };
  }

  /** Exact where each request has one text, and where the batch is over and whole; else in proportion. */
  async function countsOf(job: JobView, caller: Caller): Promise<{ completed: number; failed: number }> {
    const { door, total, done, failed } = job;
    const requests = door!.requests;
    if (requests === total) return { completed: done - failed, failed };
    const known = counted.get(job.id);
    if (known) return known;
    const part = (texts: number) => Math.floor((texts * requests) / total);
    const results = job.finishedAt === undefined ? undefined : await jobs.results(job.id, askerOf(caller));
    const inProportion = { completed: part(done - failed), failed: part(failed) };
    if (!results) return inProportion;
    const parts = { layout: jobs.layout(job), results: results.read(0, results.bytes) };
    const counts = await countRequests(parts).catch((error: unknown) => {
      // A batch that lost what was kept of it must not hide the others of a list.
      if (error instanceof LostError) return inProportion;
      throw error;
    });
    if (counted.size > 1_000) counted.clear();
    counted.set(job.id, counts);
    return counts;
  }
}

export function batchIdOf({ id }: Pick<JobView, 'id'>): string {
  return id.replace(/^job_/, 'batch_');
}

function readCreation(body: unknown): { fileId: string; metadata: Record<string, string> | null } {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new ParameterError(null, 'The body must be a JSON object with an input_file_id.');
  const { input_file_id, endpoint, completion_window, metadata = null } = body as Record<string, unknown>;
  if (typeof input_file_id !== 'string')
    throw new ParameterError('input_file_id', 'input_file_id must be the id of a file.');
  if (endpoint !== embeddingsPath)
    throw new ParameterError('endpoint', `endpoint must be ${embeddingsPath}; this server has no others.`);
  if (completion_window !== '24h')
    throw new ParameterError('completion_window', 'completion_window must be "24h".');
  return { fileId: input_file_id, metadata: readMetadata(metadata) };
}

function readMetadata(metadata: unknown): Record<string, string> | null {
  if (metadata === null) return null;
  const entries = typeof metadata === 'object' ? Object.entries(metadata) : undefined;
  const fits = entries?.every(
    ([name, value]) => name.length <= 64 && typeof value === 'string' && value.length <= 512,
  );
  if (!entries || !fits || entries.length > 16 || Array.isArray(metadata))
    throw new ParameterError(
      'metadata',
      'metadata must be an object of up to 16 texts: names of 64 characters, values of 512.',
    );
  return metadata as Record<string, string>;
}

function notFound(): HttpError {
  return new HttpError(404, badUserInput('There is no such batch; GET /v1/batches lists yours.'));
}
