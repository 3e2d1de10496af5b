/**
 * The `code` of a tool call's arguments, decoded while the model writes them: `{"code": "pri` gives `pri`. Arguments that do not begin
 * with `code` are given at their end only.
 */
export class CodeArgument {
  #raw = "";
  #told = "";
  /** Where the next undecoded character of the string stands in `#raw`; null until the string has begun. */
  #at: number | null = null;
  #closed = false;

  /** The characters that this fragment adds to the code. */
  push(fragment: string): string {
    this.#raw += fragment;
    if (this.#closed) return "";
    if (this.#at === null) {
      const opening = /^\s*\{\s*"code"\s*:\s*"/.exec(this.#raw);
      if (opening === null) return "";
      this.#at = opening[0].length;
    }
    const decoded = this.#decode(this.#at);
    this.#told += decoded;
    return decoded;
  }

  /** All code told so far. */
  get told(): string {
    return this.#told;
  }

  /** The whole code, once the arguments are complete; null when they are no object with a string `code`. */
  end(): string | null {
    let parsed: unknown;
    try {
      parsed = JSON.parse(this.#raw);
    } catch {
      return null;
    }
    if (typeof parsed !== "object" || parsed === null || !("code" in parsed) || typeof parsed.code !== "string") return null;
    // A second `code` in the object would make what was told a lie.
    return parsed.code.startsWith(this.#told) ? parsed.code : null;
  }

  #decode(from: number): string {
    let text = "";
    let at = from;
    while (at < this.#raw.length) {
      const char = this.#raw[at] as string;
      if (char === '"') {
        this.#closed = true;
        break;
      }
      const length = char === "\\" ? escapeLength(this.#raw, at) : 1;
      // An escape that is not whole yet waits for the next fragment.
      if (at + length > this.#raw.length) break;
      text += char === "\\" ? unescaped(this.#raw.slice(at, at + length)) : char;
      at += length;
    }
    this.#at = at;
    return text;
  }
}

/** Characters of the escape at `at`; both halves of a surrogate pair, so that no event carries half a character. */
function escapeLength(raw: string, at: number): number {
  if (raw[at + 1] !== "u") return 2;
  return /^\\u[dD][89abAB]/.test(raw.slice(at, at + 4)) && (raw.length < at + 8 || raw.startsWith("\\u", at + 6)) ? 12 : 6;
}

function unescaped(sequence: string): string {
  try {
    return String(JSON.parse(`"${sequence}"`));
  } catch {
    // Not JSON: `end` will refuse the whole.
    return "";
  }
}
