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

async function timed(work: Promise<unknown>): Promise<{ error: unknown; ms: number }> {
  const from = performance.now();
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  return { error, ms: performance.now() - from };
}

describe("while Redis is down", () => {
  test("every call is refused within a second, and works again afterwards", async () => {
    const id = (await rig.executionService.submit(newExecution())).execution.id;
    await rig.server.kill();
    const { executionService } = rig;
    const never = new AbortController().signal;
    const calls = {
      submit: () => executionService.submit(newExecution()),
      replay: () => executionService.replay("org_a", { key: "k", bodySha256: "a".repeat(64) }),
      get: () => executionService.get("org_a", id),
      list: () => executionService.list("org_a", { limit: 1, order: "asc" }),
      waitForEnd: () => executionService.waitForEnd("org_a", id, 60_000),
      events: () => executionService.events("org_a", id, null, never)[Symbol.asyncIterator]().next(),
      cancel: () => executionService.cancel("org_a", id),
      delete: () => executionService.delete("org_a", id),
      depth: () => executionService.depth(),
      ready: () => executionService.ready(),
    };
    for (const [name, call] of Object.entries(calls)) {
      const { error, ms } = await timed(call());
      expect({ name, error }).toMatchObject({ name, error: { code: "queue_unavailable", status: 503 } });
      expect(ms).toBeLessThan(1_000);
    }
    expect([await rig.metric("queue_depth"), await rig.metric("queue_oldest_waiting_seconds")]).toEqual([[], []]);
    await rig.server.restart();
    await expect.poll(() => timed(executionService.ready()).then(({ error }) => error), { timeout: 5_000 }).toBeNull();
    await rig.worker(new FakeEngine({ immediate: true }));
    const { execution } = await executionService.submit(newExecution());
    expect(await executionService.waitForEnd("org_a", execution.id, 5_000)).toMatchObject({ status: "completed" });
  });

  test("calls are refused within a second when Redis hangs", async () => {
    process.kill(rig.server.pid, "SIGSTOP");
    const { error, ms } = await timed(rig.executionService.submit(newExecution()));
    process.kill(rig.server.pid, "SIGCONT");
    expect(error).toMatchObject({ code: "queue_unavailable" });
    expect(ms).toBeLessThan(1_500);
  });

  test.each([
    ["is down", "SIGKILL"],
    ["hangs", "SIGSTOP"],
  ] as const)("a scrape of a worker while Redis %s neither waits nor reports an old depth", async (_, signal) => {
    const metrics = makeMetrics();
    const workerLoop = await rig.worker(new FakeEngine(), { metrics });
    expect(await rig.metric("queue_depth", metrics)).toHaveLength(3);
    if (signal === "SIGKILL") await rig.server.kill();
    else process.kill(rig.server.pid, signal);
    const { ms } = await timed(metrics.registry.metrics());
    expect(ms).toBeLessThan(2_500);
    expect([await rig.metric("queue_depth", metrics), await rig.metric("queue_oldest_waiting_seconds", metrics)]).toEqual([[], []]);
    await expect(workerLoop.ready()).rejects.toThrow("did not answer");
    if (signal === "SIGKILL") await rig.server.restart();
    else process.kill(rig.server.pid, "SIGCONT");
  });

  test("a worker stops in bounded time", async () => {
    const workerLoop = await rig.worker(new FakeEngine());
    await rig.server.kill();
    const { ms } = await timed(workerLoop.drain(100));
    expect(ms).toBeLessThan(5_000);
    await rig.server.restart();
  });

  test("the result of a run that ends meanwhile is stored once Redis is back", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(newExecution());
    const run = await engine.started(0);
    process.kill(rig.server.pid, "SIGSTOP");
    run.finish();
    await expect(rig.executionService.ready()).rejects.toMatchObject({ code: "queue_unavailable" });
    process.kill(rig.server.pid, "SIGCONT");
    await expect.poll(() => timed(rig.executionService.ready()).then(({ error }) => error), { timeout: 5_000 }).toBeNull();
    expect(await rig.executionService.waitForEnd("org_a", execution.id, 5_000)).toMatchObject({ status: "completed" });
  });
});
