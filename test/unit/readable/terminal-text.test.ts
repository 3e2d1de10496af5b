import { describe, expect, test } from "vitest";
import { shownOnTerminal } from "../../../src/readable/terminal-text.ts";

describe("printed text as a terminal shows it in the end", () => {
  test.each([
    ["plain text is unchanged", "a\n\n b \n", "a\n\n b \n"],
    ["Windows line ends are line ends", "a\r\nb\r\n", "a\nb\n"],
    [
      "a progress bar is its last state",
      `${Array.from({ length: 50 }, (_, n) => `\rProgress: ${n * 2}%`).join("")}\rProgress: 100%\ndone\n`,
      "Progress: 100%\ndone\n",
    ],
    ["a state that is not followed by another stays", "10%\r20%\r", "20%"],
    ["a shorter text leaves the end of a longer one", "12345\rab", "ab345"],
    ["an erased line is empty", "12345\r\x1b[Kab\n", "ab\n"],
    ["backspaces overwrite", "abc\b\bX", "aXc"],
    ["colours are left out", "\x1b[1;31mred\x1b[0m and \x1b]8;;http://x\x07link\x1b]8;;\x07", "red and link"],
    ["two bars that move the cursor up are two lines", "a: 0%\nb: 0%\r\x1b[Aa: 99%\n\rb: 50%\n", "a: 99%\nb: 50%\n"],
    ["characters outside the basic plane stay whole", "😀😀\r😎", "😎😀"],
    ["a lone escape is left out", "a\x1bb", "ab"],
  ])("%s", (_, printed, shown) => {
    expect(shownOnTerminal(printed)).toBe(shown);
  });

  test.each([
    ["returns after a long line", `${"x".repeat(500_000)}${"\r".repeat(500_000)}`],
    ["erased long lines", `${"x".repeat(300_000)}${"\x1b[1K".repeat(150_000)}`],
    ["cursor movements", `${"x".repeat(300_000)}\n${"\x1b[A\x1b[Bx".repeat(80_000)}`],
    ["sequences without an end", "\x1b]".repeat(500_000)],
    ["parameters without an end", `\x1b[${"1".repeat(1_000_000)}`],
  ])("hostile text does not grow: %s", (_, printed) => {
    expect(shownOnTerminal(printed).length).toBeLessThanOrEqual(printed.length);
  });
});
