import type { IncomingMessage, ServerResponse } from 'node:http';
import { Busboy, type BusboyFileStream, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { badUserInput, EmbedQLError, toEmbedQLError } from '../../core/errors.ts';
import type { Log } from '../../core/surroundings.ts';
import { BrokenOff, leaveUnread } from '../../http/body.ts';
import { HttpError, sendError, sendJson } from '../../http/respond.ts';
import type { Caller, Handler } from '../../http/route.ts';
import { type Files, FileTooLargeError } from '../../jobs/files.ts';
import type { Asker, FileRecord } from '../../jobs/job.ts';
import { filesPath, readOutputFileId } from '../../jobs/names.ts';
import type { Services } from '../services.ts';
import { writeOutput } from './batch-output.ts';
import { type Content, sendContent } from './content.ts';
import { openaiErrors } from './errors.ts';
import { setFacts } from './headers.ts';

export { filesPath };

/** `/v1/files`: what clients send for jobs, and the results of jobs. The same calls as OpenAI's. */
export function createFilesHandler(services: Services, transferTimeoutMs: number, log: Log): Handler {
  const shape = openaiErrors(services.nameOption);
  const { jobs } = services;
  return async (request, response, caller) => {
    const started = performance.now();
    const [id, part, ...more] = partsBehind(caller.path, '/files');
    const asker = askerOf(caller);
    try {
      setFacts(response, { started });
      if (more.length > 0 || (part !== undefined && part !== 'content')) throw notFound();
      const { method } = request;
      if (id === undefined) {
        if (method === 'POST')
          return sendJson(response, 200, describe(await upload(request, await jobs.files(), caller)));
        if (method === 'DELETE') throw wrongMethod(response, 'GET, POST');
        return sendJson(response, 200, await list(request, await jobs.files(), asker));
      }
      if (part === 'content') {
        if (method === 'POST' || method === 'DELETE') throw wrongMethod(response, 'GET, HEAD');
        return await sendContent(request, response, await contentOf(id, asker), transferTimeoutMs);
      }
      if (method === 'POST') throw wrongMethod(response, 'GET, DELETE');
      if (method === 'DELETE') return sendJson(response, 200, await remove(id, asker));
      return sendJson(response, 200, await describeAny(id, asker));
    } catch (error) {
      if (error instanceof BrokenOff) throw error;
      if (response.headersSent) {
        log.error({ err: error, path: filesPath }, 'a file could not be sent whole');
        return void response.destroy();
      }
      leaveUnread(request, response);
      const shown = toEmbedQLError(error);
      if (shown !== error) log.error({ err: error, path: filesPath }, 'internal error');
      sendError(response, shown, { shape });
    }
  };

  async function describeAny(id: string, asker: Asker) {
    const output = readOutputFileId(id);
    if (!output) return describe(await find(await jobs.files(), id, asker));
    const results = await jobs.results(output.jobId, asker);
    if (!results || (output.kind !== 'results' && !results.job.door)) throw notFound();
    const { job, bytes } = results;
    return describe({
      id,
      key: job.key,
      createdAt: job.createdAt,
      endsAt: job.endsAt,
      bytes,
      name: `${job.id}-${output.kind}.jsonl`,
      purpose: 'batch_output',
    });
  }

  async function contentOf(id: string, asker: Asker): Promise<Content> {
    const output = readOutputFileId(id);
    if (!output) {
      const files = await jobs.files();
      const file = await find(files, id, asker);
      return {
        name: file.name,
        bytes: file.bytes,
        isComplete: true,
        read: (from, to) => sliceOf(files.content(file), from, to),
      };
    }
    const results = await jobs.results(output.jobId, asker);
    if (!results || (output.kind !== 'results' && !results.job.door)) throw notFound();
    const { job, bytes, read } = results;
    if (output.kind !== 'results') {
      const { kind } = output;
      const batchId = job.id.replace(/^job_/, 'batch_');
      const source = () => ({ batchId, model: job.model, layout: jobs.layout(job), results: read(0, bytes) });
      return { name: `${batchId}_${kind}.jsonl`, stream: () => writeOutput(source(), kind) };
    }
    return { name: `${job.id}.jsonl`, bytes, isComplete: job.finishedAt !== undefined, read };
  }

  async function remove(id: string, asker: Asker) {
    if (readOutputFileId(id))
      throw badUserInput('The results of a job are deleted by themselves; there is nothing to do.');
    const files = await jobs.files();
    await files.remove(await find(files, id, asker));
    return { id, object: 'file', deleted: true };
  }
}

/** The parts of a path behind a name, decoded. */
export function partsBehind(path: string, name: string): string[] {
  return path
    .slice(path.indexOf(name) + name.length)
    .split('/')
    .filter((part) => part !== '');
}

export function askerOf({ key, seesAll = false, tag }: Caller): Asker {
  return { key, seesAll, tag };
}

async function find(files: Files, id: string, asker: Asker): Promise<FileRecord> {
  const file = await files.get(id, asker);
  if (!file) throw notFound();
  return file;
}

export function describe({ id, bytes, createdAt, endsAt, name, purpose }: FileRecord) {
  return {
    id,
    object: 'file',
    bytes,
    created_at: seconds(createdAt),
    ...(endsAt === undefined ? {} : { expires_at: seconds(endsAt) }),
    filename: name,
    purpose,
    status: 'processed',
    status_details: null,
  };
}

export function seconds(ms: number): number {
  return Math.floor(ms / 1_000);
}

/** Entries of a page, at the most and where nothing is said. */
const longestPage = 10_000;

async function list(request: IncomingMessage, files: Files, asker: Asker) {
  const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const purpose = searchParams.get('purpose');
  const all = (await files.list(longestPage, asker)).filter((file) => !purpose || file.purpose === purpose);
  if (searchParams.get('order') === 'asc') all.reverse();
  return pageOf(all, searchParams, longestPage, describe);
}

/** A page of a list, as OpenAI's clients turn it: what follows the id `after`. */
export function pageOf<Item extends { readonly id: string }, Shown extends { readonly id: string }>(
  items: readonly Item[],
  params: URLSearchParams,
  longest: number,
  show: (item: Item) => Shown,
) {
  const limit = Number(params.get('limit') ?? longest);
  if (!Number.isInteger(limit) || limit < 1 || limit > longest)
    throw badUserInput(`limit must be a whole number from 1 to ${longest}.`);
  const shown = items.map(show);
  const after = params.get('after');
  const from = after === null ? 0 : shown.findIndex(({ id }) => id === after) + 1;
  const data = shown.slice(from, from + limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: from + limit < shown.length,
  };
}

/** Takes a file out of a form, as it comes. @throws HttpError 400 or 413, BrokenOff */
function upload(request: IncomingMessage, files: Files, { key }: Caller): Promise<FileRecord> {
  return new Promise((resolve, reject) => {
    let form: BusboyInstance;
    let incoming: BusboyFileStream | undefined;
    try {
      form = new Busboy({
        headers: request.headers as BusboyHeaders,
        isPartAFile: (name) => name === 'file',
        limits: { files: 1, fields: 20, fieldSize: 1_024, parts: 24, headerPairs: 40 },
      });
    } catch {
      return reject(noForm());
    }
    let purpose = 'batch';
    let adding: Promise<FileRecord> | undefined;
    let finish: () => void = () => {};
    let abandon: (error: unknown) => void = () => {};
    const finished = new Promise<void>((done, failed) => {
      finish = done;
      abandon = failed;
    });
    finished.catch(() => {});
    const fail = (error: unknown) => {
      // What has been kept of the file goes, too.
      abandon(error);
      request.unpipe(form);
      incoming?.destroy();
      reject(error);
    };
    form.on('field', (name, value) => {
      if (name === 'purpose' && value !== '') purpose = value;
    });
    form.on('file', (name, content, filename = 'file') => {
      content.on('error', () => {});
      if (name !== 'file') return void content.resume();
      incoming = content;
      const purposeInTheEnd = () => finished.then(() => purpose);
      adding = files.add({ name: filename, purpose: purposeInTheEnd, key }, content as AsyncIterable<Buffer>);
      adding.catch((error) => fail(error instanceof FileTooLargeError ? new HttpError(413, error) : error));
    });
    form.on('finish', () => {
      finish();
      if (adding) adding.then(resolve, fail);
      else reject(noForm());
    });
    form.on('error', () => fail(noForm()));
    // Nobody goes on to look for more.
    form.on('partsLimit', () => fail(noForm()));
    form.on('fieldsLimit', () => fail(noForm()));
    form.on('filesLimit', () => fail(noForm()));
    request.once('error', () => fail(new BrokenOff()));
    request.once('close', () => {
      if (!request.complete) fail(new BrokenOff());
    });
    if (request.readableEnded) return fail(noForm());
    request.pipe(form);
  });
}

function noForm(): HttpError {
  return new HttpError(
    400,
    badUserInput(
      'Send the file as multipart/form-data, with its content in the part "file" and purpose "batch".',
    ),
  );
}

function notFound(): HttpError {
  return new HttpError(404, badUserInput('There is no such file; GET /v1/files lists yours.'));
}

export function wrongMethod(response: ServerResponse, allowed: string): HttpError {
  response.setHeader('allow', allowed);
  return new HttpError(405, new EmbedQLError('BAD_USER_INPUT', `This path takes ${allowed} only.`));
}

/** The bytes of a stream between two places. */
async function* sliceOf(
  source: AsyncIterable<Buffer>,
  from: number,
  to: number,
): AsyncGenerator<Buffer, void, void> {
  let at = 0;
  for await (const bytes of source) {
    const piece = bytes.subarray(Math.max(0, from - at), Math.max(0, to - at));
    if (piece.length > 0) yield piece;
    at += bytes.length;
    if (at >= to) return;
  }
}
