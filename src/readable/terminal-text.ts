/** Escape sequences of a terminal: CSI with its parameters and final letter, OSC to its end, and two-character ones. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are made of them
const ESCAPE = /\x1b(?:\[([0-9;?]{0,32})[ -/]{0,4}([@-~])|\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)|[@-Z\\^_])/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const SPECIAL = /[\r\b\x1b]/;

/**
 * A printed text as a terminal would show it in the end: `\r` and backspaces overwrite, so that a progress bar is one line
 * in its last state. Colours are left out. Takes time in proportion to the text.
 */
export function shownOnTerminal(text: string): string {
  const plain = text.replaceAll("\r\n", "\n");
  return SPECIAL.test(plain) ? new Screen().write(plain) : plain;
}

/** Lines of characters and a cursor. The cursor never leaves what was written, so that no sequence can make the screen grow. */
class Screen {
  readonly #lines: string[][] = [[]];
  #row = 0;
  #column = 0;

  write(text: string): string {
    for (let at = 0; at < text.length; ) {
      const char = String.fromCodePoint(text.codePointAt(at) as number);
      if (char === "\x1b") at += this.#escape(text, at);
      else {
        this.#put(char);
        at += char.length;
      }
    }
    return this.#lines.map((line) => line.join("").trimEnd()).join("\n");
  }

  #put(char: string): void {
    const line = this.#lines[this.#row] as string[];
    if (char === "\r") this.#column = 0;
    else if (char === "\b") this.#column = Math.max(0, this.#column - 1);
    else if (char === "\n") {
      this.#row += 1;
      this.#column = 0;
      if (this.#row === this.#lines.length) this.#lines.push([]);
    } else {
      line[this.#column] = char;
      this.#column += 1;
    }
  }

  /** Carries out the sequence at `at`, if it moves up, down or erases a line; returns its length. */
  #escape(text: string, at: number): number {
    ESCAPE.lastIndex = at;
    const found = ESCAPE.exec(text);
    if (found === null) return 1;
    const count = Math.max(1, Number.parseInt(found[1] ?? "", 10) || 1);
    if (found[2] === "A") this.#goTo(this.#row - count);
    else if (found[2] === "B") this.#goTo(this.#row + count);
    else if (found[2] === "K") {
      const line = this.#lines[this.#row] as string[];
      // The cursor stays within the line, so an erased line begins anew.
      if (found[1] === "2" || found[1] === "1") this.#column = 0;
      line.length = this.#column;
    }
    return found[0].length;
  }

  #goTo(row: number): void {
    this.#row = Math.min(Math.max(row, 0), this.#lines.length - 1);
    this.#column = Math.min(this.#column, (this.#lines[this.#row] as string[]).length);
  }
}
