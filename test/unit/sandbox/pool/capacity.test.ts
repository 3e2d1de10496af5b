import { describe, expect, test } from "vitest";
import { makeLimits } from "../../../../src/domain/limits.ts";
import { planCapacity } from "../../../../src/sandbox/pool/capacity.ts";

const plan = (sandboxMemoryMb: number, wanted: { concurrency?: number; poolSizeMax?: number } = {}, limits = makeLimits()) =>
  planCapacity({ cores: 2, sandboxMemoryMb }, limits, { concurrency: wanted.concurrency, poolSizeMax: wanted.poolSizeMax ?? 2 });

describe("a worker's capacity", () => {
  test("fits stock, executions and sessions into the memory, and always leaves room for an execution", () => {
    for (const memoryMb of [1_536, 2_048, 4_096, 16_384, 65_536]) {
      const { sandboxes, sandboxesInUse, concurrency, sessions } = plan(memoryMb);
      expect(sandboxes * 512).toBeLessThanOrEqual(memoryMb);
      expect(sandboxesInUse + 2).toBe(sandboxes);
      expect(concurrency).toBeLessThanOrEqual(sandboxesInUse);
      expect(sessions).toBe(Math.min(64, sandboxesInUse - 1));
    }
  });

  test("bounds sessions by their own limit too", () => {
    expect(plan(65_536, {}, makeLimits({ sessionsPerWorkerMax: 3 })).sessions).toBe(3);
  });

  test("is refused with the settings to change when the memory is too small", () => {
    expect(() => plan(1_024)).toThrow(/do not fit into 1024 MiB/);
    expect(() => plan(4_096, { concurrency: 7 })).toThrow(/WORKER_CONCURRENCY \(7\)/);
  });
});
