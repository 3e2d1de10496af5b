/** A part of the model's text: for the user, thinking aloud, or the inside of a `<tool_call>`. */
export interface TextPart {
  type: "text" | "reasoning" | "tool_call";
  text: string;
}

type Tag = "think" | "thinking" | "tool_call";

/**
 * Separates thinking and calls, which some models write between tags into their text, from the message. A tag counts at the start of a
 * line, outside of fenced code. Text is passed on as soon as it cannot be the start of a tag.
 */
export class TaggedText {
  readonly #tags: readonly Tag[];
  /** Not passed on yet: the possible start of a tag, or an unfinished call. */
  #held = "";
  #open: Tag | null = null;
  /** The start of the current line, as far as tags and fences need it. */
  #lineHead = "";
  #isFenced = false;
  /** Whitespace after a closing tag belongs to neither part. */
  #skipsSpace = false;

  constructor(options: { takesCalls: boolean }) {
    this.#tags = options.takesCalls ? ["think", "thinking", "tool_call"] : ["think", "thinking"];
  }

  push(delta: string): TextPart[] {
    this.#held += delta;
    const parts: TextPart[] = [];
    while (this.#step(parts)) {
      // Each step passes one piece on.
    }
    return parts;
  }

  /** What was held back. An unfinished call is given as it is: the caller decides whether it is one. */
  end(): TextPart[] {
    const text = this.#held;
    const type = this.#open === null ? "text" : this.#open === "tool_call" ? "tool_call" : "reasoning";
    this.#held = "";
    return text === "" ? [] : [{ type, text }];
  }

  /** False when more text is needed. */
  #step(parts: TextPart[]): boolean {
    if (this.#held === "") return false;
    return this.#open === null ? this.#stepText(parts) : this.#stepTag(this.#open, parts);
  }

  #stepText(parts: TextPart[]): boolean {
    if (this.#skipsSpace) {
      this.#held = this.#held.trimStart();
      if (this.#held === "") return false;
      this.#skipsSpace = false;
    }
    const at = this.#held.indexOf("<");
    if (at !== 0) return this.#pass(parts, at === -1 ? this.#held.length : at);
    if (this.#lineHead.trim() !== "" || this.#isFenced) return this.#pass(parts, 1);
    const tag = this.#tags.find((name) => this.#held.startsWith(`<${name}>`));
    if (tag !== undefined) {
      this.#open = tag;
      this.#held = this.#held.slice(tag.length + 2);
      return true;
    }
    if (this.#tags.some((name) => `<${name}>`.startsWith(this.#held))) return false;
    return this.#pass(parts, 1);
  }

  #stepTag(tag: Tag, parts: TextPart[]): boolean {
    const type = tag === "tool_call" ? "tool_call" : "reasoning";
    const closing = `</${tag}>`;
    const at = this.#held.indexOf(closing);
    if (at === -1) {
      if (type === "tool_call") return false;
      const sure = this.#held.length - overlap(this.#held, closing);
      if (sure > 0) parts.push({ type, text: this.#held.slice(0, sure) });
      this.#held = this.#held.slice(sure);
      return false;
    }
    if (at > 0) parts.push({ type, text: this.#held.slice(0, at) });
    this.#held = this.#held.slice(at + closing.length);
    this.#open = null;
    this.#lineHead = "";
    this.#skipsSpace = true;
    return true;
  }

  #pass(parts: TextPart[], length: number): boolean {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    parts.push({ type: "text", text });
    const lines = text.split("\n");
    for (const [index, line] of lines.entries()) {
      if (this.#lineHead.length < 64) this.#lineHead += line.slice(0, 64);
      if (index === lines.length - 1) break;
      if (/^\s*(```|~~~)/.test(this.#lineHead)) this.#isFenced = !this.#isFenced;
      this.#lineHead = "";
    }
    return true;
  }
}

/** Length of the longest end of `text` that begins `tag`. */
function overlap(text: string, tag: string): number {
  for (let length = Math.min(text.length, tag.length - 1); length > 0; length -= 1) if (text.endsWith(tag.slice(0, length))) return length;
  return 0;
}
