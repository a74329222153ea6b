import type { ServerResponse } from 'node:http';

/** Smaller answers come out of Node's own pool; larger ones than the largest are not worth keeping memory for. */
const smallest = 64 * 1_024;
const largest = 4 * 1_024 * 1_024;
/** Buffers of each size that are kept. */
const keptOfEach = 4;

/**
 * Memory for large answers, used again and again: fresh memory of that size comes from the system page by page, which
 * takes longer than filling it.
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
