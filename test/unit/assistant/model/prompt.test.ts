import { expect, test } from "vitest";
import { codeTool } from "../../../../src/assistant/model/prompt.ts";
import { makeLimits } from "../../../../src/domain/limits.ts";
import { importableNames } from "../../../../src/domain/packages.ts";

test("the model is told of every package, by the one list that is held against the image's", () => {
  expect(codeTool(makeLimits(), 512).function.description).toContain(`there are: ${importableNames.join(", ")}.`);
});

test("the model is told the operator's own limits, and the memory of its session", () => {
  const { description } = codeTool(makeLimits({ runTimeoutMsMax: 7_000, filesOutCountMax: 3 }), 768).function;
  for (const claim of ["7 seconds", "768 MiB", "At most 3 files"]) expect(description).toContain(claim);
});
