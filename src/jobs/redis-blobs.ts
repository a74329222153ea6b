import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { type JobsConnection, recordKey } from './redis-records.ts';
import { bytesGone, bytesUnreadable } from './store-errors.ts';
import type { Blobs, JobHolder } from './vault.ts';

/** Bytes of one part in Redis: a command carries it whole. */
const partBytes = 1_048_576;

/** How a part is encrypted: version, nonce, tag, then what is encrypted. */
const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + nonceBytes + tagBytes;

/**
 * KEYS: the parts, their places, the job that they are written for, where there is one. ARGV: the place of this part, its
 * bytes, seconds to keep, the epoch of the job. What lies behind that place does not count any more. Returns 0 where a later
 * epoch has the job.
 */
const writeScript = `
  if KEYS[3] and redis.call('HGET', KEYS[3], 'epoch') ~= ARGV[4] then return 0 end
  for _, place in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], '+inf')) do
    redis.call('HDEL', KEYS[1], place)
    redis.call('ZREM', KEYS[2], place)
  end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('ZADD', KEYS[2], ARGV[1], ARGV[1])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
  redis.call('EXPIRE', KEYS[2], ARGV[3])
  return 1`;

/** Blobs in Redis, in parts; with a secret nobody can read them who has the Redis alone. */
export class RedisBlobs implements Blobs {
  readonly #connection: Pick<JobsConnection, 'client'>;
  readonly #key: Buffer | undefined;
  readonly #seconds: number;

  /**
   * @param secret encrypts every part; without it they lie there as they are
   * @param keepMs that they are kept after they have been written to
   */
  constructor(connection: Pick<JobsConnection, 'client'>, secret: string | undefined, keepMs: number) {
    this.#connection = connection;
    this.#key =
      secret === undefined
        ? undefined
        : Buffer.from(hkdfSync('sha256', secret, '', 'embedql: texts of jobs', 32));
    this.#seconds = Math.ceil((2 * keepMs) / 1_000) + 86_400;
  }

  async write(name: string, at: number, bytes: Buffer, holder?: JobHolder): Promise<boolean> {
    const keys = [partsKey(name), placesKey(name), ...(holder ? [recordKey('jobs', holder.id)] : [])];
    const epoch = holder ? [String(holder.epoch)] : [];
    for (let from = 0; from < bytes.length; from += partBytes) {
      const part = this.#encrypt(name, at + from, bytes.subarray(from, from + partBytes));
      const { client } = this.#connection;
      const args = [String(at + from), part, this.#seconds, ...epoch];
      if ((await client.eval(writeScript, keys.length, ...keys, ...args)) !== 1) return false;
    }
    return true;
  }

  async *read(name: string, from: number, to: number): AsyncGenerator<Buffer, void, void> {
    if (to <= from) return;
    const { client } = this.#connection;
    const places = (await client.zrangebyscore(placesKey(name), '-inf', `(${to}`)).map(Number);
    let at = from;
    for (const [i, place] of places.entries()) {
      const next = places[i + 1] ?? Number.POSITIVE_INFINITY;
      if (next <= from) continue;
      const stored = await client.hgetBuffer(partsKey(name), String(place));
      const part = stored && this.#decrypt(name, place, stored);
      if (!part || place > at) break;
      const piece = part.subarray(at - place, to - place);
      at += piece.length;
      yield piece;
    }
    if (at < to) throw bytesGone();
  }

  async remove(name: string): Promise<void> {
    await this.#connection.client.unlink(partsKey(name), placesKey(name));
  }

  /** A part belongs to its place: put elsewhere it cannot be read. */
  #encrypt(name: string, at: number, bytes: Buffer): Buffer {
    if (!this.#key) return bytes;
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(`${name} ${at}`));
    const encrypted = Buffer.concat([cipher.update(bytes), cipher.final()]);
    return Buffer.concat([Buffer.from([version]), nonce, cipher.getAuthTag(), encrypted]);
  }

  #decrypt(name: string, at: number, stored: Buffer): Buffer {
    if (!this.#key) return stored;
    if (stored[0] !== version || stored.length < headBytes) throw bytesUnreadable();
    const nonce = stored.subarray(1, 1 + nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce)
      .setAAD(Buffer.from(`${name} ${at}`))
      .setAuthTag(stored.subarray(1 + nonceBytes, headBytes));
    try {
      return Buffer.concat([decipher.update(stored.subarray(headBytes)), decipher.final()]);
    } catch {
      throw bytesUnreadable();
    }
  }
}

function partsKey(name: string): string {
  return `{embedql}:jobs:blob:${name}`;
}

function placesKey(name: string): string {
  return `{embedql}:jobs:places:${name}`;
}
