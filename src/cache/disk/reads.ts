import type { Place } from './key-index.ts';

/** Places of one segment that one read gets. */
export interface ReadGroup {
  readonly segment: number;
  readonly from: number;
  to: number;
  /** Which of the places: their indexes. */
  readonly members: number[];
}

/** Bytes between two entries that are rather read than asked for around. */
const bridgedBytes = 16_384;

/** Bytes that one read gets at the most, where it gets several entries. */
const longestRead = 2_097_152;

/** As few reads as it takes: texts that were computed together lie together. @param places undefined where there is none */
export function planReads(places: ReadonlyArray<Place | undefined>): ReadGroup[] {
  const order = [...places.keys()].filter((i) => places[i] !== undefined);
  order.sort((a, b) => places[a]!.segment - places[b]!.segment || places[a]!.offset - places[b]!.offset);
  const groups: ReadGroup[] = [];
  for (const i of order) {
    const { segment, offset, size } = places[i]!;
    const last = groups.at(-1);
    const end = offset + size;
    if (
      last &&
      last.segment === segment &&
      offset - last.to <= bridgedBytes &&
      end - last.from <= longestRead
    ) {
      last.to = Math.max(last.to, end);
      last.members.push(i);
    } else groups.push({ segment, from: offset, to: end, members: [i] });
  }
  return groups;
}
