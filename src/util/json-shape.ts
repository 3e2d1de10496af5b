/** Bounds on what a JSON text holds. Its parts cost, not its length: a megabyte is one string, or half a million lists. */
export interface JsonBounds {
  /** Scalars, lists and objects, nested ones too; a name counts as one more, and an empty list or object as two. */
  valuesMax: number;
  /** Lists and objects in each other. */
  depthMax: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;

/**
 * How many values a JSON text holds, told from its bytes before anything is built of them; null when that, or its depth, is more
 * than the bounds allow. What is no JSON is counted somehow, and refused by its parser.
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
