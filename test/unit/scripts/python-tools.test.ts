import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

// Plain JavaScript, loaded by address, without types.
const { pinsIn } = await import(new URL("../../../scripts/setup/python-tools.mjs", import.meta.url).href);

describe("the pins of the Python tools", () => {
  test("are read from pyproject.toml", () => {
    const pins = pinsIn(readFileSync(new URL("../../../pyproject.toml", import.meta.url), "utf8"));
    expect(pins.map((pin: string) => pin.split("==")[0])).toEqual(expect.arrayContaining(["mypy", "pytest", "ruff"]));
  });

  test("are those of the named group", () => {
    const pyproject = '[dependency-groups]\ndev = [\n  "ruff==1",\n]\n# More.\nclients = [\n  "openai[x]==2.0",\n]\n\n[tool.ruff]\n';
    expect([pinsIn(pyproject), pinsIn(pyproject, "clients")]).toEqual([["ruff==1"], ["openai[x]==2.0"]]);
  });

  test.each([
    "",
    "[dependency-groups]\ndev = [\n]\n",
    '[dependency-groups]\ndev = [\n  "mypy>=1",\n]\n',
    '[dependency-groups]\ndev = [\n  "ruff",\n]\n',
  ])("must be exact: %j", (text) => {
    expect(() => pinsIn(text)).toThrow("must pin every tool");
  });
});
