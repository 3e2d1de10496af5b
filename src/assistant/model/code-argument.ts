/**
 * Decodes the `code` of a tool call's arguments while they stream: `{"code": "pri` gives `pri`. When `code` is not the first key, it is
 * available only at the end.
 */
export class CodeArgument {
  #raw = "";
  #decoded = "";
  /** Position in `#raw` of the next character to decode; null until the string has begun. */
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
    this.#decoded += decoded;
    return decoded;
  }

  /** All code that `push` has returned. */
  get decoded(): string {
    return this.#decoded;
  }

  /** The whole code, once the arguments are complete; null when they are not an object with a string `code`. */
  end(): string | null {
    let parsed: unknown;
    try {
      parsed = JSON.parse(this.#raw);
    } catch {
      return null;
    }
    if (typeof parsed !== "object" || parsed === null || !("code" in parsed) || typeof parsed.code !== "string") return null;
    // A second `code` in the object would contradict what was already streamed.
    return parsed.code.startsWith(this.#decoded) ? parsed.code : null;
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
      // An incomplete escape waits for the next fragment.
      if (at + length > this.#raw.length) break;
      text += char === "\\" ? unescaped(this.#raw.slice(at, at + length)) : char;
      at += length;
    }
    this.#at = at;
    return text;
  }
}

/** Length of the escape at `at`. A surrogate pair counts as one escape, so that no event carries half a character. */
function escapeLength(raw: string, at: number): number {
  if (raw[at + 1] !== "u") return 2;
  return /^\\u[dD][89abAB]/.test(raw.slice(at, at + 4)) && (raw.length < at + 8 || raw.startsWith("\\u", at + 6)) ? 12 : 6;
}

function unescaped(sequence: string): string {
  try {
    return String(JSON.parse(`"${sequence}"`));
  } catch {
    // Not JSON: `end` will reject the arguments.
    return "";
  }
}
