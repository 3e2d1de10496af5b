import { describe, expect, test } from "vitest";
import { wantsPreloaded } from "../../../../src/domain/heavy-imports.ts";
import { Arrivals } from "../../../../src/sandbox/pool/arrivals.ts";

function arrivalsEvery(gapMs: number, startMs: number) {
  const arrivals = new Arrivals();
  for (let turn = 0; turn < 50; turn++) {
    arrivals.recordArrival(turn * gapMs, false);
    arrivals.recordStart(startMs);
  }
  return { arrivals, now: 49 * gapMs };
}

describe("the stock needed for the arrival rate", () => {
  test.each([
    [10_000, 300, 1],
    [500, 300, 3],
    [100, 300, 7],
    [20, 300, 23],
  ])("one every %i ms, %i ms to start: %i", (gapMs, startMs, stock) => {
    const { arrivals, now } = arrivalsEvery(gapMs, startMs);
    expect(arrivals.stockNeeded(now)).toBe(stock);
  });

  test("falls while nothing arrives", () => {
    const { arrivals, now } = arrivalsEvery(20, 300);
    expect(arrivals.stockNeeded(now + 3_000)).toBeLessThan(3);
    expect(arrivals.stockNeeded(now + 60_000)).toBe(0);
  });

  test("is zero before the first arrival", () => {
    expect(new Arrivals().stockNeeded(0)).toBe(0);
  });
});

describe("the hint for preloading", () => {
  test.each([
    ["import pandas as pd", true],
    ["from matplotlib import pyplot", true],
    ["print(1)", false],
    ["import json, math", false],
    ["x = 'pandas'", false],
  ])("%j: %s", (code, heavy) => {
    expect(wantsPreloaded(code)).toBe(heavy);
  });
});
