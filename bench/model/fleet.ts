import { Zipf } from './zipf.ts';

/** What is asked for. */
export interface Load {
  readonly textsADay: number;
  /** Different texts that there are. */
  readonly corpus: number;
  readonly exponent: number;
  readonly tokensAText: number;
  readonly usdPerMillionTokens: number;
  /** Days that a vector is kept. */
  readonly ttlDays: number;
  /** Texts of one request. */
  readonly textsARequest: number;
  /** How much more is asked for at the busiest time than on average. */
  readonly peak: number;
}

/** Milliseconds of a processor, bytes and counts, as docs/performance.md has them of a machine with two cores. */
export const measured = {
  /** A request with one cached text: 5,100 a second of one process (bench:hits). */
  requestMs: 0.2,
  /** A cached text more in the same request (bench:hits, 100 aliases). */
  textMs: 0.01,
  /** What a text costs besides that comes out of Redis, or is computed (bench:cache, 100 texts). */
  redisHitMs: 0.01,
  missMs: 0.14,
  /** A vector of 1,536 numbers in Redis with its key, and on the wire (bench:cache). */
  redisEntryBytes: 7_320,
  wireBytes: 6_250,
  /** Vectors in the 128 MB of a process (bench:cache). */
  memoryEntries: 20_000,
  /** A process' resident memory with that (bench:scale). */
  processMb: 350,
} as const;

/** What one Redis does: scripts and writes a second with one core, bytes a second, bytes of memory that one still restarts with. */
export const oneRedis = {
  scriptsASecond: 40_000,
  writesASecond: 100_000,
  bytesASecond: 1.25e9 / 2,
  memoryBytes: 64e9,
} as const;

/** What a fleet comes to. */
export interface Fleet {
  readonly replicas: number;
  readonly hitRate: number;
  readonly fromMemory: number;
  readonly missesADay: number;
  readonly usdADay: number;
  readonly redisBytes: number;
  readonly scriptsASecond: number;
  readonly writesASecond: number;
  readonly redisBytesASecond: number;
  readonly ledgerWritesASecond: number;
  /** Which part of what one Redis can do is used at the busiest time. */
  readonly redisUse: { scripts: number; network: number; memory: number };
}

const daySeconds = 86_400;

/** Processors are to be half idle at the busiest time. */
const utilisation = 0.5;

export function fleetFor(load: Load): Fleet {
  const zipf = new Zipf(load.corpus, load.exponent);
  const { textsADay, ttlDays, textsARequest, peak } = load;
  // An entry lives so long after it was written, whether or not it is asked for: in each life it is missed once.
  const lives = (share: number) => share * textsADay * ttlDays;
  const hitRate = zipf.sum((share) => share * (lives(share) / (1 + lives(share))));
  const entries = zipf.sum((share) => lives(share) / (1 + lives(share)));
  const missesADay = textsADay * (1 - hitRate);
  const requestsADay = textsADay / textsARequest;
  // How many replicas there are says how much each has in memory, and that how much each has to do.
  let replicas = 2;
  let fromMemory = 0;
  for (let round = 0; round < 20; round++) {
    fromMemory = Math.min(hitRate, memoryHits(zipf, textsADay / replicas, ttlDays));
    const ms =
      requestsADay * measured.requestMs +
      (textsADay - requestsADay) * measured.textMs +
      textsADay * (hitRate - fromMemory) * measured.redisHitMs +
      missesADay * measured.missMs;
    replicas = Math.max(2, Math.ceil(((ms / 1_000 / daySeconds) * peak) / utilisation));
  }
  const perSecond = (aDay: number) => (aDay / daySeconds) * peak;
  const asked = 1 - fromMemory;
  // A request asks Redis where one of its texts is not in memory.
  const scripts = perSecond(requestsADay * (1 - (1 - asked) ** textsARequest));
  const writes = perSecond(2 * missesADay);
  const redisBytesASecond = perSecond(textsADay * asked * measured.wireBytes);
  const redisBytes = entries * measured.redisEntryBytes;
  return {
    replicas,
    hitRate,
    fromMemory,
    missesADay,
    usdADay: (missesADay * load.tokensAText * load.usdPerMillionTokens) / 1e6,
    redisBytes,
    scriptsASecond: scripts,
    writesASecond: writes,
    redisBytesASecond,
    ledgerWritesASecond: 2 * replicas,
    redisUse: {
      scripts: (scripts + 2 * replicas) / oneRedis.scriptsASecond + writes / oneRedis.writesASecond,
      network: redisBytesASecond / oneRedis.bytesASecond,
      memory: redisBytes / oneRedis.memoryBytes,
    },
  };
}

/** Which part of a process' texts its memory has: what was used last stays for as long as there is room (Che's approximation). */
function memoryHits(zipf: Zipf, textsADay: number, ttlDays: number): number {
  const held = (days: number) => zipf.sum((share) => 1 - Math.exp(-share * textsADay * days));
  let [least, most] = [0, ttlDays];
  if (held(most) > measured.memoryEntries)
    for (let round = 0; round < 40; round++) {
      const middle = (least + most) / 2;
      if (held(middle) > measured.memoryEntries) most = middle;
      else least = middle;
    }
  return zipf.sum((share) => share * (1 - Math.exp(-share * textsADay * most)));
}
