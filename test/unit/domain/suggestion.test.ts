import { expect, test } from "vitest";
import type { Output } from "../../../src/domain/outputs.ts";
import { suggestionFor } from "../../../src/domain/suggestion.ts";

const installed = {
  variant: "default",
  python: "3.13.5",
  packages: [
    ["pandas", "pandas"],
    ["scikit-learn", "sklearn"],
    ["opencv-python-headless", "cv2"],
    ["pillow", "PIL"],
    ["PyYAML", "yaml", "_yaml"],
    ["beautifulsoup4", "bs4"],
    ["python-docx", "docx"],
    ["python-dateutil", "dateutil"],
    ["matplotlib", "matplotlib", "mpl_toolkits", "pylab"],
  ].map(([name = "", ...modules]) => ({ name, version: "1", modules })),
};

const after = (value: string, name = "ModuleNotFoundError") =>
  suggestionFor([{ type: "error", name, value, traceback: [], line: 1 } satisfies Output], installed);
const suggested = (module: string) => after(`No module named '${module}'`)?.split("; ")[1];

test.each([
  ["panda", "pandas"],
  ["pandsa", "pandas"],
  ["Pandas", "pandas"],
  ["pandas.nothere", "pandas"],
  ["matplotlb.pyplot", "matplotlib"],
  ["scikit_learn", "sklearn (of scikit-learn)"],
  ["opencv", "cv2 (of opencv-python-headless)"],
  ["pil", "PIL"],
  ["Pillow", "PIL (of pillow)"],
  ["pyyaml", "yaml (of PyYAML)"],
  ["BeautifulSoup4", "bs4 (of beautifulsoup4)"],
  ["beautifulsoup", "bs4 (of beautifulsoup4)"],
  ["python_docx", "docx (of python-docx)"],
])("for %s it names %s", (wanted, found) => {
  expect(suggested(wanted)).toBe(`installed: ${found}`);
});

test("what resembles nothing is said to be missing, with the place of the list", () => {
  expect(after("No module named 'torch'")).toBe(
    "No module named 'torch'; it is not installed and there is no network. GET /v1/packages lists what is.",
  );
  expect(suggested("x")).toMatch(/^it is not installed/);
});

test("other ends have no suggestion, even if the text of the error would give one", () => {
  expect(after("No module named 'panda'", "ValueError")).toBeNull();
  expect(after("cannot import name 'x' from 'pandas'", "ImportError")).toBeNull();
  expect(after(`No module named '${"x".repeat(5_000)}'`)).toBeNull();
  expect(after("No module named 'a\nb'")).toBeNull();
  expect(suggestionFor([], installed)).toBeNull();
  expect(
    suggestionFor([{ type: "error", name: "ModuleNotFoundError", value: "No module named 'panda'", traceback: [], line: 1 }], null),
  ).toBeNull();
});
