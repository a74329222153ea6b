import { randomUUID } from 'node:crypto';
import calculateSlot from 'cluster-key-slot';
import type { ChainableCommander, Cluster, Redis } from 'ioredis';
import { isCluster, type RedisLink } from './connect.ts';

/** What a key turns out to be: its value, or who computes it now. An Error where Redis would not say. */
export type ClaimedValue = Buffer | 'ours' | 'theirs' | Error;

/** The few things that a cache asks of Redis, the same for one server, for Sentinel and for a cluster. */
export interface RedisCommands {
  /** One round trip (in a cluster: one for each node). An Error in the place of a key that could not be read. */
  getMany(keys: readonly string[]): Promise<Array<Buffer | null | Error>>;
  /** Whether there is anything under each key, in as many round trips. */
  hasMany(keys: readonly string[]): Promise<Array<boolean | Error>>;
  /** Reads, and leases for `leaseMs` what is not there and not leased, in the same round trip. */
  claimMany(keys: readonly string[], leaseMs: number): Promise<ClaimedValue[]>;
  /** Keeps our leases on these keys for `leaseMs` more. */
  renew(keys: readonly string[], leaseMs: number): Promise<unknown>;
  /** Gives our leases on these keys back. */
  release(keys: readonly string[]): Promise<unknown>;
  /** Writes values and ends the leases on them. Errors, in the order of `entries`, null where it went well. */
  setMany(
    entries: ReadonlyArray<readonly [key: string, value: Buffer]>,
    ttlSeconds: number,
  ): Promise<Array<Error | null>>;
  /** Rejects unless Redis answers for keys. */
  ping(): Promise<unknown>;
}

/** KEYS: the values, then their leases. ARGV: milliseconds, holder. A value; 1 for ours, 0 for theirs. */
const claimScript = `
  local out, count = {}, #KEYS / 2
  for i = 1, count do
    local value = redis.pcall('GET', KEYS[i])
    if type(value) == 'string' then
      out[i] = value
    else
      local lease = KEYS[count + i]
      if redis.call('SET', lease, ARGV[2], 'NX', 'PX', ARGV[1]) then
        out[i] = 1
      else
        local holder = redis.pcall('GET', lease)
        if type(holder) == 'table' then redis.call('SET', lease, ARGV[2], 'PX', ARGV[1]) end
        out[i] = (type(holder) == 'table' or holder == ARGV[2]) and 1 or 0
      end
    end
  end
  return out`;

/** KEYS: leases. ARGV: milliseconds, holder. A lease that a restarted Redis has forgotten is taken again. */
const renewScript = `
  for _, lease in ipairs(KEYS) do
    if redis.call('SET', lease, ARGV[2], 'NX', 'PX', ARGV[1]) == false and redis.call('GET', lease) == ARGV[2] then
      redis.call('PEXPIRE', lease, ARGV[1])
    end
  end`;

/** KEYS: leases. ARGV: holder. */
const releaseScript = `
  for _, lease in ipairs(KEYS) do
    if redis.call('GET', lease) == ARGV[1] then redis.call('DEL', lease) end
  end`;

/** The lease on a cache key, which in a cluster lies on the same node: it has the key's own hash tag, or is tagged with it. */
function leaseKey(key: string): string {
  const opens = key.indexOf('{');
  const isTagged = opens !== -1 && key.indexOf('}', opens) > opens + 1;
  return isTagged ? `embed:lease:${key}` : `embed:lease:{${key}}`;
}

