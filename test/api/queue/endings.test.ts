import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig } from "./rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig.close();
});

describe("cancel", () => {
  test("of a waiting execution removes it and takes effect at once", async () => {
    const { execution } = await rig.executionService.submit(newExecution());
    expect(await rig.executionService.cancel("org_a", execution.id)).toMatchObject({
      status: "cancelled",
      cause: "cancelled",
      outcome: "never_started",
      retry_safe: true,
    });
    expect(await rig.executionService.depth()).toEqual({ waiting: 0, active: 0 });
    expect(await rig.counted("executions_dropped_total")).toEqual([{ labels: { reason: "cancelled" }, value: 1 }]);
    const engine = new FakeEngine({ immediate: true });
    await rig.worker(engine);
    const next = (await rig.executionService.submit(newExecution())).execution;
    await rig.executionService.waitForEnd("org_a", next.id, 5_000);
    expect(engine.runs.map((run) => run.input.id)).toEqual([next.id]);
  });

  test("of a running execution stops the run and returns its end", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(newExecution());
    const run = await engine.started(0);
    expect(await rig.executionService.cancel("org_a", execution.id)).toMatchObject({ status: "cancelled", cause: "cancelled", attempt: 1 });
    expect(run.stop.reason).toBe("cancelled");
  });

  test("wakes callers that wait for the execution", async () => {
    const { execution } = await rig.executionService.submit(newExecution());
    const waiting = rig.executionService.waitForEnd("org_a", execution.id, 10_000);
    await rig.executionService.cancel("org_a", execution.id);
    expect(await waiting).toMatchObject({ status: "cancelled" });
  });

  test("of an ended execution changes nothing", async () => {
    await rig.worker(new FakeEngine({ immediate: true }));
    const { execution } = await rig.executionService.submit(newExecution());
    const ended = await rig.executionService.waitForEnd("org_a", execution.id, 5_000);
    expect(await rig.executionService.cancel("org_a", execution.id)).toEqual(ended);
  });

  test("whose message reached no worker is found by the worker in the record", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine, { timing: { sweepMs: 20 } });
    const { execution } = await rig.executionService.submit(newExecution());
    await engine.started(0);
    await rig.plain.hset(`{ci}:record:org_a:${execution.id}`, "cancel", "1");
    expect(await rig.executionService.waitForEnd("org_a", execution.id, 5_000)).toMatchObject({ status: "cancelled" });
  });
});

describe("a deadline in the queue", () => {
  const dropped = {
    status: "errored",
    cause: "timeout",
    outcome: "never_started",
    retry_safe: true,
    attempt: 0,
    started_at: null,
    evidence: { limit: "queueWaitMsMax" },
  };

  test("ends a waiting execution while all workers are busy", async () => {
    const engine = new FakeEngine();
    const metrics = makeMetrics();
    await rig.worker(engine, { concurrency: 1, metrics });
    await rig.executionService.submit(newExecution());
    await engine.started(0);
    const { execution } = await rig.executionService.submit(newExecution({ queueDeadlineMs: 50 }));
    expect(await rig.executionService.waitForEnd("org_a", execution.id, 10_000)).toMatchObject(dropped);
    await expect.poll(async () => (await rig.executionService.depth()).waiting).toBe(0);
    const dropCounts = [...(await rig.counted("executions_dropped_total")), ...(await rig.counted("executions_dropped_total", metrics))];
    expect(dropCounts).toEqual([{ labels: { reason: "deadline" }, value: 1 }]);
    expect(engine.runs).toHaveLength(1);
  });

  test("ends a waiting execution while there is no worker", async () => {
    const { execution } = await rig.executionService.submit(newExecution({ queueDeadlineMs: 50 }));
    expect(await rig.executionService.waitForEnd("org_a", execution.id, 10_000)).toMatchObject(dropped);
  });

  test("is checked by a worker that takes the job first", async () => {
    await rig.executionService.close();
    const late = (await rig.executionService.submit(newExecution({ queueDeadlineMs: 1 }))).execution;
    await rig.plain.hset(`{ci}:record:org_a:${late.id}`, "deadline_at", "1");
    const engine = new FakeEngine({ immediate: true });
    const metrics = makeMetrics();
    await rig.worker(engine, { metrics, timing: { sweepMs: 60_000 } });
    await expect.poll(async () => (await rig.executionService.get("org_a", late.id))?.status).toBe("errored");
    expect(await rig.executionService.get("org_a", late.id)).toMatchObject(dropped);
    expect(engine.runs).toHaveLength(0);
    expect(await rig.counted("executions_dropped_total", metrics)).toEqual([{ labels: { reason: "deadline" }, value: 1 }]);
  });
});
