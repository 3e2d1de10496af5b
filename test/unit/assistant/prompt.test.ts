import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { codeTool, packages } from "../../../src/assistant/prompt.ts";
import { makeLimits } from "../../../src/limits.ts";

/** Import names by Debian package, where they are not the package's own. */
const imports: Record<string, string> = { pil: "PIL", tz: "pytz" };
const NO_IMPORT = new Set(["ipython"]);

test("the model is told of exactly the packages that the sandbox image installs", async () => {
  const list = await readFile(new URL("../../../sandbox-image/packages.txt", import.meta.url), "utf8");
  const debian = [...list.matchAll(/^python3-(\S+)$/gm)].map(([, name]) => name as string).filter((name) => !NO_IMPORT.has(name));
  expect(new Set(packages)).toEqual(new Set(debian.map((name) => imports[name] ?? name)));
});

test("the model is told the operator's own limits", () => {
  const { description } = codeTool(makeLimits({ runTimeoutMsMax: 7_000, memoryMbMax: 768, filesOutCountMax: 3 })).function;
  for (const claim of ["7 seconds", "768 MiB", "At most 3 files"]) expect(description).toContain(claim);
});
