import { byId } from "./dom.js";
import { coloured } from "./highlight.js";

const INDENT = "    ";

/** A text area with line numbers, syntax colours, indentation and one marked line. */
export class Editor {
  #area = byId("code");
  #gutter = byId("editor").querySelector(".gutter");
  #colours = byId("editor").querySelector(".colours");
  #mark = byId("editor").querySelector(".mark");
  #lines = 0;
  #markedLine = null;
  #leaving = false;

  constructor({ onChange }) {
    this.#area.addEventListener("input", () => {
      this.mark(null);
      this.#draw();
      onChange(this.code);
    });
    this.#area.addEventListener("scroll", () => this.#syncScroll());
    this.#area.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#syncScroll()).observe(this.#area);
    this.#draw();
  }

  get code() {
    return this.#area.value;
  }

  set code(text) {
    this.#area.value = text;
    this.#area.scrollTop = 0;
    this.mark(null);
    this.#draw();
  }

  /** Replaces the code as an edit, so that the browser's undo brings the earlier code back. */
  replace(text) {
    this.#area.focus();
    this.#area.select();
    this.#insert(text);
    this.#area.setSelectionRange(0, 0);
    this.#area.scrollTop = 0;
  }

  /** Marks a line, counted from 1; null removes the mark. */
  mark(line) {
    this.#markedLine = line === null || line > this.#lines ? null : line;
    this.#mark.hidden = this.#markedLine === null;
    for (const number of this.#gutter.children) number.classList.remove("marked");
    if (this.#markedLine !== null) this.#gutter.children[line - 1]?.classList.add("marked");
    this.#syncScroll();
  }

  /** Moves the caret to the start of a line, counted from 1, and scrolls to it. */
  goTo(line) {
    const start =
      this.code
        .split("\n")
        .slice(0, line - 1)
        .join("\n").length + (line > 1 ? 1 : 0);
    this.#area.focus();
    this.#area.setSelectionRange(start, start);
    this.#area.scrollTop = Math.max(0, (line - 4) * this.#lineHeight());
  }

  focus() {
    this.#area.focus();
  }

  #draw() {
    this.#colours.replaceChildren(...coloured(this.code), "\n");
    const lines = this.code.split("\n").length;
    if (lines !== this.#lines) {
      this.#gutter.replaceChildren(
        ...Array.from({ length: lines }, (_, index) => {
          const number = document.createElement("div");
          number.textContent = String(index + 1);
          return number;
        }),
      );
      this.#lines = lines;
    }
    this.#syncScroll();
  }

  #syncScroll() {
    const { scrollTop, scrollLeft } = this.#area;
    this.#gutter.style.transform = `translateY(${-scrollTop}px)`;
    this.#colours.style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
    if (this.#markedLine !== null) {
      const top = Number.parseFloat(getComputedStyle(this.#area).paddingTop) + (this.#markedLine - 1) * this.#lineHeight() - scrollTop;
      this.#mark.style.transform = `translateY(${top}px)`;
    }
  }

  #lineHeight() {
    return Number.parseFloat(getComputedStyle(this.#area).lineHeight);
  }

  #key(event) {
    // Tab indents code. After Escape, the next Tab moves the focus as usual.
    if (event.key === "Escape") this.#leaving = true;
    else if (event.key === "Tab" && !this.#leaving && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.#indent(event.shiftKey);
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.#newLine();
    } else if (event.key !== "Shift") this.#leaving = false;
  }

  #newLine() {
    const before = this.code.slice(0, this.#area.selectionStart).split("\n").pop();
    const indent = /^[ \t]*/.exec(before)[0];
    this.#insert(`\n${indent}${/:\s*(#.*)?$/.test(before) ? INDENT : ""}`);
  }

  #indent(back) {
    const { selectionStart: start, selectionEnd: end } = this.#area;
    const from = this.code.lastIndexOf("\n", start - 1) + 1;
    if (!back && start === end) return this.#insert(INDENT.slice((start - from) % INDENT.length));
    const lines = this.code.slice(from, end).split("\n");
    const changed = lines.map((line) => (back ? line.replace(/^ {1,4}|^\t/, "") : line === "" ? line : INDENT + line));
    this.#area.setSelectionRange(from, end);
    this.#insert(changed.join("\n"));
    if (start === end) {
      const caret = Math.max(from, start - (lines[0].length - changed[0].length));
      this.#area.setSelectionRange(caret, caret);
    } else this.#area.setSelectionRange(from, from + changed.join("\n").length);
  }

  /** Uses the browser's own editing command, so that it can be undone. */
  #insert(text) {
    if (document.execCommand(text === "" ? "delete" : "insertText", false, text)) return;
    this.#area.setRangeText(text, this.#area.selectionStart, this.#area.selectionEnd, "end");
    this.#area.dispatchEvent(new Event("input"));
  }
}
