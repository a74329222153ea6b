import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { ConfigError } from '../config/config.ts';

export interface TextLine {
  /** From 1. */
  number: number;
  /** Bytes of the line in the file, its end included. */
  bytes: number;
  /** The text, or what is wrong with the line. Never both. */
  text?: string;
  problem?: string;
}

export interface TextSource {
  /** 0 where it is not known. */
  totalBytes: number;
  lines: AsyncIterable<TextLine>;
}

/**
 * Reads texts, one a line: plain lines, or with `.jsonl` JSON strings or objects with a `text`. `-` is standard
 * input, with plain lines. Empty lines are passed over.
 * @throws ConfigError for a `.json` file and where there is none, Error when the file cannot be read.
 */
export async function openTexts(file: string, stdin: Readable): Promise<TextSource> {
  if (file === '-') return { totalBytes: 0, lines: readLines(stdin, false) };
  if (file.endsWith('.json'))
    throw new ConfigError(
      `${file}: one JSON document is not one text a line; write .jsonl with a JSON string a line, or .txt with plain lines`,
    );
  const { size } = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? new ConfigError(`${file}: there is no such file`) : error;
  });
  return { totalBytes: size, lines: readLines(createReadStream(file), file.endsWith('.jsonl')) };
}

async function* readLines(input: Readable, isJson: boolean): AsyncGenerator<TextLine> {
  let number = 0;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1;
    const position = { number, bytes: Buffer.byteLength(line) + 1 };
    if (line.trim() === '') yield position;
    else yield { ...position, ...(isJson ? readJson(line) : { text: line }) };
  }
}

function readJson(line: string): Pick<TextLine, 'text' | 'problem'> {
  try {
    const value: unknown = JSON.parse(line);
    const text = typeof value === 'object' && value !== null && 'text' in value ? value.text : value;
    if (typeof text !== 'string') return { problem: 'is neither a JSON string nor an object with a "text"' };
    return text.trim() === '' ? { problem: 'has an empty text' } : { text };
  } catch {
    return { problem: 'is not JSON' };
  }
}
