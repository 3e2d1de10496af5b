import { expect, test } from "vitest";
import { harmless, harmlessLine } from "../../../src/cli/terminal.ts";

test("escape sequences lose what makes them act, and stay visible", () => {
  expect(harmless("\u001b]52;c;aGk=\u0007 \u001b[2J")).toBe("␛]52;c;aGk=␇ ␛[2J");
});

test("the eight-bit forms of escape sequences are harmless as well", () => {
  expect(harmless("\u009b2J\u0090q")).toBe("\ufffd2J\ufffdq");
});

test("lines, tabs, progress bars and letters of all scripts stay as they are", () => {
  const text = "a\tb\r50 %\nÅ π Ж 中 🙂\n";
  expect(harmless(text)).toBe(text);
});

test("text that would be shown in another order is made plain", () => {
  expect(harmless("a\u202egnp.exe")).toBe("a\ufffdgnp.exe");
});

test("a name stays on its line", () => {
  expect(harmlessLine("a\nb\tc\u2028d")).toBe("a␊b␉c\ufffdd");
});
