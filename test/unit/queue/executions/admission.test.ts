import { describe, expect, test } from "vitest";
import { retryAfterSeconds } from "../../../../src/queue/executions/admission.ts";

describe("the time after which a refused caller may come again", () => {
  test("is what the waiting take at the measured rate", () => {
    // 300 runs in 25 s: 12 a second.
    expect(retryAfterSeconds(600, [60, 120, 120, 0, 0, 0], 5_000)).toBe(50);
  });

  test("ignores the time before the first run that was counted", () => {
    expect(retryAfterSeconds(100, [100, 0, 0, 0, 0, 0], 5_000)).toBe(5);
  });

  test("has a cautious rate where nothing was measured", () => {
    expect(retryAfterSeconds(10, [0, 0, 0, 0, 0, 0], 5_000)).toBe(5);
  });

  test("is a whole number from 1 to 60", () => {
    expect(retryAfterSeconds(0, [500, 500], 0)).toBe(1);
    expect(retryAfterSeconds(1_000_000, [1, 0], 9_000)).toBe(60);
    expect(retryAfterSeconds(1_000, [1_000], 0)).toBe(1);
  });
});
