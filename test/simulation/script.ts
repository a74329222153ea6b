import { seeded } from '../support/virtual-time.ts';

/** How long something takes: at least, at most, in milliseconds. */
export type Range = readonly [least: number, most: number];

export interface ModelScript {
  readonly name: string;
  readonly prefixes: boolean;
  readonly maxBatchSize: number;
  /** What the provider really takes in a call, where that is less. */
  readonly trueLimit: number | undefined;
  readonly free: boolean;
}

export interface KeyScript {
  readonly name: string;
  /** In thousandths of a dollar, which is what a token costs; undefined is without limit. */
  readonly limit: number | undefined;
}

export interface TextScript {
  readonly text: string;
  /** `poison` makes the provider fail, `refused` makes it refuse, `long` is over the model's limit. */
  readonly nature: 'plain' | 'poison' | 'refused' | 'long';
}

export interface ItemScript {
  readonly model: number;
  readonly text: number;
  readonly kind: 'doc' | 'query';
  readonly useCache: boolean;
  readonly truncate: boolean;
  readonly maxBatchSize: number | undefined;
}

export interface RequestScript {
  readonly at: number;
  readonly replica: number;
  readonly key: number;
  readonly items: readonly ItemScript[];
  /** The client goes away after so long. */
  readonly abortMs: number | undefined;
  /** How often the client asks the same again as soon as it has its answer, or has gone. */
  readonly again: number;
}

export interface IncidentScript {
  readonly at: number;
  readonly what:
    | 'kill'
    | 'stop'
    | 'redis slow'
    | 'redis away'
    | 'redis silent'
    | 'redis full'
    | 'redis half away'
    | 'redis flushed'
    | 'redis fails over';
  readonly replica: number;
  /** How long it lasts. A process that was killed is started again after that, unless it is 0. */
  readonly ms: number;
}

/** All that a seed decides before anything happens. What it decides later, latencies above all, follows from these. */
export interface Script {
  readonly seed: number;
  readonly replicas: number;
  /** Whether the replicas share a Redis. */
  readonly shared: boolean;
  readonly models: readonly ModelScript[];
  readonly keys: readonly KeyScript[];
  readonly texts: readonly TextScript[];
  readonly requests: readonly RequestScript[];
  readonly incidents: readonly IncidentScript[];
  readonly redisMs: Range;
  readonly providerMs: Range;
  readonly fitMs: Range;
  readonly reserveMs: Range;
  readonly identityMs: number;
  /** How long it takes to find out whether an operation may have its texts. */
  readonly drawMs: number;
  readonly windowMs: number;
  readonly queueLimit: number;
  readonly deadlineMs: number | undefined;
  readonly concurrency: number;
  /** Whether fewer calls are allowed now and then. */
  readonly adaptive: boolean;
  readonly retries: number;
  /** How often a provider call fails for no reason: 0 to 1. */
  readonly transient: number;
  /** Vectors that the memory tier holds. */
  readonly memoryEntries: number;
}

export const wordsOfLimit = 4;

