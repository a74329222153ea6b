const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

export interface JsonLimits {
  /** Lists, objects and members of objects together. */
  readonly inside: number;
  /** Members of one object. */
  readonly members: number;
  /** Bytes of a member's name. V8 hashes very long strings by their length alone, and then compares each with each. */
  readonly name: number;
}

/**
 * Whether JSON has more in it than is allowed. `JSON.parse` takes a hundred times as long for a list or a member as for a
 * character, whoever looks at an object goes over all of its members, and nothing can interrupt that; this looks at each
 * byte once, and makes nothing.
 */
export function hasMoreInside(json: Buffer, limits: JsonLimits): boolean {
  let inside = 0;
  let members = 0;
  /** Bytes of the string that was last. */
  let lastString = 0;
  /** Members so far of the objects around this one. */
  const around: number[] = [];
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case quote: {
        const end = endOfString(json, at);
        lastString = end - at - 1;
        at = end;
        break;
      }
      case openList:
      case openObject:
        around.push(members);
        members = 0;
        if (++inside > limits.inside) return true;
        break;
      case closeList:
      case closeObject:
        members = around.pop() ?? 0;
        break;
      case colon:
        if (lastString > limits.name) return true;
        if (++members > limits.members || ++inside > limits.inside) return true;
        break;
    }
  }
  return false;
}

/** Bytes of a string that are looked at here; the quote that ends a longer one is faster found by the processor. */
const nearBytes = 64;

/** Where a string ends that begins at `start`; the end of everything where it does not. */
function endOfString(json: Buffer, start: number): number {
  for (let at = start + 1; ; ) {
    for (const near = Math.min(json.length, at + nearBytes); at < near; at++) {
      const byte = json[at];
      if (byte === quote) return at;
      if (byte === backslash) at += 1;
    }
    const next = at < json.length ? json.indexOf(quote, at) : -1;
    if (next === -1) return json.length;
    let backslashes = 0;
    while (next - backslashes > at && json[next - backslashes - 1] === backslash) backslashes += 1;
    if (backslashes % 2 === 0) return next;
    at = next + 1;
  }
}
