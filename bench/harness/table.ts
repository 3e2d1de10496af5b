import type { Row } from "./context.ts";

const columns = ["question", "unit", "ours", "baseline", "ratio", "target", "met?"] as const;

/** The table in Markdown with explanations of its numbers. */
export function renderTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.question,
    row.unit,
    String(row.ours),
    row.baseline === undefined ? "" : String(row.baseline),
    row.ratio === undefined ? "" : String(row.ratio),
    row.target ?? "",
    row.met === null ? "reported" : row.met ? "yes" : "NO",
  ]);
  const widths = columns.map((title, index) => Math.max(title.length, ...cells.map((row) => row[index]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  const notes = rows.flatMap((row) => (row.notes ?? []).map((note) => `${row.question}\n  ${note}`));
  return [line(columns), rule, ...cells.map(line), "", ...notes].join("\n");
}
