/**
 * Text of at most `charsMax` characters: its beginning and its end, with a line between them that says how much is
 * left out. What a program prints last tells as much as what it prints first.
 */
export function cutText(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  const kept = Math.max(0, charsMax - NOTE_CHARS);
  const head = Math.ceil((kept * 2) / 3);
  const tail = kept - head;
  const left = text.length - kept;
  // A cut through a surrogate pair leaves half a character, which JSON readers may refuse.
  return `${text.slice(0, head)}\n[… ${left} characters left out …]\n${tail === 0 ? "" : text.slice(-tail)}`.toWellFormed();
}

/** Room for the line in between. */
const NOTE_CHARS = 48;
