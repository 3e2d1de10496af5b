/** Bounds on a JSON text. The number of values costs memory, not the length: a megabyte is one string, or half a million lists. */
export interface JsonBounds {
  /** Scalars, lists and objects, nested ones included. A member's name counts as one more, an empty list or object as two. */
  valuesMax: number;
  /** Nesting of lists and objects. */
  depthMax: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;

/**
 * Counts the values of a JSON text from its bytes, before it is parsed; null when the count or the depth exceeds the bounds.
 * The count of invalid JSON is meaningless; its parser rejects it.
 */
export function countJsonValues(text: Uint8Array, { valuesMax, depthMax }: JsonBounds): number | null {
  let values = 1;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case QUOTE:
        at = endOfString(text, at);
        break;
      case COMMA:
      case COLON:
        values += 1;
        break;
      case 0x5b: // [
      case 0x7b: // {
        values += 1;
        depth += 1;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
    }
    if (values > valuesMax || depth > depthMax) return null;
  }
  return values;
}

function endOfString(text: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
  return at;
}
