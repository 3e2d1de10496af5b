import { expect, test } from "vitest";
import { sanitize, sanitizeLine } from "../../../src/cli/terminal.ts";

test("escape sequences become visible and have no effect", () => {
  expect(sanitize("\u001b]52;c;aGk=\u0007 \u001b[2J")).toBe("␛]52;c;aGk=␇ ␛[2J");
});

test("the eight-bit forms of escape sequences have no effect either", () => {
  expect(sanitize("\u009b2J\u0090q")).toBe("\ufffd2J\ufffdq");
});

test("newlines, tabs, progress bars and letters of all scripts are unchanged", () => {
  const text = "a\tb\r50 %\nÅ π Ж 中 🙂\n";
  expect(sanitize(text)).toBe(text);
});

test("bidirectional control characters become visible", () => {
  expect(sanitize("a\u202egnp.exe")).toBe("a\ufffdgnp.exe");
});

test("a name stays on one line", () => {
  expect(sanitizeLine("a\nb\tc\u2028d")).toBe("a␊b␉c\ufffdd");
});
