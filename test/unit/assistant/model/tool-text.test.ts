import { describe, expect, test } from "vitest";
import { shortened, toolText } from "../../../../src/assistant/model/tool-text.ts";
import { makeLimits } from "../../../../src/domain/limits.ts";
import type { Output } from "../../../../src/domain/outputs.ts";
import type { Execution } from "../../../../src/domain/result.ts";
import { causes } from "../../../../src/domain/status.ts";

const limits = makeLimits();
const execution = (fields: Partial<Execution> = {}): Execution => ({
  type: "code_interpreter_call",
  id: "ci_1",
  status: "completed",
  cause: null,
  evidence: {},
  code: "",
  container_id: null,
  outputs: [],
  usage: null,
  truncated: { stdout: false, stderr: false, outputs: false, files: false },
  skipped_files: [],
  outcome: "ran",
  retry_safe: true,
  attempt: 1,
  created_at: 0,
  started_at: 0,
  completed_at: 0,
  expires_at: 0,
  metadata: {},
  ...fields,
});
const textFor = (outputs: Output[], fields: Partial<Execution> = {}) => toolText(execution({ outputs, ...fields }), limits);

describe("the text for the model", () => {
  test("of a table is its first rows, and the number of further rows", () => {
    const rows = Array.from({ length: 60 }, (_, row) => [row, null]);
    const table: Output = {
      type: "table",
      columns: [
        { name: "a", dtype: "int64" },
        { name: "b", dtype: "object" },
      ],
      rows,
      row_count: 1_000,
      truncated: true,
      role: "result",
    };
    const lines = textFor([table]).split("\n");
    expect([lines[0], lines[1], lines.length, lines.at(-1)]).toEqual(["a | b", "0 | ", 52, "[… 950 more rows]"]);
  });

  test("of a success without output states that it succeeded", () => {
    expect(textFor([])).toBe("[The code ran to its end and printed nothing.]");
  });

  test("of stderr, results, JSON and formulas is their text", () => {
    const outputs: Output[] = [
      { type: "text", stream: "stderr", text: "careful" },
      { type: "result", text: "7" },
      { type: "json", data: { a: 1 }, role: "display" },
      { type: "latex", text: "$x$", role: "display" },
    ];
    expect(textFor(outputs)).toBe('[stderr]\ncareful\n7\n{"a":1}\n$x$');
  });

  test("lists what was left out, with the reason", () => {
    const text = textFor([], {
      truncated: { stdout: true, stderr: false, outputs: false, files: false },
      skipped_files: [{ name: "big.bin", reason: "more than 32 MiB" }],
    });
    expect(text).toBe('[More than is kept was written to: stdout.]\n[The file "big.bin" was left out: more than 32 MiB.]');
  });

  test.each(causes.filter((cause) => cause !== "exception"))("explains the cause %s", (cause) => {
    const ended = (fields: Partial<Execution>) => textFor([], { cause, status: "incomplete", ...fields });
    expect(ended({})).toMatch(/^\[.*\.\]$/);
    expect(ended({ evidence: { session_alive: false } })).toMatch(/gone/);
  });

  test.each([null, "exception", "exit", "signal", "timeout", "memory", "output", "cancelled"] as const)(
    "says after the cause %s that the state before the code was restored",
    (cause) => {
      const text = textFor([], { cause, evidence: { session_alive: true, restored: "before_cell" } });
      expect(text).toMatch(
        /^\[.*Variables are as they were before this code; threads and sockets are gone, files are as the code left them\.\]$/,
      );
    },
  );
});

describe("a long text", () => {
  test("keeps beginning and end, and never half a character", () => {
    const text = shortened("😀".repeat(1_000), 101);
    expect(text.isWellFormed()).toBe(true);
    expect(text.length).toBeLessThan(200);
  });

  test("at the bound is unchanged", () => {
    expect(shortened("x".repeat(100), 100)).toBe("x".repeat(100));
  });
});
