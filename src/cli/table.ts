type Cell = string | number | boolean | null;

const CELL_CHARS_MAX = 60;

/** Between two columns. */
const GAP = 2;

/**
 * A table as aligned text: numbers on the right, other values on the left, cells bounded, newlines visible. A table that is wider
 * than `columnsMax` is shown in parts, each with as many of its columns as fit.
 */
export function alignTable(
  table: { columns: ReadonlyArray<{ name: string }>; rows: readonly Cell[][]; row_count: number },
  columnsMax = Number.POSITIVE_INFINITY,
): string {
  const names = table.columns.map((column) => cellText(column.name));
  const rows = table.rows.map((row) => names.map((_, index) => cellText(row[index] ?? null)));
  const toRight = names.map((_, index) => table.rows.every((row) => row[index] === null || typeof row[index] === "number"));
  const widths = names.map((name, index) => Math.max(width(name), ...rows.map((row) => width(row[index] ?? ""))));
  const line = (cells: string[], part: number[]) =>
    part
      .map((index) => {
        const text = cells[index] ?? "";
        const space = " ".repeat((widths[index] ?? 0) - width(text));
        return toRight[index] ? space + text : text + space;
      })
      .join(" ".repeat(GAP))
      .trimEnd();
  const parts = partsOf(widths, columnsMax);
  const blocks = parts.map((part) => {
    const rule = part.map((index) => "─".repeat(widths[index] ?? 0)).join(" ".repeat(GAP));
    const place = parts.length === 1 ? [] : [`columns ${(part[0] ?? 0) + 1} to ${(part.at(-1) ?? 0) + 1} of ${widths.length}`];
    return [...place, line(names, part), rule, ...rows.map((row) => line(row, part))].join("\n");
  });
  const missing = table.row_count - rows.length;
  const more = missing > 0 ? [`… ${missing} more ${missing === 1 ? "row" : "rows"}`] : [];
  return [blocks.join("\n\n"), ...more].join("\n");
}

/** Indexes of columns, in parts that fit. A column that is too wide has a part of its own. */
function partsOf(widths: number[], columnsMax: number): number[][] {
  const parts: number[][] = [[]];
  let used = 0;
  for (const [index, each] of widths.entries()) {
    const part = parts.at(-1) as number[];
    if (part.length > 0 && used + GAP + each > columnsMax) {
      parts.push([index]);
      used = each;
    } else {
      used += (part.length > 0 ? GAP : 0) + each;
      part.push(index);
    }
  }
  return parts;
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
