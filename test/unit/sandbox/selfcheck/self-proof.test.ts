import { describe, expect, test } from "vitest";
import { makeLimits } from "../../../../src/domain/limits.ts";
import type { ExecutionEnd } from "../../../../src/domain/result.ts";
import { attackPrograms } from "../../../../src/sandbox/selfcheck/attack-programs.ts";
import { attack, proveLockdown } from "../../../../src/sandbox/selfcheck/self-proof.ts";
import { completedEnd, FakeEngine, type FakeRun } from "../../../support/fakes/fake-engine.ts";

const limits = makeLimits();
const never = new AbortController().signal;
const pair = attackPrograms(false).find(({ beside }) => beside !== undefined);
if (pair === undefined) throw new Error("no program has another beside it");

const printed = (text: string): Partial<ExecutionEnd> => completedEnd(text);
const begin = (stop: AbortSignal = never) => {
  const engine = new FakeEngine();
  return { engine, verdict: attack({ engine, limits, ownKernel: false }, pair, stop) };
};
const holds = (run: FakeRun) => run.ports.emit({ type: "text", stream: "stdout", text: "holding\n" });

describe("a program with another beside it", () => {
  test("runs while the other holds, which is stopped then", async () => {
    const { engine, verdict } = begin();
    const beside = await engine.started(0);
    expect(engine.runs).toHaveLength(1);
    await holds(beside);
    const probe = await engine.started(1);
    expect(beside.stop.aborted).toBe(false);
    probe.finish(printed("all there"));
    expect(await verdict).toEqual({ breaches: [], inconclusive: null });
    expect(beside.stop.reason).toBe("cancelled");
  });

  test("that lacks something shows a breach, and what it lacks", async () => {
    const { engine, verdict } = begin();
    await holds(await engine.started(0));
    (await engine.started(1)).finish(printed("timers: refused"));
    expect((await verdict).breaches).toEqual([{ check: "neighbours", words: expect.stringContaining("timers: refused") }]);
  });

  test("shows nothing when the other ends before it holds, or is stopped", async () => {
    const early = begin();
    (await early.engine.started(0)).finish({ status: "failed", cause: "exception" });
    expect(await early.verdict).toEqual({ breaches: [], inconclusive: expect.stringContaining("failed") });
    const stop = new AbortController();
    const stopped = begin(stop.signal);
    await stopped.engine.started(0);
    stop.abort("shutdown");
    expect((await stopped.verdict).inconclusive).not.toBeNull();
  });
});

test("a worker with room for one sandbox does not run programs that need two", async () => {
  const engine = new FakeEngine({ immediate: true });
  await proveLockdown({ engine, limits, ownKernel: false, sandboxesMax: 1 });
  expect(engine.runs).toHaveLength(attackPrograms(false).length - 1);
});
