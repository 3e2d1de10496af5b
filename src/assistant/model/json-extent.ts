/** Knows whether text that arrives in fragments is one whole JSON value so far. Strings may hold real newlines, as models write them. */
export class JsonExtent {
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  #hasBegun = false;
  #isComplete = false;

  get isEmpty(): boolean {
    return !this.#hasBegun;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  push(fragment: string): void {
    for (const char of fragment) this.#step(char);
  }

  #step(char: string): void {
    if (this.#inString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (char === "\\") this.#isEscaped = true;
      else if (char === '"') this.#close();
      return;
    }
    if (char === " " || char === "\n" || char === "\t" || char === "\r") return;
    this.#hasBegun = true;
    this.#isComplete = false;
    if (char === '"') this.#inString = true;
    else if (char === "{" || char === "[") this.#depth += 1;
    else if (char === "}" || char === "]") {
      this.#depth -= 1;
      this.#isComplete = this.#depth === 0;
    }
  }

  #close(): void {
    this.#inString = false;
    this.#isComplete = this.#depth === 0;
  }
}
