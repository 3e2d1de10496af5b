type Cell = string | number | boolean | null;

const CELL_CHARS_MAX = 60;

/** A table as aligned text: numbers on the right, other values on the left, cells bounded, newlines visible. */
export function alignTable(table: { columns: ReadonlyArray<{ name: string }>; rows: readonly Cell[][]; row_count: number }): string {
  const names = table.columns.map((column) => cellText(column.name));
  const rows = table.rows.map((row) => names.map((_, index) => cellText(row[index] ?? null)));
  const toRight = names.map((_, index) => table.rows.every((row) => row[index] === null || typeof row[index] === "number"));
  const widths = names.map((name, index) => Math.max(width(name), ...rows.map((row) => width(row[index] ?? ""))));
  const line = (cells: string[]) =>
    cells
      .map((text, index) => {
        const space = " ".repeat((widths[index] ?? 0) - width(text));
        return toRight[index] ? space + text : text + space;
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((w) => "─".repeat(w)).join("  ");
  const missing = table.row_count - rows.length;
  const more = missing > 0 ? [`… ${missing} more ${missing === 1 ? "row" : "rows"}`] : [];
  return [line(names), rule, ...rows.map(line), ...more].join("\n");
}

function cellText(value: Cell): string {
  const text = value === null ? "" : String(value).replace(/\r?\n|\r|\t/g, "⏎");
  const characters = Array.from(text);
  return characters.length > CELL_CHARS_MAX ? `${characters.slice(0, CELL_CHARS_MAX - 1).join("")}…` : text;
}

/** Terminal columns of a text: East Asian wide characters take two, combining marks none. */
function width(text: string): number {
  let columns = 0;
  for (const character of text) {
    if (/\p{Mn}|\p{Cf}/u.test(character)) continue;
    columns += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
      character,
    )
      ? 2
      : 1;
  }
  return columns;
}
