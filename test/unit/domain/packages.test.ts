import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { importableNames } from "../../../src/domain/packages.ts";

/** Packages whose import name differs by more than the prefix. */
const importNames: Record<string, string> = { pil: "PIL", tz: "pytz", ipython: "IPython" };

test("the importable names given to models match the packages of the image", () => {
  const linesOf = (file: string) => readFileSync(new URL(`../../../sandbox-image/${file}`, import.meta.url), "utf8").trim().split("\n");
  const debian = linesOf("packages.txt").flatMap((line) => /^python3-(\S+)$/.exec(line.trim())?.[1] ?? []);
  const wheels = linesOf("wheels.in").map((name) => name.replace(/^python-/, ""));
  expect([...debian, ...wheels].map((name) => importNames[name] ?? name).sort()).toEqual([...importableNames].sort());
});
