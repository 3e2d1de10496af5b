import { expect, test } from "vitest";
import { codeTool } from "../../../../src/assistant/model/prompt.ts";
import { makeLimits } from "../../../../src/domain/limits.ts";
import { importableNames } from "../../../../src/domain/packages.ts";

test("the tool description lists every package of the image", () => {
  expect(codeTool(makeLimits(), 512).function.description).toContain(`there are: ${importableNames.join(", ")}.`);
});

test("the tool description has the operator's limits and the memory of the session", () => {
  const { description } = codeTool(makeLimits({ runTimeoutMsMax: 7_000, filesOutCountMax: 3 }), 768).function;
  for (const claim of ["7 seconds", "768 MiB", "At most 3 files"]) expect(description).toContain(claim);
});
