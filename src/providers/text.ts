/**
 * The shortest start of `text` that is enough, found by doubling from `firstChars`; the whole text where
 * nothing less is. Never splits a surrogate pair.
 */
export function growUntil(text: string, firstChars: number, isEnough: (start: string) => boolean): string {
  for (let chars = firstChars; chars < text.length; chars *= 2) {
    const start = sliceWhole(text, chars);
    if (isEnough(start)) return start;
  }
  return text;
}

/** The first `chars` UTF-16 units, one less where that would cut a character in two. */
export function sliceWhole(text: string, chars: number): string {
  const last = text.charCodeAt(chars - 1);
  const isHighSurrogate = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, isHighSurrogate ? chars - 1 : chars);
}
