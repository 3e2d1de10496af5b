import { expect, test } from "vitest";
import { markdownTable } from "../../../src/readable/markdown-table.ts";

const table = (rows: Array<Array<string | number | boolean | null>>, columns = 2) => ({
  type: "table" as const,
  columns: Array.from({ length: columns }, (_, index) => ({ name: `c${index}`, dtype: "object" })),
  rows,
  row_count: rows.length,
  truncated: false,
  role: "result" as const,
});

test("has one line per row, with table syntax escaped in cells", () => {
  const text = markdownTable(table([["a|b\nc", null]]), 50);
  expect(text).toBe("| c0 | c1 |\n| --- | --- |\n| a\\|b c |  |");
});

test("notes which rows and columns are shown when there are more", () => {
  const rows = Array.from({ length: 9 }, () => Array.from({ length: 50 }, () => 1));
  expect(markdownTable({ ...table(rows, 50), row_count: 12_345 }, 3)).toMatch(/\n\n\(rows 1 to 3 of 12345, columns 1 to 40 of 50\)$/);
});
