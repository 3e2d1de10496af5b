import { afterEach, expect, test, vi } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import { makeLog } from "../../../src/observe/log.ts";
import { startSelfChecks } from "../../../src/sandbox/selfcheck/self-check.ts";
import { proveLockdown } from "../../../src/sandbox/selfcheck/self-proof.ts";
import { type EngineUnderTest, startEngine } from "../../support/sandboxes/engine.ts";

/** Programs run one after another without a pause. */
const limits = makeLimits({ selfCheckIntervalMs: 1 });
const PATIENCE = { timeout: 60_000, interval: 100 };
/** Allows every system call, like a misconfigured engine. */
const everyCall = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"], syscalls: [] };

const ends: Array<() => Promise<void>> = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function engine(options: Parameters<typeof startEngine>[0] = {}): Promise<EngineUnderTest> {
  const under = await startEngine({ limits, ...options });
  ends.push(() => under.close());
  return under;
}

function check({ pool, metrics }: EngineUnderTest, nothingWaits = async () => true) {
  const onBreach = vi.fn();
  ends.push(startSelfChecks({ pool, limits, metrics, log: makeLog("silent"), ownKernel: false, inUseMax: 1, nothingWaits, onBreach }));
  return onBreach;
}

async function count(
  { metrics }: EngineUnderTest,
  name: "selfChecks" | "selfCheckFailures" | "poolTakes",
): Promise<Record<string, number>> {
  const { values } = await metrics[name].get();
  return Object.fromEntries(values.filter(({ value }) => value > 0).map(({ labels, value }) => [Object.values(labels)[0], value]));
}

test("every program shows that real sandboxes hold, outside the stock and excluded from execution metrics", async () => {
  const under = await engine();
  const onBreach = check(under);
  await vi.waitFor(async () => expect((await count(under, "selfChecks")).held).toBeGreaterThanOrEqual(5), PATIENCE);
  expect(onBreach).not.toHaveBeenCalled();
  expect(await count(under, "selfChecks")).toEqual({ held: expect.any(Number) });
  expect(await count(under, "selfCheckFailures")).toEqual({});
  expect(await count(under, "poolTakes")).toEqual({});
  expect(under.pool.taken).toEqual([]);
  expect((await under.metrics.selfCheckSuccess.get()).values[0]?.value).toBeGreaterThan(Date.now() / 1000 - 60);
}, 90_000);

test("a sandbox that allows every system call is detected, and its worker notified once", async () => {
  const under = await engine({ seccomp: everyCall });
  const onBreach = check(under);
  await vi.waitFor(() => expect(onBreach).toHaveBeenCalledTimes(1), PATIENCE);
  expect(await count(under, "selfCheckFailures")).toEqual({ syscalls: expect.any(Number) });
  const problems = await proveLockdown({ engine: under.engine, limits, ownKernel: false, sandboxesMax: 2 });
  expect(problems.join()).toContain("io_uring_setup is answered");
}, 90_000);

test("no program runs while an execution waits, or while that is unknown", async () => {
  const under = await engine();
  let polls = 0;
  check(under, async () => {
    polls += 1;
    if (polls === 1) throw new Error("Redis is away");
    return false;
  });
  await vi.waitFor(() => expect(polls).toBeGreaterThanOrEqual(3), PATIENCE);
  expect(await count(under, "selfChecks")).toEqual({});
}, 90_000);
