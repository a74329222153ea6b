import { Zipf } from './zipf.ts';

/** A run from empty caches, small enough for one machine: operations of a few different texts, spread evenly over processes. */
export interface SmallRun {
  readonly processes: number;
  readonly operations: number;
  readonly textsAnOperation: number;
  readonly corpus: number;
  readonly exponent: number;
}

/** What the run comes to: texts by where they come from, and look-ups in Redis. */
export interface SmallCounts {
  readonly texts: number;
  readonly fromMemory: number;
  readonly fromRedis: number;
  readonly computed: number;
  readonly lookUps: number;
  /** Operations that have a text computed. */
  readonly computing: number;
}

/** Operations that are taken together where the model walks through time. */
const step = 10;

export function countsOf({
  processes,
  operations,
  textsAnOperation,
  corpus,
  exponent,
}: SmallRun): SmallCounts {
  const zipf = new Zipf(corpus, exponent);
  const each = operations / processes;
  /** How likely an operation has a text in it. */
  const has = (share: number) => 1 - (1 - share) ** textsAnOperation;
  const texts = operations * zipf.sum(has);
  const seen = (among: number) => zipf.sum((share) => 1 - (1 - has(share)) ** among);
  const computed = seen(operations);
  const missedInMemory = processes * seen(each);
  /** Operations with a text that none of those before has had. */
  const withNew = (among: number) => {
    let found = 0;
    for (let at = 0; at < among; at += step) {
      const missing = zipf.sum((share) => has(share) * (1 - has(share)) ** (at + step / 2));
      found += Math.min(step, among - at) * (1 - Math.exp(-missing));
    }
    return found;
  };
  return {
    texts,
    fromMemory: texts - missedInMemory,
    fromRedis: missedInMemory - computed,
    computed,
    lookUps: processes * withNew(each),
    computing: withNew(operations),
  };
}
