import { afterAll, beforeAll, expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import { importableNames, namesForModels, type SandboxPackages } from "../../../src/domain/packages.ts";
import { readPackages } from "../../../src/sandbox/selfcheck/read-packages.ts";
import { type EngineUnderTest, startEngine } from "../../support/sandboxes/engine.ts";

let under: EngineUnderTest;
let packages: SandboxPackages | null = null;
beforeAll(async () => {
  under = await startEngine({ packages: () => packages });
  packages = await readPackages(under.engine, makeLimits());
});
afterAll(() => under.close());

test("the packages are those of the image, with the names to import", () => {
  expect(packages?.python).toMatch(/^3\.13\./);
  expect(packages?.variant).toBe("default");
  const found = (name: string) => packages?.packages.find((one) => one.name === name);
  expect(found("scikit-learn")).toEqual({ name: "scikit-learn", version: expect.stringMatching(/^1\./), modules: ["sklearn"] });
  expect(found("pillow")?.modules).toEqual(["PIL"]);
  expect(found("PyYAML")?.modules).toEqual(["yaml"]);
  expect(packages?.packages.filter(({ name }) => /^types-/.test(name) || name === "pip")).toEqual([]);
  expect(namesForModels(packages)).toEqual(importableNames);
});

test("an import of a missing module names the nearest one that is installed, in an execution and in a session", async () => {
  const { end } = await under.run("import panda");
  expect(end.evidence).toEqual({ exit_code: 1, suggestion: "No module named 'panda'; installed: pandas" });
  const session = await under.engine.openSession(
    { id: "cntr_packages", memoryMb: makeLimits().memoryMbMax, restoresCells: true },
    new AbortController().signal,
  );
  try {
    const input = {
      id: "exec_packages",
      organization: "org",
      attempt: 1,
      args: [],
      stdin: "",
      env: {},
      files: [],
      timeoutMs: 20_000,
      memoryMb: 512,
    };
    const ports = {
      openFile: () => Promise.reject(new Error("no files")),
      saveFile: () => Promise.reject(new Error("no files")),
      emit: () => Promise.resolve(),
    };
    const cell = await session.run({ ...input, code: "import scikit_learn" }, ports, new AbortController().signal);
    expect(cell.evidence).toEqual({
      exit_code: 1,
      suggestion: "No module named 'scikit_learn'; installed: sklearn (of scikit-learn)",
      session_alive: true,
    });
  } finally {
    await session.close();
  }
});

test("code that catches the error, or fails for another reason, has no suggestion", async () => {
  expect((await under.run("try:\n    import panda\nexcept ImportError: print('none')")).end.evidence).toEqual({});
  expect((await under.run("1 / 0")).end.evidence).toEqual({ exit_code: 1 });
});
