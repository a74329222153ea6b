import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { type JobsConnection, recordKey } from './redis-records.ts';
import { bytesDamaged, bytesGone, otherSecret } from './store-errors.ts';
import type { Blobs, JobHolder } from './vault.ts';

/** Bytes of one part in Redis: a command carries it whole. */
const partBytes = 1_048_576;

/** How a part is encrypted: version, nonce, tag, then what is encrypted. */
const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + nonceBytes + tagBytes;

/** Tells which secret the jobs of this Redis have, without telling the secret. It is kept for as long as what was encrypted last. */
const checkKey = '{embedql}:jobs:check';

/**
 * KEYS: the parts, their places, the check of the secret, the job that they are written for, where there is one. ARGV: the
 * place of this part, its bytes, seconds to keep, the check of whoever encrypts or nothing, the epoch of the job. What lies
 * behind that place does not count any more. Returns 0 where a later epoch has the job, -1 where jobs have another secret.
 */
const writeScript = `
  if KEYS[4] and redis.call('HGET', KEYS[4], 'epoch') ~= ARGV[5] then return 0 end
  if ARGV[4] ~= '' and not redis.call('SET', KEYS[3], ARGV[4], 'NX') and redis.call('GET', KEYS[3]) ~= ARGV[4] then
    return -1
  end
  for _, place in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], '+inf')) do
    redis.call('HDEL', KEYS[1], place)
    redis.call('ZREM', KEYS[2], place)
  end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('ZADD', KEYS[2], ARGV[1], ARGV[1])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
  redis.call('EXPIRE', KEYS[2], ARGV[3])
  if ARGV[4] ~= '' then redis.call('EXPIRE', KEYS[3], ARGV[3]) end
  return 1`;

/** Blobs in Redis, in parts; with a secret nobody can read them who has the Redis alone. */
export class RedisBlobs implements Blobs {
  readonly #connection: Pick<JobsConnection, 'client'>;
  readonly #key: Buffer | undefined;
  /** Nothing where nothing is encrypted. */
  readonly #check: string;
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
    this.#check = this.#key
      ? createHmac('sha256', this.#key).update('embedql: check of the secret').digest('base64url')
      : '';
    this.#seconds = Math.ceil((2 * keepMs) / 1_000) + 86_400;
  }

  /** @throws (rejects) EmbedQLError where the jobs of this Redis were taken under another secret */
  async requireSameSecret(): Promise<void> {
    if (this.#check === '') return;
    const kept = await this.#connection.client.get(checkKey);
    if (kept !== null && kept !== this.#check) throw otherSecret();
  }

  /** @throws (rejects) EmbedQLError where the jobs of this Redis were taken under another secret: nothing was written */
  async write(name: string, at: number, bytes: Buffer, holder?: JobHolder): Promise<boolean> {
    const keys = [
      partsKey(name),
      placesKey(name),
      checkKey,
      ...(holder ? [recordKey('jobs', holder.id)] : []),
    ];
    const epoch = holder ? [String(holder.epoch)] : [];
    for (let from = 0; from < bytes.length; from += partBytes) {
      const part = this.#encrypt(name, at + from, bytes.subarray(from, from + partBytes));
      const { client } = this.#connection;
      const args = [String(at + from), part, this.#seconds, this.#check, ...epoch];
      const written = await client.eval(writeScript, keys.length, ...keys, ...args);
      if (written === -1) throw otherSecret();
      if (written !== 1) return false;
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
      if (!stored || place > at) break;
      const part = this.#decrypt(name, place, stored) ?? (await this.#refuseUnreadable());
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

  /** @throws (rejects) LostError only where it is certain that the secret is the right one: what is damaged stays so */
  async #refuseUnreadable(): Promise<never> {
    throw (await this.#connection.client.get(checkKey)) === this.#check ? bytesDamaged() : otherSecret();
  }

  /** @returns undefined where it cannot be read with this secret */
  #decrypt(name: string, at: number, stored: Buffer): Buffer | undefined {
    if (!this.#key) return stored;
    if (stored[0] !== version || stored.length < headBytes) return undefined;
    const nonce = stored.subarray(1, 1 + nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce)
      .setAAD(Buffer.from(`${name} ${at}`))
      .setAuthTag(stored.subarray(1 + nonceBytes, headBytes));
    try {
      return Buffer.concat([decipher.update(stored.subarray(headBytes)), decipher.final()]);
    } catch {
      return undefined;
    }
  }
}

function partsKey(name: string): string {
  return `{embedql}:jobs:blob:${name}`;
}

function placesKey(name: string): string {
  return `{embedql}:jobs:places:${name}`;
}
