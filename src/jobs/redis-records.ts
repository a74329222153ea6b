import type { Cluster, Redis } from 'ioredis';
import type { FileRecord, JobRecord } from './job.ts';
import { isOver } from './job.ts';
import type { JobHolder, Kinds, Records } from './vault.ts';

/** A connection that may be replaced by another while it is used. */
export interface JobsConnection {
  readonly client: Redis | Cluster;
  close(): void;
}

/** Records that are read in one round trip. */
const together = 500;

/** Seconds that a claim lives: longer than any batch of a provider. */
const claimSeconds = 30 * 3_600;

/** KEYS: the job. Raises its epoch. Returns it and its record; nothing where it is not there. */
const takeUpScript = `
  local record = redis.call('HGET', KEYS[1], 'record')
  if not record then return false end
  return { redis.call('HINCRBY', KEYS[1], 'epoch', 1), record, redis.call('HGET', KEYS[1], 'cancelled') }`;

/** KEYS: the job. ARGV: epoch, record, seconds that it is kept. Returns 0 where a later epoch has it, or it is gone. */
const saveScript = `
  if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
  redis.call('HSET', KEYS[1], 'record', ARGV[2])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
  return 1`;

/** KEYS: the job. ARGV: the time. Returns 0 where it is not there. */
const cancelScript = `
  if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
  redis.call('HSETNX', KEYS[1], 'cancelled', ARGV[1])
  return 1`;

/** KEYS: the list of a job's claims, then claims. ARGV: the job, seconds. Returns 1 for each that is the job's now. */
const claimScript = `
  local out = {}
  for i = 2, #KEYS do
    if redis.call('SET', KEYS[i], ARGV[1], 'NX', 'EX', ARGV[2]) then
      redis.call('SADD', KEYS[1], KEYS[i])
      out[#out + 1] = 1
    else
      out[#out + 1] = redis.call('GET', KEYS[i]) == ARGV[1] and 1 or 0
    end
  end
  redis.call('EXPIRE', KEYS[1], ARGV[2])
  return out`;

/** KEYS: the list of a job's claims, then claims. ARGV: the job. */
const releaseScript = `
  for i = 2, #KEYS do
    if redis.call('GET', KEYS[i]) == ARGV[1] then redis.call('DEL', KEYS[i]) end
    redis.call('SREM', KEYS[1], KEYS[i])
  end`;

const tag = '{embedql}';
export const recordKey = (kind: keyof Kinds, id: string) => `${tag}:${kind}:record:${id}`;
const listKey = (kind: keyof Kinds, key?: string) =>
  key === undefined ? `${tag}:${kind}:all` : `${tag}:${kind}:of:${key}`;
const claimsKey = (id: string) => `${tag}:jobs:claims:${id}`;
const claimKey = (key: string) => `${tag}:jobs:claim:${key}`;

/** Records in Redis, for all replicas. All lie in one slot of a cluster, so that a script may touch any of them. */
export class RedisRecords implements Records {
  readonly #connection: Pick<JobsConnection, 'client'>;
  readonly #keepSeconds: number;

  /** @param keepMs that results and files are kept; records are kept twice as long */
  constructor(connection: Pick<JobsConnection, 'client'>, keepMs: number) {
    this.#connection = connection;
    this.#keepSeconds = Math.ceil((2 * keepMs) / 1_000) + 86_400;
  }

