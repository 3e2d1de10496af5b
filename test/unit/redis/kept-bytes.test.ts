import { expect, test } from "vitest";
import { HOUR_MS, hourOf, keptBytes } from "../../../src/redis/kept-bytes.ts";

test("bytes count until the hour in which they were stored has been kept as long as it may", () => {
  const now = 1_000 * HOUR_MS + 5;
  const hours = { [hourOf(now)]: "7", [hourOf(now - 24 * HOUR_MS)]: "30", [hourOf(now - 25 * HOUR_MS)]: "500" };
  expect(keptBytes(hours, 24 * HOUR_MS, now)).toBe(37);
  expect(keptBytes(hours, 24 * HOUR_MS, now + HOUR_MS)).toBe(7);
  expect(keptBytes({}, 24 * HOUR_MS, now)).toBe(0);
});
