import { hashLabel } from './entries.ts';

/** Where an entry lies, as the index has it. */
export interface Place {
  /** The segment's number in the index. */
  readonly segment: number;
  readonly offset: number;
  /** Bytes of its record. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly writtenAt: number;
}

/** A place as a walk through the index comes upon it. */
export interface LabelledPlace extends Place {
  readonly label: string;
}

/** Words of a slot: four of the key, segment and label, offset, size with a bit for "used", time of writing. */
const slotWords = 8;
const [segmentAt, offsetAt, sizeAt, timeAt] = [4, 5, 6, 7];
const usedBit = 0x8000_0000;
const sizeMask = 0x7fff_ffff;

/** Tables that the keys are spread over, so that none is large and growing takes no time that anybody notices. */
const shards = 64;
const firstSlots = 16;

/** How many labels and segments 16 bits can tell apart. */
export const maxNumber = 0xffff;

/**
 * Which entries there are and where: 32 bytes a slot, two thirds of the slots taken at the most, no object for an entry. A
 * key is 16 bytes here (the head of the text's hash, mixed with its label's hash), so what is read has to be compared.
 */
export class KeyIndex {
  readonly #tables = Array.from({ length: shards }, () => new Table());
  readonly #labels: string[] = [];
  readonly #labelNumbers = new Map<string, number>();
  readonly #labelHashes: Uint32Array[] = [];
  readonly #key = new Uint32Array(4);

  /** Entries. */
  get size(): number {
    return this.#tables.reduce((sum, { count }) => sum + count, 0);
  }

