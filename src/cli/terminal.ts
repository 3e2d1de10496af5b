/**
 * What a sandbox printed, made harmless for a terminal: a program must not move the cursor, set the title, or write
 * to the clipboard of the person who looks at its output. New lines, tabs and carriage returns (progress bars) stay.
 */
export function harmless(text: string): string {
  return text.replace(/[^\P{Cc}\n\t\r]|\p{Bidi_Control}/gu, visible);
}

/** The same on one line, for names and messages inside our own sentences. */
export function harmlessLine(text: string): string {
  return text.replace(/\p{Cc}|\p{Bidi_Control}|[\u2028\u2029]/gu, visible);
}

/** Control characters have pictures of their own in Unicode; the rest becomes the replacement character. */
function visible(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "\u2421" : "\ufffd";
}
