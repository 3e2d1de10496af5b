/**
 * Makes text from a sandbox harmless for a terminal: a program must not move the cursor, set the title, or write to the user's
 * clipboard. Newlines, tabs and carriage returns (progress bars) are kept.
 */
export function sanitize(text: string): string {
  return text.replace(/[^\P{Cc}\n\t\r]|\p{Bidi_Control}/gu, visible);
}

/** The same on one line, for names and messages inside other sentences. */
export function sanitizeLine(text: string): string {
  return text.replace(/\p{Cc}|\p{Bidi_Control}|[\u2028\u2029]/gu, visible);
}

/** Control characters become their Unicode symbols; others become the replacement character. */
function visible(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "\u2421" : "\ufffd";
}
