import type { ClaimedValue, RedisCommands } from '../../src/cache/redis/commands.ts';
import type { Ledger } from './ledger.ts';
import type { SimProcess } from './process.ts';
import type { Range } from './script.ts';

interface Lease {
  readonly holder: Connection;
  readonly process: SimProcess;
  until: number;
  /** When its holder last said that it still computes. */
  renewedAt: number;
}

/** One replica's connection: what is sent over it arrives, and is answered, in order. */
interface Connection {
  lastArrival: number;
  lastReply: number;
  /** When something that was sent over it has last been lost, or late. */
  disturbedAt: number;
}

type Mode = 'up' | 'refusing' | 'silent' | 'full' | 'half';

/** The Redis that the replicas share, as far as `redisCommands` uses it: what its scripts do, in a slow or broken network. */
export class SimRedis {
  readonly #values = new Map<string, Buffer>();
  readonly #leases = new Map<string, Lease>();
  readonly #world: { now(): number; random(): number; later(ms: number, work: () => void): void };
  readonly #ledger: Ledger;
  readonly #idOf: (key: string) => string;
  readonly #usual: Range;
  #latency: Range;
  #mode: Mode = 'up';

  constructor(options: {
    world: { now(): number; random(): number; later(ms: number, work: () => void): void };
    ledger: Ledger;
    /** The text that a cache key stands for. */
    idOf: (key: string) => string;
    latency: Range;
  }) {
    this.#world = options.world;
    this.#ledger = options.ledger;
    this.#idOf = options.idOf;
    this.#usual = options.latency;
    this.#latency = options.latency;
  }

  /** @param latency undefined is as fast as it was at the start */
  beSlow(latency: Range | undefined): void {
    this.#latency = latency ?? this.#usual;
  }

  /**
   * `full` reads, and writes nothing; `half` answers for half of the keys, as a cluster without one of its nodes. `refusing` breaks connections; `silent` neither answers nor says that it does not, and may have
   * done what it was asked.
   */
  be(mode: Mode): void {
    this.#mode = mode;
  }

