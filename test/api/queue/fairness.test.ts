import { afterEach, describe, expect, test } from "vitest";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig, request } from "./rig.ts";

let rig: Rig;
afterEach(async () => {
  await rig.close();
});

/** Ends runs in order until execution `id` starts. Returns how many started before it. */
async function startsBefore(engine: FakeEngine, id: string, from: number): Promise<number> {
  for (let at = from; ; at++) {
    const run = await engine.started(at);
    if (run.input.id === id) return at - from;
    run.finish();
  }
}

describe("between organizations", () => {
  test("500 waiting jobs of one delay another's next job by only a few", async () => {
    rig = await makeRig({ queuePerOrganizationMax: 600 });
    const engine = new FakeEngine();
    await rig.worker(engine, { concurrency: 2 });
    for (let batch = 0; batch < 10; batch++)
      await Promise.all(Array.from({ length: 50 }, () => rig.executionService.submit(newExecution())));
    for (let at = 0; at < 20; at++) (await engine.started(at)).finish();
    await engine.started(21);
    const { execution } = await rig.executionService.submit(newExecution({ organization: "org_b" }));
    expect(await startsBefore(engine, execution.id, 20)).toBeLessThanOrEqual(5);
  });

  test("two with many waiting jobs take turns", async () => {
    rig = await makeRig();
    const engine = new FakeEngine();
    for (let at = 0; at < 30; at++) await rig.executionService.submit(newExecution());
    for (let at = 0; at < 30; at++) await rig.executionService.submit(newExecution({ organization: "org_b" }));
    await rig.worker(engine, { concurrency: 1 });
    const order: string[] = [];
    for (let at = 0; at < 20; at++) {
      const run = await engine.started(at);
      order.push(run.input.organization);
      run.finish();
    }
    expect(order.filter((organization) => organization === "org_b")).toHaveLength(10);
  });
});

describe("priority high", () => {
  test("runs before the organization's own waiting executions", async () => {
    rig = await makeRig();
    const engine = new FakeEngine();
    await rig.worker(engine, { concurrency: 1 });
    for (let at = 0; at < 20; at++) await rig.executionService.submit(newExecution());
    await engine.started(0);
    const { execution } = await rig.executionService.submit(newExecution({ request: request({ priority: "high" }) }));
    expect(await startsBefore(engine, execution.id, 0)).toBeLessThanOrEqual(3);
  });

  test("takes no turn from another organization", async () => {
    rig = await makeRig();
    const engine = new FakeEngine();
    const high = request({ priority: "high" });
    for (let at = 0; at < 20; at++) await rig.executionService.submit(newExecution({ request: high }));
    for (let at = 0; at < 20; at++) await rig.executionService.submit(newExecution({ organization: "org_b" }));
    await rig.worker(engine, { concurrency: 1 });
    const order: string[] = [];
    for (let at = 0; at < 20; at++) {
      const run = await engine.started(at);
      order.push(run.input.organization);
      run.finish();
    }
    expect(order.filter((organization) => organization === "org_b").length).toBeGreaterThanOrEqual(9);
  });
});

describe("the base of the priorities", () => {
  test("moves before priorities run out, and waiting jobs keep their order", async () => {
    rig = await makeRig();
    const engine = new FakeEngine();
    const timing = { rebaseAt: 10, sweepMs: 20 };
    await rig.worker(engine, { concurrency: 1, timing });
    const ids: string[] = [];
    for (let at = 0; at < 40; at++) ids.push((await rig.executionService.submit(newExecution())).execution.id);
    for (let at = 0; at < 15; at++) (await engine.started(at)).finish();
    await engine.started(15);
    await expect.poll(() => rig.plain.hget("{ci}:fair", "base")).not.toBeNull();
    const highest = async () => {
      const scores = await rig.plain.zrange("{ci}:executions:prioritized", -1, -1, "WITHSCORES");
      return Math.floor(Number(scores[1]) / 2 ** 32);
    };
    await expect.poll(highest).toBeLessThanOrEqual(30);
    // A job that is added after the base moved runs after the earlier ones.
    ids.push((await rig.executionService.submit(newExecution())).execution.id);
    for (let at = 15; at < 41; at++) (await engine.started(at)).finish();
    expect(engine.runs.map((run) => run.input.id)).toEqual(ids);
  });

  test("is reset when nothing waits", async () => {
    rig = await makeRig();
    await rig.worker(new FakeEngine({ immediate: true }));
    for (let at = 0; at < 5; at++) {
      const { execution } = await rig.executionService.submit(newExecution());
      await rig.executionService.waitForEnd("org_a", execution.id, 5_000);
    }
    await rig.executionService.submit(newExecution());
    expect(await rig.plain.hget("{ci}:fair", "n:org_a")).toBe("1");
  });
});