  /** Bytes that it takes up. */
  get bytes(): number {
    return this.#tables.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Where a text's vector lies. @param head sixteen bytes of the text's hash, or more */
  get(label: string, head: Buffer): Place | undefined {
    const number = this.#labelNumbers.get(label);
    return number === undefined ? undefined : this.#mix(number, head).get(this.#key);
  }

  /** @returns false where there are more labels than it can number */
  set(label: string, head: Buffer, place: Place): boolean {
    const number = this.#numberOf(label);
    if (number === undefined) return false;
    this.#mix(number, head).set(this.#key, place, number);
    return true;
  }

  /** Notes that somebody has read it. */
  use(label: string, head: Buffer): void {
    const number = this.#labelNumbers.get(label);
    if (number !== undefined) this.#mix(number, head).use(this.#key);
  }

  isUsed(label: string, head: Buffer): boolean {
    const number = this.#labelNumbers.get(label);
    return number !== undefined && this.#mix(number, head).isUsed(this.#key);
  }

  delete(label: string, head: Buffer): void {
    const number = this.#labelNumbers.get(label);
    if (number !== undefined) this.#mix(number, head).delete(this.#key);
  }

  /** All entries, a table's worth at a time, so that others may run in between. */
  *places(): Generator<LabelledPlace[], void, void> {
    for (const table of this.#tables)
      yield table.places().map(({ label, ...place }) => ({ ...place, label: this.#labels[label]! }));
  }

  /** Removes entries, a table's worth at a time. Yields how many. @param segment of this one; -1 for any */
  *remove(segment: number, isMeant: (label: string) => boolean): Generator<number, void, void> {
    const meant = this.#labels.map(isMeant);
    for (const table of this.#tables) yield table.remove(segment, meant);
  }

  #numberOf(label: string): number | undefined {
    const known = this.#labelNumbers.get(label);
    if (known !== undefined) return known;
    const number = this.#labels.length;
    if (number > maxNumber) return undefined;
    const hash = hashLabel(label);
    this.#labels.push(label);
    this.#labelNumbers.set(label, number);
    this.#labelHashes.push(Uint32Array.from([0, 4, 8, 12], (at) => hash.readUInt32LE(at)));
    return number;
  }

  /** Puts the key together. @returns its table */
  #mix(number: number, head: Buffer): Table {
    const hash = this.#labelHashes[number]!;
    for (let i = 0; i < 4; i++) this.#key[i] = head.readUInt32LE(4 * i) ^ hash[i]!;
    return this.#tables[this.#key[0]! % shards]!;
  }
}

/** Open addressing with linear probing. */
class Table {
  #words: Uint32Array = new Uint32Array(firstSlots * slotWords);
  #mask = firstSlots - 1;
  count = 0;

  get bytes(): number {
    return this.#words.byteLength;
  }

  get(key: Uint32Array): Place | undefined {
    const at = this.#find(key);
    return this.#isFree(at) ? undefined : this.#placeAt(at);
  }

  set(key: Uint32Array, { segment, offset, size, writtenAt }: Place, label: number): void {
    let at = this.#find(key);
    if (this.#isFree(at)) {
      this.count += 1;
      if (this.count * 3 > (this.#mask + 1) * 2) {
        this.#grow();
        at = this.#find(key);
      }
      this.#words.set(key, at);
    }
    this.#words[at + segmentAt] = segment | (label << 16);
    this.#words[at + offsetAt] = offset;
    this.#words[at + sizeAt] = size & sizeMask;
    this.#words[at + timeAt] = writtenAt;
  }

  use(key: Uint32Array): void {
    const at = this.#find(key);
    if (!this.#isFree(at)) this.#words[at + sizeAt]! |= usedBit;
  }

  isUsed(key: Uint32Array): boolean {
    return (this.#words[this.#find(key) + sizeAt]! & usedBit) !== 0;
  }

  delete(key: Uint32Array): void {
    const at = this.#find(key);
    if (!this.#isFree(at)) this.#free(at);
  }

  places(): Array<Place & { label: number }> {
    const places: Array<Place & { label: number }> = [];
    for (let at = 0; at < this.#words.length; at += slotWords)
      if (!this.#isFree(at))
        places.push({ ...this.#placeAt(at), label: this.#words[at + segmentAt]! >>> 16 });
    return places;
  }

  remove(segment: number, meant: readonly boolean[]): number {
    const before = this.count;
    // What is freed may be filled from behind, so a slot is looked at until it stays.
    for (let at = 0; at < this.#words.length; )
      if (!this.#isFree(at) && this.#isMeant(at, segment, meant)) this.#free(at);
      else at += slotWords;
    return before - this.count;
  }

  #isMeant(at: number, segment: number, meant: readonly boolean[]): boolean {
    const word = this.#words[at + segmentAt]!;
    return (segment === -1 || (word & maxNumber) === segment) && meant[word >>> 16] === true;
  }

  #placeAt(at: number): Place {
    return {
      segment: this.#words[at + segmentAt]! & maxNumber,
      offset: this.#words[at + offsetAt]!,
      size: this.#words[at + sizeAt]! & sizeMask,
      writtenAt: this.#words[at + timeAt]!,
    };
  }

  #isFree(at: number): boolean {
    return this.#words[at + sizeAt] === 0;
  }

  /** The slot that a key goes to first. */
  #home(at: number, words = this.#words): number {
    return (words[at + 1]! & this.#mask) * slotWords;
  }

  #next(at: number): number {
    return (at + slotWords) % this.#words.length;
  }

  /** The slot that has the key, or the free one where it would go. */
  #find(key: Uint32Array): number {
    const words = this.#words;
    let at = this.#home(0, key);
    while (
      !this.#isFree(at) &&
      (words[at] !== key[0] ||
        words[at + 1] !== key[1] ||
        words[at + 2] !== key[2] ||
        words[at + 3] !== key[3])
    )
      at = this.#next(at);
    return at;
  }

  /** Frees a slot, and moves up what was pushed behind it. */
  #free(at: number): void {
    this.count -= 1;
    let hole = at;
    for (let behind = this.#next(at); !this.#isFree(behind); behind = this.#next(behind)) {
      const distance = (from: number) => (behind - from + this.#words.length) % this.#words.length;
      if (distance(this.#home(behind)) < distance(hole)) continue;
      this.#words.copyWithin(hole, behind, behind + slotWords);
      hole = behind;
    }
    this.#words.fill(0, hole, hole + slotWords);
  }

  #grow(): void {
    const old: Uint32Array = this.#words;
    this.#words = new Uint32Array(2 * old.length);
    this.#mask = this.#words.length / slotWords - 1;
    for (let at = 0; at < old.length; at += slotWords) {
      if (old[at + sizeAt] === 0) continue;
      this.#words.set(old.subarray(at, at + slotWords), this.#find(old.subarray(at, at + 4)));
    }
  }
}
