import { COLUMNS_MAX, markdownRows } from "./markdown-table.ts";

/** Cells covered from rows above are remembered for at most this many rows. */
const ROWSPAN_MAX = 1_000;
const CELL_CHARS_MAX = 1_000;

/** One table of HTML, filled in document order. Keeps the first rows and columns and counts the other rows. */
export class HtmlTable {
  readonly #rowsMax: number;
  readonly #rows: string[][] = [];
  #rowCount = 0;
  #row: string[] | null = null;
  /** For each column, for how many more rows a cell above covers it. */
  readonly #covered: number[] = [];
  /** Text outside of any cell, such as a caption. */
  #caption = "";
  #inCell = false;
  /** The column that text belongs to. */
  #cell = 0;
  #columnsCut = false;

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax;
  }

  openRow(): void {
    this.#endRow();
    this.#row = [];
    this.#inCell = false;
  }

  openCell(colspan: string | undefined, rowspan: string | undefined): void {
    this.#row ??= [];
    this.#skipCovered(this.#row);
    this.#inCell = true;
    if (this.#row.length >= COLUMNS_MAX) {
      this.#columnsCut = true;
      this.#cell = COLUMNS_MAX;
      return;
    }
    const columns = Math.min(spanOf(colspan), COLUMNS_MAX - this.#row.length);
    const rows = Math.min(spanOf(rowspan), ROWSPAN_MAX) - 1;
    for (let column = 0; column < columns; column += 1) {
      if (rows > 0) this.#covered[this.#row.length] = rows + 1;
      this.#row.push("");
    }
    // The text stands in the first of the columns.
    this.#cell = this.#row.length - columns;
  }

  text(text: string): void {
    if (!this.#inCell || this.#row === null) {
      if (this.#caption.length < CELL_CHARS_MAX) this.#caption += text;
      return;
    }
    const before = this.#row[this.#cell];
    if (before !== undefined && before.length < CELL_CHARS_MAX) this.#row[this.#cell] = before + text;
  }

  /** The table as Markdown; its first row is the head. */
  end(): string {
    this.#endRow();
    const width = Math.max(0, ...this.#rows.map((row) => row.length));
    const [head, ...rows] = this.#rows.map((row) => [...row, ...Array<string>(width - row.length).fill("")].map((cell) => cell.trim()));
    const parts = [this.#caption.replace(/\s+/g, " ").trim()];
    if (head !== undefined) parts.push(markdownRows(head, rows));
    const left = this.#rowCount - this.#rows.length;
    if (left > 0) parts.push(`(${left} more rows)`);
    if (this.#columnsCut) parts.push(`(only the first ${COLUMNS_MAX} columns)`);
    return parts.filter((part) => part !== "").join("\n");
  }

  #endRow(): void {
    const row = this.#row;
    this.#row = null;
    this.#inCell = false;
    if (row === null || row.length === 0) return;
    this.#skipCovered(row);
    for (let column = 0; column < this.#covered.length; column += 1) {
      const rows = this.#covered[column] ?? 0;
      if (rows > 0) this.#covered[column] = rows - 1;
    }
    this.#rowCount += 1;
    // The head is a row too.
    if (this.#rows.length <= this.#rowsMax) this.#rows.push(row);
  }

  #skipCovered(row: string[]): void {
    while ((this.#covered[row.length] ?? 0) > 0 && row.length < COLUMNS_MAX) row.push("");
  }
}

function spanOf(value: string | undefined): number {
  const span = Number.parseInt(value ?? "1", 10);
  return Number.isNaN(span) || span < 1 ? 1 : Math.min(span, ROWSPAN_MAX);
}
