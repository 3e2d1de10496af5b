import type { Output } from "../domain/outputs.ts";

type Table = Extract<Output, { type: "table" }>;

/** More columns than this are no help to a reader. */
export const COLUMNS_MAX = 40;
const CELL_CHARS_MAX = 200;

/** A table as Markdown: the first rows, and a note when rows or columns are omitted. */
export function markdownTable(table: Table, rowsMax: number): string {
  const columns = table.columns.slice(0, COLUMNS_MAX);
  const rows = table.rows.slice(0, rowsMax);
  const lines = [
    rowOf(columns.map((column) => cellOf(column.name))),
    rowOf(columns.map(() => "---")),
    ...rows.map((row) => rowOf(row.slice(0, COLUMNS_MAX).map(cellOf))),
  ];
  const left: string[] = [];
  if (rows.length < table.row_count) left.push(`rows 1 to ${rows.length} of ${table.row_count}`);
  if (columns.length < table.columns.length) left.push(`columns 1 to ${columns.length} of ${table.columns.length}`);
  if (left.length > 0) lines.push("", `(${left.join(", ")})`);
  return lines.join("\n");
}

/** Rows of plain text, for lists that are not table outputs. */
export function markdownRows(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  return [rowOf(head), rowOf(head.map(() => "---")), ...rows.map((row) => rowOf(row.map(cellOf)))].join("\n");
}

function rowOf(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** One line, with `|` escaped. */
function cellOf(value: string | number | boolean | null): string {
  if (value === null) return "";
  const text = String(value).replace(/\s+/g, " ");
  const short = text.length > CELL_CHARS_MAX ? `${text.slice(0, CELL_CHARS_MAX).toWellFormed()}…` : text;
  return short.replaceAll("|", "\\|");
}
