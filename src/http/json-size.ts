const quote = 0x22;
const backslash = 0x5c;
const list = 0x5b;
const object = 0x7b;

/**
 * Whether JSON has more than `most` lists and objects. `JSON.parse` takes a hundred times as long for a list as for a
 * character, and nothing can interrupt it; this looks at each character once, and makes nothing.
 */
export function hasMoreInside(json: string, most: number): boolean {
  let inside = 0;
  for (let at = 0; at < json.length; at++) {
    const character = json.charCodeAt(at);
    if (character === quote) {
      at = endOfString(json, at);
      if (at === -1) return false;
    } else if (character === list || character === object) {
      inside += 1;
      if (inside > most) return true;
    }
  }
  return false;
}

/** Where a string ends that begins at `at`; -1 where it does not. */
function endOfString(json: string, at: number): number {
  for (let end = json.indexOf('"', at + 1); end !== -1; end = json.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (json.charCodeAt(end - 1 - backslashes) === backslash) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return -1;
}