  /** Forgets, as after a start without its file, or where a replica that lagged behind takes over. */
  lose(share: number): void {
    for (const key of new Set([...this.#values.keys(), ...this.#leases.keys()])) {
      if (this.#world.random() >= share) continue;
      this.#ledger.excuse(this.#idOf(key), 'the shared cache lost it');
      this.#values.delete(key);
      this.#leases.delete(key);
    }
  }

  /** Leases that processes still hold. */
  leases(): Array<{ key: string; process: SimProcess }> {
    return [...this.#leases]
      .filter(([, { until }]) => until > this.#world.now())
      .map(([key, { process }]) => ({ key, process }));
  }

  connect(process: SimProcess): RedisCommands {
    const connection: Connection = {
      lastArrival: 0,
      lastReply: 0,
      disturbedAt: Number.NEGATIVE_INFINITY,
    };
    const call = <Result>(
      work: () => Result,
      lost: () => void = () => {},
      timesOut = true,
    ): Promise<Result> => {
      return this.#call(process, connection, work, lost, timesOut);
    };
    return {
      getMany: (keys) => call(() => keys.map((key) => this.#lacks(key) ?? this.#values.get(key) ?? null)),
      hasMany: (keys) => call(() => keys.map((key) => this.#lacks(key) ?? this.#values.has(key))),
      claimMany: (keys, leaseMs) =>
        call(() => keys.map((key) => this.#lacks(key) ?? this.#claim(key, leaseMs, process, connection))),
      renew: (keys, leaseMs) =>
        call(() => {
          for (const key of keys)
            if (this.#mode === 'up') this.#renew(key, leaseMs, process, connection);
            else connection.disturbedAt = this.#world.now();
        }),
      release: (keys) =>
        call(() => {
          for (const key of keys) if (this.#leases.get(key)?.holder === connection) this.#leases.delete(key);
        }),
      setMany: (entries) =>
        call(
          () =>
            entries.map(([key, value]) => {
              const error = this.#lacks(key) ?? (this.#mode === 'full' ? full() : undefined);
              if (error) {
                this.#ledger.excuse(this.#idOf(key), 'the shared cache did not keep it');
                return error;
              }
              this.#values.set(key, value);
              this.#leases.delete(key);
              return null;
            }),
          () => {
            for (const [key] of entries)
              this.#ledger.excuse(this.#idOf(key), 'the shared cache did not keep it');
          },
        ),
      ping: () => call(() => 0),
    };
  }

  #claim(key: string, leaseMs: number, process: SimProcess, holder: Connection): ClaimedValue {
    const value = this.#values.get(key);
    if (value) return value;
    if (this.#mode === 'full') return full();
    const now = this.#world.now();
    let lease = this.#leases.get(key);
    if (lease && lease.until <= now) {
      this.#ended(key, lease);
      lease = undefined;
    }
    if (lease) {
      const ours = lease.holder === holder;
      this.#ledger.note(
        `redis: ${process.name} claims ${this.#idOf(key)}: ${ours ? 'still its own' : 'taken'}`,
      );
      return ours ? 'ours' : 'theirs';
    }
    this.#ledger.note(`redis: ${process.name} claims ${this.#idOf(key)}: given`);
    this.#leases.set(key, { holder, process, until: now + leaseMs, renewedAt: now });
    return 'ours';
  }

  #renew(key: string, leaseMs: number, process: SimProcess, holder: Connection): void {
    const now = this.#world.now();
    const lease = this.#leases.get(key);
    if (!lease || lease.until <= now) {
      if (lease) this.#ended(key, lease);
      this.#leases.set(key, { holder, process, until: now + leaseMs, renewedAt: now });
    } else if (lease.holder === holder) {
      lease.until = now + leaseMs;
      lease.renewedAt = now;
    }
  }

  /** A lease that ends by itself must have had a holder that could not renew it. */
  #ended(key: string, { holder, process, renewedAt }: Lease): void {
    this.#leases.delete(key);
    if (process.dead || !process.ranSince(renewedAt) || holder.disturbedAt >= renewedAt)
      this.#ledger.excuse(
        this.#idOf(key),
        process.dead ? 'its holder was killed' : 'the lease of a holder that was held up ended',
      );
  }

  #call<Result>(
    process: SimProcess,
    connection: Connection,
    work: () => Result,
    lost: () => void,
    timesOut: boolean,
  ): Promise<Result> {
    const { now } = this.#world;
    return new Promise((resolve, reject) => {
      const fail = (ms: number, message: string) => {
        connection.disturbedAt = now();
        process.receive(ms, () => reject(Object.assign(new Error(message), { code: message })));
      };
      // A command times out whether or not it has been carried out.
      if (timesOut) process.after(1_000, () => reject(Object.assign(new Error('late'), { code: 'late' })));
      if (this.#mode === 'refusing') {
        lost();
        fail(this.#delay(), 'ECONNREFUSED');
        return;
      }
      connection.lastArrival = Math.max(connection.lastArrival, now() + this.#delay());
      this.#world.later(connection.lastArrival - now(), () => {
        if (this.#mode === 'refusing') {
          lost();
          fail(0, 'ECONNRESET');
          return;
        }
        if (this.#mode === 'silent') {
          connection.disturbedAt = now();
          if (this.#world.random() < 0.5) work();
          else lost();
          return;
        }
        const result = work();
        connection.lastReply = Math.max(connection.lastReply, now() + this.#delay());
        process.receive(connection.lastReply - now(), () => resolve(result));
      });
    });
  }

  /** Why nothing can be said of a key. */
  #lacks(key: string): Error | undefined {
    if (this.#mode !== 'half' || key.charCodeAt(key.length - 1) % 2 === 0) return undefined;
    return replyError('CLUSTERDOWN The cluster is down');
  }

  #delay(): number {
    const [least, most] = this.#latency;
    const ms = least + this.#world.random() * (most - least);
    // A busy network now and then holds something up; ties are as interesting as orders.
    return Math.round(ms);
  }
}

function full(): Error {
  return replyError("OOM command not allowed when used memory > 'maxmemory'.");
}

function replyError(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}
