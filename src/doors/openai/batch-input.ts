import type { JobRequest } from '../../jobs/jobs.ts';
import { type JsonLine, jsonLines, type LineLimits } from '../../jobs/lines.ts';
import { type EmbeddingsBody, readBody } from './body.ts';
import { embeddingsPath } from './embeddings-path.ts';
import { ParameterError } from './errors.ts';

/** What is kept of a request of a batch, to answer it with: its id, how many texts it has, and how vectors are written. */
export type RequestLayout = readonly [customId: string, texts: number, encoding: EmbeddingsBody['encoding']];

/** What all requests of a file have in common: a batch has one model, as OpenAI's has. */
type Shared = Pick<EmbeddingsBody, 'model' | 'dimensions' | 'truncate' | 'longText' | 'kind'>;

/** What clients call them, where that is something else. */
const memberNames: Partial<Record<string, string>> = { longText: 'long_text', kind: 'input_type' };

/** The requests of a batch, as a job takes them. */
export interface BatchInput {
  readonly shared: Shared;
  /** The texts of all requests. To be read once, to the end. */
  readonly texts: JobRequest['texts'];
  /** What is kept of the requests, and their number, once the texts have been read. */
  layout(): { lines: Buffer; requests: number };
}

/** Characters of an id that a client gives a request. */
const longestId = 512;

const uncounted = { announce: () => {} };

/** Turns lists of tokens into texts. @param line for the message */
type Decode = (lists: ReadonlyArray<readonly number[]>, line: number) => Promise<string[]>;

/**
 * Reads a file of requests.
 * @param content reads the file from its beginning, twice
 * @throws ParameterError BAD_USER_INPUT with the number of the line that is wrong, here or while the texts are read
 */
export async function readBatchInput(
  content: () => AsyncIterable<Buffer>,
  decode: Decode,
  limits: LineLimits,
): Promise<BatchInput> {
  const shared = await sharedOf(jsonLines(content(), limits));
  const ids = new Set<string>();
  const lines: string[] = [];
  async function* texts(): AsyncGenerator<string, void, void> {
    for await (const line of jsonLines(content(), limits)) {
      const { customId, body } = await readRequest(line);
      if (ids.has(customId)) throw wrong(line, 'has the custom_id of another line; each needs its own');
      ids.add(customId);
      const other = Object.entries(shared).find(([name, value]) => body[name as keyof Shared] !== value);
      if (other)
        throw wrong(
          line,
          `has another ${memberNames[other[0]] ?? other[0]} than the first; all requests of a batch have the same`,
        );
      const { items } = body.input;
      const some = isTexts(items)
        ? items
        : await decode(items as ReadonlyArray<readonly number[]>, line.number);
      const layout: RequestLayout = [customId, some.length, body.encoding];
      lines.push(`${JSON.stringify(layout)}\n`);
      yield* some;
    }
  }
  return {
    shared,
    texts: texts(),
    layout: () => ({ lines: Buffer.from(lines.join('')), requests: ids.size }),
  };
}

async function sharedOf(lines: AsyncIterable<JsonLine>): Promise<Shared> {
  for await (const line of lines) {
    const { body } = await readRequest(line);
    const { model, dimensions, truncate, longText, kind } = body;
    return { model, dimensions, truncate, longText, kind };
  }
  throw new ParameterError('input_file_id', 'The file has no requests; give it one on each line.');
}

async function readRequest(line: JsonLine): Promise<{ customId: string; body: EmbeddingsBody }> {
  const { value } = line;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong(line, 'is not an object with custom_id, method, url and body');
  const { custom_id: customId, method, url, body } = value as Record<string, unknown>;
  if (typeof customId !== 'string' || customId === '' || customId.length > longestId)
    throw wrong(line, `has no custom_id, or one of more than ${longestId} characters`);
  if (method !== 'POST' || url !== embeddingsPath) throw wrong(line, `is not a POST to ${embeddingsPath}`);
  let read: EmbeddingsBody;
  try {
    read = await readBody(body, uncounted);
  } catch (error) {
    if (!(error instanceof ParameterError)) throw error;
    throw wrong(line, `has a wrong body: ${error.message.replace(/\.$/, '')}`);
  }
  if (read.dtype !== 'float') throw wrong(line, 'asks for output_dtype, which batches do not have');
  return { customId, body: read };
}

function wrong({ number }: JsonLine, what: string): ParameterError {
  return new ParameterError('input_file_id', `Line ${number} of the file ${what}.`);
}

function isTexts(items: EmbeddingsBody['input']['items']): items is readonly string[] {
  return typeof items[0] === 'string';
}
