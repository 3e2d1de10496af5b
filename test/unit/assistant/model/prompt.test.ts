import { expect, test } from "vitest";
import { codeTool } from "../../../../src/assistant/model/prompt.ts";
import { makeLimits } from "../../../../src/domain/limits.ts";

test("the tool description lists the packages", () => {
  expect(codeTool(makeLimits(), 512, ["numpy", "PIL"]).function.description).toContain("there are: numpy, PIL.");
});

test("the tool description has the operator's limits and the memory of the session", () => {
  const { description } = codeTool(makeLimits({ runTimeoutMsMax: 7_000, filesOutCountMax: 3 }), 768, []).function;
  for (const claim of ["7 seconds", "768 MiB", "At most 3 files"]) expect(description).toContain(claim);
});
