/** Escape sequences of a terminal: CSI with its parameters and final letter, OSC to its end, and two-character ones. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are made of them
const ESCAPE = /\x1b(?:\[([0-9;?]{0,32})[ -/]{0,4}([@-~])|\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)|[@-Z\\^_])/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const SPECIAL = /[\r\b\x1b]/;
const BOLD = 1;

/** Whether a text moves the cursor or sets colours. */
export function movesCursor(text) {
  return SPECIAL.test(text);
}

/**
 * Nodes that show a printed text as a terminal does: `\r` and backspaces overwrite, so that a progress bar is one line, and colours
 * are spans with the class `ansi-N`, where N is the terminal's code.
 */
export function terminalNodes(text) {
  const plain = text.replaceAll("\r\n", "\n");
  return SPECIAL.test(plain) ? new Screen().draw(plain) : [plain];
}

/** Lines of characters with their styles, and a cursor that never leaves what was written. */
class Screen {
  #lines = [[]];
  #row = 0;
  #column = 0;
  #style = "";

  draw(text) {
    for (let at = 0; at < text.length; ) {
      const char = String.fromCodePoint(text.codePointAt(at));
      if (char === "\x1b") at += this.#escape(text, at);
      else {
        this.#put(char);
        at += char.length;
      }
    }
    return this.#nodes();
  }

  #put(char) {
    if (char === "\r") this.#column = 0;
    else if (char === "\b") this.#column = Math.max(0, this.#column - 1);
    else if (char === "\n") {
      this.#row += 1;
      this.#column = 0;
      if (this.#row === this.#lines.length) this.#lines.push([]);
    } else {
      this.#lines[this.#row][this.#column] = { char, style: this.#style };
      this.#column += 1;
    }
  }

  #escape(text, at) {
    ESCAPE.lastIndex = at;
    const found = ESCAPE.exec(text);
    if (found === null) return 1;
    const [all, parameters = "", letter] = found;
    const count = Math.max(1, Number.parseInt(parameters, 10) || 1);
    if (letter === "m") this.#style = styleAfter(this.#style, parameters);
    else if (letter === "A") this.#goTo(this.#row - count);
    else if (letter === "B") this.#goTo(this.#row + count);
    else if (letter === "K") {
      if (parameters === "2" || parameters === "1") this.#column = 0;
      this.#lines[this.#row].length = this.#column;
    }
    return all.length;
  }

  #goTo(row) {
    this.#row = Math.min(Math.max(row, 0), this.#lines.length - 1);
    this.#column = Math.min(this.#column, this.#lines[this.#row].length);
  }

  /** Neighbours of one style are one node. */
  #nodes() {
    const nodes = [];
    let run = { style: "", text: "" };
    const end = () => {
      if (run.text !== "") nodes.push(run.style === "" ? run.text : span(run));
    };
    const add = (char, style) => {
      if (style !== run.style) {
        end();
        run = { style, text: "" };
      }
      run.text += char;
    };
    for (const [row, line] of this.#lines.entries()) {
      if (row > 0) add("\n", run.style);
      for (const { char, style } of line) add(char, style);
    }
    end();
    return nodes;
  }
}

function span({ style, text }) {
  const node = document.createElement("span");
  node.className = style;
  node.textContent = text;
  return node;
}

/** The classes after an SGR sequence. Of colours, the sixteen of every terminal are known; others keep the text's own. */
function styleAfter(style, parameters) {
  const classes = new Set(style.split(" ").filter((name) => name !== ""));
  const codes = parameters.split(";").map(Number);
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    const isColour = (code >= 30 && code <= 37) || (code >= 90 && code <= 97);
    if (code === 0) classes.clear();
    else if (code === BOLD) classes.add(`ansi-${BOLD}`);
    else if (code === 22) classes.delete(`ansi-${BOLD}`);
    else if (isColour || code === 38 || code === 39) {
      for (const name of classes) if (name !== `ansi-${BOLD}`) classes.delete(name);
      if (isColour) classes.add(`ansi-${code}`);
    }
    // 38;5;N and 38;2;R;G;B, and the same for the ground.
    if (code === 38 || code === 48) at += codes[at + 1] === 5 ? 2 : 4;
  }
  return [...classes].join(" ");
}
