import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { importableNames } from "../../../src/domain/packages.ts";

/** Debian packages whose import name differs by more than the prefix. */
const importNames: Record<string, string> = { pil: "PIL", tz: "pytz", ipython: "IPython", "arabic-reshaper": "arabic_reshaper" };

test("the importable names given to models match the packages of the image", () => {
  const list = readFileSync(new URL("../../../sandbox-image/packages.txt", import.meta.url), "utf8");
  const packages = list.split("\n").flatMap((line) => /^python3-(\S+)$/.exec(line.trim())?.[1] ?? []);
  expect(packages.map((name) => importNames[name] ?? name).sort()).toEqual([...importableNames].sort());
});