  get #client() {
    return this.#connection.client;
  }

  async add<Kind extends keyof Kinds>(kind: Kind, record: Kinds[Kind]): Promise<void> {
    const { id, key, createdAt } = record;
    const at = recordKey(kind, id);
    const fields = { record: JSON.stringify(record), epoch: '0' };
    await this.#client
      .multi()
      .hset(at, fields)
      .expire(at, this.#keepSeconds)
      .zadd(listKey(kind), createdAt, id)
      .zadd(listKey(kind, key), createdAt, id)
      .exec()
      .then(throwFirst);
  }

  async get<Kind extends keyof Kinds>(kind: Kind, id: string): Promise<Kinds[Kind] | undefined> {
    return (await this.#read(kind, [id]))[0];
  }

  async list<Kind extends keyof Kinds>(
    kind: Kind,
    key: string | undefined,
    most: number,
  ): Promise<Array<Kinds[Kind]>> {
    const at = listKey(kind, key);
    const records: Array<Kinds[Kind]> = [];
    for (let from = 0; from < most; from += together) {
      const ids = await this.#client.zrevrange(at, from, Math.min(most, from + together) - 1);
      const read = await this.#read(kind, ids);
      const gone = ids.filter((_, i) => read[i] === undefined);
      // Their time was over; those that follow have moved up by so many.
      if (gone.length > 0) await this.#client.zrem(at, ...gone);
      records.push(...read.filter((record) => record !== undefined));
      if (ids.length < together) break;
      from -= gone.length;
    }
    return records;
  }

  async #read<Kind extends keyof Kinds>(
    kind: Kind,
    ids: readonly string[],
  ): Promise<Array<Kinds[Kind] | undefined>> {
    if (ids.length === 0) return [];
    const pipeline = this.#client.pipeline();
    for (const id of ids) pipeline.hmget(recordKey(kind, id), 'record', 'epoch', 'cancelled');
    const replies = await pipeline.exec();
    return (replies ?? []).map(([error, fields]) => {
      if (error) throw error;
      return readRecord<Kinds[Kind]>(fields as Array<string | null>);
    });
  }

  async remove(kind: keyof Kinds, id: string): Promise<void> {
    const record = await this.get(kind, id);
    const pipeline = this.#client.multi().del(recordKey(kind, id)).zrem(listKey(kind), id);
    if (record) pipeline.zrem(listKey(kind, record.key), id);
    await pipeline.exec().then(throwFirst);
  }

  async takeUp(id: string): Promise<JobRecord | undefined> {
    const reply = (await this.#client.eval(takeUpScript, 1, recordKey('jobs', id))) as
      | [number, string, string | null]
      | null;
    if (!reply) return undefined;
    const [epoch, record, cancelled] = reply;
    return readRecord<JobRecord>([record, String(epoch), cancelled]);
  }

  async save(job: JobRecord): Promise<boolean> {
    const seconds = isOver(job) ? this.#keepSeconds : 2 * this.#keepSeconds;
    const at = recordKey('jobs', job.id);
    return (
      (await this.#client.eval(saveScript, 1, at, String(job.epoch), JSON.stringify(job), seconds)) === 1
    );
  }

  async isHeld({ id, epoch }: JobHolder): Promise<boolean> {
    return (await this.#client.hget(recordKey('jobs', id), 'epoch')) === String(epoch);
  }

  async cancel(id: string): Promise<boolean> {
    return (await this.#client.eval(cancelScript, 1, recordKey('jobs', id), String(Date.now()))) === 1;
  }

  async isCancelled(id: string): Promise<boolean> {
    return (await this.#client.hexists(recordKey('jobs', id), 'cancelled')) === 1;
  }

  async claim(keys: readonly string[], id: string): Promise<boolean[]> {
    const claimed: boolean[] = [];
    for (let from = 0; from < keys.length; from += together) {
      const some = keys.slice(from, from + together).map(claimKey);
      const all = [claimsKey(id), ...some];
      const reply = await this.#client.eval(claimScript, all.length, ...all, id, claimSeconds);
      claimed.push(...(reply as number[]).map((one) => one === 1));
    }
    return claimed;
  }

  async release(id: string): Promise<void> {
    const at = claimsKey(id);
    for (;;) {
      const some = (await this.#client.srandmember(at, together)) as string[];
      if (some.length === 0) return;
      await this.#client.eval(releaseScript, some.length + 1, at, ...some, id);
    }
  }
}

/** What stands in the fields of a record, where it can be read. */
function readRecord<Record extends JobRecord | FileRecord>([text, epoch, cancelled]: Array<
  string | null | undefined
>): Record | undefined {
  if (!text) return undefined;
  const record = JSON.parse(text) as Record;
  return {
    ...record,
    epoch: Number(epoch ?? 0),
    ...(cancelled ? { cancelledAt: Number(cancelled) } : {}),
  };
}

/** A transaction tells of its failures one by one. */
function throwFirst(replies: Array<[error: Error | null, result: unknown]> | null): void {
  const failed = replies?.find(([error]) => error);
  if (failed?.[0]) throw failed[0];
}
