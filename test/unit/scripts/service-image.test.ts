import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

// Plain JavaScript, loaded by address, without types.
const { serviceInputs } = await import(new URL("../../../scripts/setup/service-image.mjs", import.meta.url).href);

test("the service's image has the keeper without its tests", () => {
  const inputs: string[] = serviceInputs(fileURLToPath(new URL("../../..", import.meta.url)));
  expect(inputs).toContain("keeper/keeper.py");
  expect(inputs.filter((file) => file.startsWith("keeper/tests"))).toEqual([]);
});
