import { describe, expect, test } from "vitest";
import { endingSentence, exitCodeOf } from "../../../src/cli/exit-code.ts";
import { imageName, renderOutput } from "../../../src/cli/render.ts";
import { alignTable } from "../../../src/cli/table.ts";

describe("tables", () => {
  const columns = [{ name: "city" }, { name: "people" }];

  test("numbers are on the right, text on the left, and wide characters take two columns", () => {
    const rows = [
      ["Tokyo 東京", 13_960_000],
      ["Åre", null],
    ];
    expect(alignTable({ columns, rows, row_count: 2 })).toBe("city          people\n──────────  ────────\nTokyo 東京  13960000\nÅre");
  });

  test("missing rows are counted, cells are bounded and stay on one line", () => {
    const text = alignTable({ columns, rows: [[`a\n${"x".repeat(100)}`, 1]], row_count: 3 });
    expect(text).toContain(`a⏎${"x".repeat(57)}…`);
    expect(text.endsWith("\n… 2 more rows")).toBe(true);
  });

  test("a table wider than the terminal is shown in parts, and nothing is left out", () => {
    const names = Array.from({ length: 15 }, (_, index) => ({ name: `column_${index + 1}` }));
    const text = alignTable({ columns: names, rows: [names.map((_, index) => index)], row_count: 2 }, 80);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    for (const { name } of names) expect(text).toContain(name);
    expect(text.match(/^columns .*$/gm)).toEqual(["columns 1 to 8 of 15", "columns 9 to 15 of 15"]);
    expect(text.endsWith("\n… 1 more row")).toBe(true);
  });

  test("a table without rows shows its columns", () => {
    expect(alignTable({ columns, rows: [], row_count: 0 })).toBe("city  people\n────  ──────");
  });
});

describe("outputs as text", () => {
  test("text keeps its stream and every character", () => {
    expect(renderOutput({ type: "text", stream: "stderr", text: "a\n\n" })).toEqual({ stream: "stderr", text: "a\n\n" });
  });

  test("an error is its traceback, or its name and value without one", () => {
    const error = { type: "error", name: "ValueError", value: "no", line: 1 } as const;
    expect(renderOutput({ ...error, traceback: ["Traceback", "ValueError: no\n"] })?.text).toBe("Traceback\nValueError: no");
    expect(renderOutput({ ...error, traceback: [] })).toEqual({ stream: "stderr", text: "ValueError: no" });
  });

  test("html is shown in its plain form, or as text without markup", () => {
    expect(renderOutput({ type: "html", text: "<b>x</b>", role: "result", data: { "text/plain": "x" } })?.text).toBe("x");
    expect(renderOutput({ type: "html", text: "<b>x</b>", role: "result" })?.text).toBe("x");
  });

  test("images are named by their number and format", () => {
    expect([imageName("image/png", 1), imageName("image/jpeg", 2), imageName("image/svg+xml", 3)]).toEqual([
      "image-1.png",
      "image-2.jpg",
      "image-3.svg",
    ]);
  });
});

describe("exit codes", () => {
  const of = (status: "failed" | "incomplete" | "cancelled" | "errored", cause: Parameters<typeof exitCodeOf>[0]["cause"], evidence = {}) =>
    exitCodeOf({ status, cause, evidence });

  test("a program's exit code is passed on, and a failure is never 0", () => {
    expect(exitCodeOf({ status: "completed", cause: null, evidence: {} })).toBe(0);
    expect(of("failed", "exit", { exit_code: 7 })).toBe(7);
    expect(of("failed", "exit", { exit_code: 256 })).toBe(1);
    expect(of("failed", "exception")).toBe(1);
  });

  test("ends that shells know have the shell's codes", () => {
    expect(of("incomplete", "timeout")).toBe(124);
    expect(of("incomplete", "memory")).toBe(137);
    expect(of("failed", "signal", { signal: "SIGSEGV" })).toBe(139);
    expect(of("cancelled", "cancelled")).toBe(130);
    expect(of("errored", "sandbox_lost")).toBe(125);
  });

  test("the sentence about a limit names it", () => {
    const evidence = { limit: "runTimeoutMsMax", limit_value: 30_000 };
    expect(endingSentence({ status: "incomplete", cause: "timeout", evidence })).toBe(
      "Stopped at its time limit (runTimeoutMsMax is 30000).",
    );
    expect(endingSentence({ status: "failed", cause: "exception", evidence: {} })).toBeNull();
  });
});
