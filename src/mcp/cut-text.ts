/**
 * Shortens a text to at most `charsMax` characters: its beginning and its end, with a line between them that gives the
 * length of the cut. The last lines of a program's output are as important as the first.
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

/** Room for the line about the cut. */
const NOTE_CHARS = 48;
