import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { importableNames, namesForModels } from "../../../src/domain/packages.ts";

/** Packages whose import name differs by more than the prefix. */
const importNames: Record<string, string> = {
  ...{ pil: "PIL", tz: "pytz", ipython: "IPython", "scikit-image": "skimage", "opencv-headless": "cv2", fpdf2: "fpdf", "z3-solver": "z3" },
  ...{ pycryptodome: "Crypto", "umap-learn": "umap", "imbalanced-learn": "imblearn", "arabic-reshaper": "arabic_reshaper" },
  "matplotlib-venn": "matplotlib_venn",
};
/** Parts of other packages: altair's and plotly's pictures, and ffmpeg. */
const notNamed = ["vl-convert", "kaleido", "imageio-ffmpeg"];

function namesIn(debian: string, wheels: string): string[] {
  const linesOf = (file: string) =>
    readFileSync(new URL(`../../../sandbox-image/${file}`, import.meta.url), "utf8")
      .trim()
      .split("\n");
  const packages = linesOf(debian).flatMap((line) => /^python3-(\S+)$/.exec(line.trim())?.[1] ?? []);
  const names = linesOf(wheels).map((name) => name.replace(/[<=].*$/, "").replace(/^python-|-python(?=-|$)/g, ""));
  return [...packages, ...names].map((name) => importNames[name] ?? name).sort();
}

const installed = (names: readonly string[]) => ({
  variant: null,
  python: "3.13.5",
  packages: names.map((name) => ({ name, version: "1", modules: [name] })),
});

test("the importable names given to models match the packages of the image", () => {
  expect(namesIn("packages.txt", "wheels.in")).toEqual([...importableNames].sort());
});

test("the names of the variant full match its packages", () => {
  const full = namesIn("packages-full.txt", "wheels-full.in");
  const named = namesForModels(installed(full));
  expect([...named].sort()).toEqual(full.filter((name) => !notNamed.includes(name) || named.includes(name)));
});

test("models read the chosen packages that are installed, in one order", () => {
  expect(namesForModels(installed(["polars", "contourpy", "numpy"]))).toEqual(["numpy", "polars"]);
  expect(namesForModels(null)).toEqual(importableNames);
});
