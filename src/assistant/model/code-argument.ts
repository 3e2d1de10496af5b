import { JsonExtent } from "./json-extent.ts";

/** Names under which models give their code. */
const KEYS = ["code", "python", "python_code", "source", "script", "input"];
const OPENING = new RegExp(`^\\s*\\{\\s*"(?:${KEYS.join("|")})"\\s*:\\s*"`);

/**
 * Decodes the code of a tool call's arguments while they stream: `{"code": "pri` gives `pri`. What cannot be decoded in parts is available
 * only at the end: another key first, JSON within JSON, bare code, code in fences.
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
      const opening = OPENING.exec(this.#raw);
      if (opening === null) return "";
      const begin = opening[0].length;
      const head = this.#raw.slice(begin);
      // Possibly a fence, which is not part of the code.
      if (/^(?:\\[nrt]|\s)*(?:`{0,2}|\\)$/.test(head)) return "";
      this.#closed = /^(?:\\[nrt]|\s)*```/.test(head);
      if (this.#closed) return "";
      this.#at = begin;
    }
    const decoded = this.#decode(this.#at);
    this.#decoded += decoded;
    return decoded;
  }

  /** All code that `push` has returned. */
  get decoded(): string {
    return this.#decoded;
  }

  /** The whole code, once the arguments are complete; null when they hold none. */
  end(): string | null {
    // A second `code` in the object would contradict what was already streamed.
    for (const found of codesIn(this.#raw, 0)) {
      for (const code of [withoutFences(found), found]) if (code.startsWith(this.#decoded)) return code;
    }
    return null;
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

const NESTED_MAX = 3;

/** The strings that may be the code, the likeliest first. */
function codesIn(text: string, depth: number): string[] {
  const value = parsed(text);
  if (value === undefined) return isBareCode(text) ? [text] : [];
  if (typeof value === "string") return depth < NESTED_MAX ? codesIn(value, depth + 1) : [];
  if (typeof value !== "object" || value === null) return [];
  const members = value as Record<string, unknown>;
  return KEYS.flatMap((name) => (typeof members[name] === "string" ? [members[name]] : []));
}

/** JSON, or JSON with real newlines and tabs within its strings. Undefined when it is neither. */
function parsed(text: string): unknown {
  for (const candidate of [text, withEscapedControls(text)]) {
    try {
      return JSON.parse(candidate);
    } catch {
      // The next form.
    }
  }
  return undefined;
}

function withEscapedControls(text: string): string {
  let inString = false;
  let isEscaped = false;
  let escaped = "";
  for (const char of text) {
    if (inString && char < " ") {
      escaped += JSON.stringify(char).slice(1, -1);
      continue;
    }
    if (isEscaped) isEscaped = false;
    else if (inString && char === "\\") isEscaped = true;
    else if (char === '"') inString = !inString;
    escaped += char;
  }
  return escaped;
}

/** Text that is not meant as JSON. Arguments that begin like an object and break off are not code. */
function isBareCode(text: string): boolean {
  const begin = text.trimStart();
  if (begin === "") return false;
  if (!/^[{["]/.test(begin)) return true;
  if (/^\{\s*(?:"(?:[^"\\]|\\.)*"\s*:|"(?:[^"\\]|\\.)*$|$)/.test(begin)) return false;
  const extent = new JsonExtent();
  extent.push(text);
  return extent.isComplete;
}

/** The inside of a Markdown fence around the whole code. */
function withoutFences(code: string): string {
  const fenced = /^\s*```[\w+-]*[ \t]*\r?\n([\s\S]*?)\r?\n?[ \t]*```\s*$/.exec(code);
  return fenced?.[1] ?? code;
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