/** The world of a seed. */
export function scriptOf(seed: number): Script {
  const random = seeded(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995);
  const chance = (likelihood: number) => random() < likelihood;
  const whole = (least: number, most: number) => least + Math.floor(random() * (most - least + 1));
  const pick = <Item>(items: readonly Item[]): Item => items[whole(0, items.length - 1)]!;

  const calm = chance(0.35);
  const fault = (likelihood: number) => !calm && chance(likelihood);
  const shared = chance(0.65);
  const replicas = shared ? whole(1, 4) : whole(1, 2);
  const slow = shared && chance(0.2);
  const providerMs: Range = slow
    ? [1_500, 9_000]
    : pick([
        [1, 3],
        [20, 60],
        [50, 400],
        [0, 150],
      ] as Range[]);
  const horizon = slow ? whole(500, 8_000) : pick([0, 5, 30, 300, 1_000]);
  const smallLimits = fault(0.2);
  const models = Array.from({ length: chance(0.25) ? 2 : 1 }, (_, i): ModelScript => {
    const maxBatchSize = pick([1, 2, 4, 8, 16]);
    const trueLimit = smallLimits ? Math.max(1, Math.floor(maxBatchSize / whole(2, 4))) : undefined;
    return { name: `m${i}`, prefixes: chance(0.4), maxBatchSize, trueLimit, free: chance(0.1) };
  });
  const limited = fault(0.4);
  const keys = Array.from({ length: whole(1, 3) }, (_, i): KeyScript => {
    return { name: `key${i}`, limit: limited && chance(0.6) ? whole(0, 25) : undefined };
  });
  const bad = fault(0.35);
  const long = fault(0.3);
  const texts = Array.from({ length: whole(1, chance(0.2) ? 16 : 6) }, (_, i): TextScript => {
    const nature =
      bad && chance(0.2) ? pick(['poison', 'refused'] as const) : long && chance(0.3) ? 'long' : 'plain';
    const words = nature === 'long' ? whole(wordsOfLimit + 1, wordsOfLimit + 3) : whole(1, wordsOfLimit);
    return { text: Array.from({ length: words }, (_, n) => `t${i}${'abcdefgh'[n]}`).join(' '), nature };
  });
  const uncached = fault(0.25);
  const aborts = chance(0.4);
  const capped = chance(0.2);
  const queries = chance(0.6);
  const requests: RequestScript[] = [];
  const momentOf = () => {
    const earlier = requests.length > 0 && chance(0.5) ? pick(requests) : undefined;
    return earlier ? earlier.at + pick([0, 0, 1, 2, 5, 20, 60]) : Math.floor(random() * horizon);
  };
  for (let i = whole(2, 12); i > 0; i--) {
    const length = pick([1, 1, 1, 2, 3, 4, 6, chance(0.3) ? 20 : 2]);
    requests.push({
      at: momentOf(),
      replica: whole(0, replicas - 1),
      key: whole(0, keys.length - 1),
      abortMs: aborts && chance(0.35) ? Math.floor(random() * pick([3, 30, providerMs[1] * 1.5])) : undefined,
      again: chance(0.25) ? whole(1, 2) : 0,
      items: Array.from({ length }, () => ({
        model: whole(0, models.length - 1),
        text: whole(0, texts.length - 1),
        kind: queries && chance(0.4) ? 'query' : 'doc',
        useCache: !(uncached && chance(0.25)),
        truncate: chance(0.7),
        maxBatchSize: capped && chance(0.3) ? whole(1, 3) : undefined,
      })),
    });
  }
  const incidents: IncidentScript[] = [];
  const incident = (what: IncidentScript['what'], ms: number) =>
    void incidents.push({
      at: Math.floor(random() * (horizon + providerMs[1])),
      what,
      replica: whole(0, replicas - 1),
      ms,
    });
  if (fault(0.25)) incident('kill', chance(0.4) ? whole(10, 1_000) : 0);
  if (fault(0.25)) incident('stop', whole(10, 6_000));
  if (shared && fault(0.15)) incident('redis slow', whole(10, 1_500));
  if (shared && fault(0.15)) incident('redis away', whole(10, 1_500));
  if (shared && fault(0.15)) incident('redis silent', whole(10, 1_500));
  if (shared && fault(0.1)) incident('redis full', whole(10, 3_000));
  if (shared && fault(0.1)) incident('redis half away', whole(10, 3_000));
  if (shared && fault(0.15)) incident('redis flushed', 0);
  if (shared && fault(0.1)) incident('redis fails over', 0);

  return {
    seed,
    replicas,
    shared,
    models,
    keys,
    texts,
    requests,
    incidents,
    redisMs: pick([
      [0, 1],
      [1, 5],
      [5, 60],
    ] as Range[]),
    providerMs,
    fitMs: pick([
      [0, 0],
      [0, 0],
      [1, 5],
      [10, 200],
    ] as Range[]),
    reserveMs: pick([
      [0, 0],
      [1, 5],
      [5, 80],
    ] as Range[]),
    identityMs: chance(0.8) ? 0 : whole(1, 20),
    drawMs: chance(0.8) ? 0 : whole(1, 20),
    windowMs: pick([0, 2, 2, 5]),
    queueLimit: fault(0.1) ? whole(1, 6) : 10_000,
    deadlineMs: fault(0.2) ? pick([50, 300, 2_000]) : undefined,
    concurrency: whole(1, 4),
    adaptive: fault(0.2),
    retries: whole(0, 2),
    transient: fault(0.3) ? pick([0.05, 0.2]) : 0,
    memoryEntries: fault(0.2) ? whole(1, 3) : 1_000,
  };
}
