import type { ServerResponse } from 'node:http';
import { EmbedQLError } from '../core/errors.ts';

/**
 * Counts the bytes that the server holds for its clients: bodies that have been read, and answers that have not been
 * taken. A flood of large bodies, or of clients who do not read, ends in refusals and not out of memory.
 */
export class Buffers {
  readonly #limit: number;
  #bytes = 0;

  /** @param limit in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get full(): boolean {
    return this.#bytes >= this.#limit;
  }

  /** What is held for one request; let go of when its response is closed. */
  forRequest(response: ServerResponse): RequestBuffer {
    const buffer = this.hold(() => response.writableLength);
    response.once('close', () => buffer.end());
    return buffer;
  }

  /**
   * What is held for something that has no response of its own.
   * @param unread bytes of the answer that the client has not taken, once it has been written
   */
  hold(unread: () => number = nothingUnread): EndingBuffer {
    return new Held(this, unread);
  }

  /** @throws EmbedQLError OVERLOADED where there is no room */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#limit) throw tooMuchBuffered;
    this.#bytes += bytes;
  }

  /** @param bytes that are held no longer; more of them where that is negative */
  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}

const nothingUnread = () => 0;

class Held implements EndingBuffer {
  readonly #all: Pick<Buffers, 'take' | 'release'>;
  readonly #unread: () => number;
  #held = 0;
  /** Of what is held, the part that is for the answer. */
  #answer = 0;
  #ended = false;

  constructor(all: Pick<Buffers, 'take' | 'release'>, unread: () => number) {
    this.#all = all;
    this.#unread = unread;
  }

  take(bytes: number): void {
    this.#all.take(bytes);
    if (this.#ended) this.#all.release(bytes);
    else this.#held += bytes;
  }

  answer(bytes: number): void {
    this.take(bytes);
    this.#answer += bytes;
  }

  answered(): void {
    if (this.#ended) return;
    // What the client has taken already needs no memory any more.
    const left = this.#unread();
    this.#all.release(this.#answer - left);
    this.#held -= this.#answer - left;
    this.#answer = left;
  }

  end(): void {
    this.#ended = true;
    this.#all.release(this.#held);
    this.#held = 0;
  }
}

/** What is held, until that is over. */
export interface EndingBuffer extends RequestBuffer {
  end(): void;
}

export interface RequestBuffer {
  /** @throws EmbedQLError OVERLOADED where there is no room */
  take(bytes: number): void;
  /** Takes memory for an answer, before it is allocated. @throws EmbedQLError OVERLOADED where there is no room */
  answer(bytes: number): void;
  /** The answer has been written; what the client has not taken yet is held. */
  answered(): void;
}

export const tooMuchBuffered = new EmbedQLError(
  'OVERLOADED',
  'The server has no memory left for requests and answers; try again in a moment, or raise maxBufferedMb.',
  { hint: 'maxBufferedMb', retryAfterMs: 1_000 },
);

/** Smaller answers come out of Node's own pool; larger ones than the largest are not worth keeping memory for. */
const smallest = 64 * 1_024;
const largest = 4 * 1_024 * 1_024;
/** Buffers of each size that are kept. */
const keptOfEach = 4;

/**
 * Memory for large answers, which is reused: fresh allocations of that size are slow because of page faults, slower than
 * filling them.
 */
export class OutputBuffers {
  readonly #free = new Map<number, Buffer[]>();

  /** Memory for the answer of `response`; it is given to others once that has been handed to the system. */
  for(response: ServerResponse, bytes: number): Buffer {
    if (bytes < smallest || bytes > largest) return Buffer.allocUnsafe(bytes);
    const size = 2 ** Math.ceil(Math.log2(bytes));
    const free = this.#free.get(size) ?? [];
    this.#free.set(size, free);
    const buffer = free.pop() ?? Buffer.allocUnsafeSlow(size);
    // Not when it is closed: what was broken off may still be on its way.
    response.once('finish', () => {
      if (free.length < keptOfEach) free.push(buffer);
    });
    return buffer.subarray(0, bytes);
  }
}
