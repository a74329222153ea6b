/** Something that waits for a place in a batch. */
export interface Queued {
  /** Who asked: an operation. Places in a batch go round by turns among those who asked. */
  readonly group: object;
  /** Items of different kinds never share a batch. Default: one kind. */
  readonly kind?: string | undefined;
  /** The most items that a batch with this one in it may have. */
  readonly maxBatchSize: number;
  /** The most tokens it can take up. */
  readonly maxTokens: number;
}

export interface BatchLimits {
  size: number;
  tokens: number;
}

/** Items of one operation. Some of them may have been taken out since. */
interface Lane<Item> {
  group: object;
  items: Fifo<Item>;
  waiting: number;
}

/** Items of one kind that share a batch limit: a lane for each operation, in the order of their next turn. */
interface LimitClass<Item> {
  kind: string;
  limit: number;
  lanes: Map<object, Lane<Item>>;
  turns: Fifo<Lane<Item>>;
  waiting: number;
}

/**
 * A queue that fills batches. Every operation has a lane, and lanes take turns, so that a single text does
 * not stand behind the whole of somebody's huge batch. Operations that ask for small batches are kept together,
 * so that they do not make everybody's batches small.
 */
export class FairQueue<Item extends Queued> {
  /** By kind and batch limit; the one whose turn it is comes first. */
  readonly #classes = new Map<string, LimitClass<Item>>();
  readonly #waiting = new Map<Item, Lane<Item>>();

  get size(): number {
    return this.#waiting.size;
  }

  add(item: Item): void {
    const { kind = '', maxBatchSize: limit } = item;
    const key = classKey(item);
    let limitClass = this.#classes.get(key);
    if (!limitClass) {
      limitClass = { kind, limit, lanes: new Map(), turns: new Fifo(), waiting: 0 };
      this.#classes.set(key, limitClass);
    }
    let lane = limitClass.lanes.get(item.group);
    if (!lane) {
      lane = { group: item.group, items: new Fifo(), waiting: 0 };
      limitClass.lanes.set(item.group, lane);
      limitClass.turns.push(lane);
    }
    lane.items.push(item);
    lane.waiting += 1;
    limitClass.waiting += 1;
    this.#waiting.set(item, lane);
  }

  /** Takes an item out again. @returns whether it was still waiting. */
  remove(item: Item): boolean {
    const lane = this.#waiting.get(item);
    if (!lane) return false;
    this.#takeOut(this.#classes.get(classKey(item))!, lane, item);
    return true;
  }

  /** Whether there is a batch that could not grow by waiting. */
  hasFullBatch(limits: BatchLimits): boolean {
    for (const { limit, waiting } of this.#classes.values()) {
      if (waiting >= Math.min(limit, limits.size)) return true;
    }
    return false;
  }

  /**
   * Takes the next batch: the class whose turn it is, then whatever of the others of its kind fits in beside it.
   * An item that alone passes the token limit gets a batch of its own.
   */
  take(limits: BatchLimits): Item[] {
    const batch: Item[] = [];
    const room = { ...limits };
    let kind: string | undefined;
    for (const [key, limitClass] of [...this.#classes]) {
      const { limit } = limitClass;
      kind ??= limitClass.kind;
      if (limitClass.kind !== kind || batch.length >= Math.min(limit, room.size)) continue;
      room.size = Math.min(room.size, limit);
      // Served now, so its next turn is after everybody else's.
      this.#classes.delete(key);
      this.#classes.set(key, limitClass);
      this.#fill(batch, limitClass, room);
      if (batch.length >= room.size) break;
    }
    return batch;
  }

  #fill(batch: Item[], limitClass: LimitClass<Item>, room: BatchLimits): void {
    const { turns } = limitClass;
    let lanesWithoutFit = 0;
    while (batch.length < room.size && limitClass.lanes.size > lanesWithoutFit) {
      const lane = turns.shift()!;
      // Nothing of it is left, and it has been forgotten.
      if (lane.waiting === 0) continue;
      // To the end of the line: the next place is somebody else's.
      turns.push(lane);
      const item = this.#firstOf(lane);
      if (item.maxTokens > room.tokens && batch.length > 0) {
        lanesWithoutFit += 1;
        continue;
      }
      lanesWithoutFit = 0;
      room.tokens -= item.maxTokens;
      batch.push(item);
      lane.items.shift();
      this.#takeOut(limitClass, lane, item);
    }
  }

  /** The first that still waits here; those that were taken out, or wait elsewhere since, are dropped on the way. */
  #firstOf(lane: Lane<Item>): Item {
    const { items } = lane;
    while (this.#waiting.get(items.peek()!) !== lane) items.shift();
    return items.peek()!;
  }

  #takeOut(limitClass: LimitClass<Item>, lane: Lane<Item>, item: Item): void {
    this.#waiting.delete(item);
    lane.waiting -= 1;
    limitClass.waiting -= 1;
    if (lane.waiting === 0) limitClass.lanes.delete(lane.group);
    if (limitClass.waiting === 0) this.#classes.delete(classKey(item));
  }
}

function classKey({ kind = '', maxBatchSize }: Queued): string {
  return kind + maxBatchSize;
}

/** First in, first out. A Set or Map would do, but skips over everything that was taken out of it before. */
export class Fifo<Item> {
  #items: Item[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  peek(): Item | undefined {
    return this.#items[this.#head];
  }

  shift(): Item | undefined {
    const item = this.#items[this.#head];
    if (this.size > 0) this.#head += 1;
    // What has been taken out is let go of once it is most of the array.
    if (this.#head > 32 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
