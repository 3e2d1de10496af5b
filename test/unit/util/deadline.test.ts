import { describe, expect, test } from "vitest";
import { deadlineAfter } from "../../../src/util/deadline.ts";

const aborted = (signal: AbortSignal) => new Promise<unknown>((resolve) => signal.addEventListener("abort", () => resolve(signal.reason)));

describe("a deadline", () => {
  test("fires after its time", async () => {
    const { signal } = deadlineAfter(10, new AbortController().signal);
    expect(await aborted(signal)).toMatchObject({ name: "TimeoutError" });
  });

  test("follows the outer signal, even one that is already aborted", () => {
    const outer = new AbortController();
    const follows = deadlineAfter(60_000, outer.signal);
    outer.abort("enough");
    expect(follows.signal.reason).toBe("enough");
    expect(deadlineAfter(60_000, outer.signal).signal.reason).toBe("enough");
  });

  test("does nothing once it is cleared", () => {
    const outer = new AbortController();
    const { signal, clear } = deadlineAfter(60_000, outer.signal);
    clear();
    outer.abort();
    expect(signal.aborted).toBe(false);
  });
});