export function redisCommands(link: RedisLink): RedisCommands {
  /** Names our leases. Several servers in one process are several holders. */
  const holder = randomUUID();

  /** Runs `add` for the keys of each node, as one pipeline for each. Results in the order of `keys`. */
  async function eachNode<Result>(
    keys: readonly string[],
    add: (pipeline: ChainableCommander, keys: readonly string[]) => void,
    read: (replies: ReadonlyArray<[Error | null, unknown]>, keys: readonly string[]) => Result[],
  ): Promise<Result[]> {
    const { client } = link;
    const results: Result[] = new Array(keys.length);
    await Promise.all(
      byNode(client, keys).map(async (indexes) => {
        const own = indexes.map((i) => keys[i]!);
        const pipeline = client.pipeline();
        add(pipeline, own);
        const some = read((await pipeline.exec())!, own);
        for (const [n, i] of indexes.entries()) results[i] = some[n]!;
      }),
    );
    return results;
  }

  /** A script over leases. In a cluster one call for each key, because a script may touch one slot only. */
  function addScript(
    pipeline: ChainableCommander,
    script: string,
    keys: readonly string[],
    keysOf: (keys: readonly string[]) => string[],
    args: readonly string[],
  ): void {
    for (const group of isCluster(link.client) ? keys.map((key) => [key]) : [keys]) {
      const all = keysOf(group);
      pipeline.callBuffer('eval', script, all.length, ...all, ...args);
    }
  }

  return {
    getMany: (keys) =>
      eachNode<Buffer | null | Error>(
        keys,
        (pipeline, own) => void own.map((key) => pipeline.getBuffer(key)),
        (replies) => replies.map(([error, value]) => error ?? (value as Buffer | null)),
      ),
    hasMany: (keys) =>
      eachNode<boolean | Error>(
        keys,
        (pipeline, own) => void own.map((key) => pipeline.exists(key)),
        (replies) => replies.map(([error, count]) => error ?? count === 1),
      ),
    claimMany: (keys, leaseMs) =>
      eachNode<ClaimedValue>(
        keys,
        (pipeline, own) =>
          addScript(pipeline, claimScript, own, (group) => [...group, ...group.map(leaseKey)], [
            String(leaseMs),
            holder,
          ]),
        (replies, own) => {
          const [first] = replies;
          if (replies.length === 1 && first![0]) return own.map(() => first![0]!);
          return replies.flatMap(([error, values]) => error ?? (values as unknown[]).map(toClaim));
        },
      ),
    renew: (keys, leaseMs) =>
      eachNode(
        keys,
        (pipeline, own) =>
          addScript(pipeline, renewScript, own, (group) => group.map(leaseKey), [String(leaseMs), holder]),
        (_replies, own) => [...own],
      ),
    release: (keys) =>
      eachNode(
        keys,
        (pipeline, own) => addScript(pipeline, releaseScript, own, (group) => group.map(leaseKey), [holder]),
        (_replies, own) => [...own],
      ),
    setMany(entries, ttlSeconds) {
      const values = new Map(entries);
      return eachNode<Error | null>(
        entries.map(([key]) => key),
        (pipeline, own) => {
          for (const key of own) {
            const value = values.get(key)!;
            if (ttlSeconds > 0) pipeline.set(key, value, 'EX', ttlSeconds);
            else pipeline.set(key, value);
          }
          if (isCluster(link.client)) for (const key of own) pipeline.unlink(leaseKey(key));
          else pipeline.unlink(...own.map(leaseKey));
        },
        (replies, own) => own.map((_, i) => replies[i]![0]),
      );
    },
    // Any keys will do: what matters is that Redis answers for keys.
    async ping() {
      const { client } = link;
      // Nodes are connected by their first command: that must not be one that somebody waits for.
      if (isCluster(client)) await Promise.allSettled(client.nodes('master').map((node) => node.ping()));
      // One node of a cluster refuses two slots at once: it does not answer until the link goes to all nodes.
      await (isCluster(client) ? client.exists('embed:ping') : client.mget('embed:ping:1', 'embed:ping:2'));
      if (link.mismatch) throw link.mismatch;
    },
  };
}

function toClaim(value: unknown): ClaimedValue {
  if (Buffer.isBuffer(value)) return value;
  return value === 1 ? 'ours' : 'theirs';
}

/** The indexes of the keys that lie on each node. */
function byNode(client: Redis | Cluster, keys: readonly string[]): number[][] {
  if (!isCluster(client)) return [[...keys.keys()]];
  const nodes = new Map<string, number[]>();
  for (const [i, key] of keys.entries()) {
    const slot = calculateSlot(key);
    const node = client.slots[slot]?.[0] ?? '';
    const indexes = nodes.get(node);
    if (indexes) indexes.push(i);
    else nodes.set(node, [i]);
  }
  return [...nodes.values()];
}
