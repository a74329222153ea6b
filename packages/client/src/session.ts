import { EmbedError } from './errors.ts';
import { limitsQuery, readLimits } from './operations.ts';
import { Patience } from './patience.ts';
import { type AbortSignalLike, throwIfAborted } from './runtime.ts';
import { type Limits, RequestSize, type TextQueue } from './split.ts';
import type { Transport } from './transport.ts';

/** An answer to what the server takes is worth waiting for no longer than this: guessing works, too. */
const limitsWaitMs = 5_000;

/** What all calls of one client share: the way to the server, and what has been learnt of it. */
export class Session {
  readonly transport: Transport;
  readonly concurrency: number;
  /** Small, because several are in flight. */
  readonly requestSize = new RequestSize();
  /** One stream carries many: the server cuts it into calls itself. */
  readonly streamSize = new RequestSize(2_048);
  readonly #timeoutMs: number | undefined;
  #limits: Promise<Limits | undefined> | undefined;

  constructor(transport: Transport, concurrency: number, timeoutMs: number | undefined) {
    this.transport = transport;
    this.concurrency = concurrency;
    this.#timeoutMs = timeoutMs;
  }

  patience(): Patience {
    return new Patience(this.transport, this.#timeoutMs);
  }

  /** Asks what the server takes, once, before texts that need more than one request. */
  async prepare(queue: TextQueue, size: RequestSize, signal: AbortSignalLike): Promise<void> {
    if (!size.known && !queue.fits(size)) await this.#learn(size, signal);
  }

  /**
   * A request was too large. Puts its texts back, to be sent in smaller ones.
   * @returns false where it cannot be made smaller
   */
  async refused(
    queue: TextQueue,
    places: readonly number[],
    size: RequestSize,
    signal: AbortSignalLike,
  ): Promise<boolean> {
    if (places.length <= 1) return false;
    const bytes = queue.bytesOf(places);
    if (!size.known) await this.#learn(size, signal);
    if (size.takes(places.length, bytes)) size.halve(places.length, bytes);
    queue.putBack(places);
    return true;
  }

  /** Some texts of a request were too large beside the others: puts them back, to be sent with fewer. */
  async divide(
    queue: TextQueue,
    places: readonly number[],
    asked: readonly number[],
    size: RequestSize,
    signal: AbortSignalLike,
  ): Promise<void> {
    const bytes = queue.bytesOf(asked);
    if (!size.known) await this.#learn(size, signal);
    size.halve(asked.length, bytes);
    queue.putBack(places);
  }

  async #learn(size: RequestSize, signal: AbortSignalLike): Promise<void> {
    this.#limits ??= this.#ask(signal);
    const limits = await this.#limits;
    throwIfAborted(signal);
    if (limits) size.learn(limits);
  }

  async #ask(signal: AbortSignalLike): Promise<Limits | undefined> {
    try {
      const patience = new Patience(this.transport, limitsWaitMs);
      return readLimits(
        await patience.limit(signal, (limited) => this.transport.ask(limitsQuery, {}, limited)),
      );
    } catch (error) {
      // An older server does not know the question. Anything else the texts will meet, too, and tell.
      if (!(error instanceof EmbedError) || error.code !== 'BAD_USER_INPUT') this.#limits = undefined;
      return undefined;
    }
  }
}

/** Whether no size would do: a server that refuses one text for what it costs refuses the others, too. */
export function concernsAll({ code }: EmbedError): boolean {
  return code === 'COST_LIMIT_EXCEEDED';
}
