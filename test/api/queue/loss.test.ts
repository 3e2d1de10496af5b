import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig } from "./rig.ts";

const fast = { lockMs: 1_000, lockRenewMs: 400, stalledCheckMs: 300 };

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig.close();
});

/** Starts a worker process. `running` resolves once it runs an execution. */
async function doomedWorker(): Promise<{ running: Promise<void>; kill(): Promise<void> }> {
  const script = new URL("./doomed-worker.mjs", import.meta.url).pathname;
  const child = spawn(process.execPath, [script, rig.server.url], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child, "spawn");
  return {
    running: once(child.stdout, "data").then(() => undefined),
    async kill() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

describe("when a worker dies during a run", () => {
  test("another worker runs the execution as attempt 2, which the events show", { timeout: 30_000 }, async () => {
    const doomed = await doomedWorker();
    const { execution } = await rig.executionService.submit(newExecution());
    await doomed.running;
    await expect.poll(() => rig.plain.xlen(`{ci}:stream:org_a:${execution.id}`)).toBe(2);
    await doomed.kill();
    const engine = new FakeEngine({ immediate: true });
    await rig.worker(engine, { timing: fast });
    const ended = await rig.executionService.waitForEnd("org_a", execution.id, 20_000);
    expect(ended).toMatchObject({ status: "completed", attempt: 2, outputs: [{ text: "hello" }] });
    expect(engine.runs[0]?.input.attempt).toBe(2);
    const events = [];
    for await (const { event } of rig.executionService.events("org_a", execution.id, null, new AbortController().signal))
      events.push(event);
    expect(events).toMatchObject([
      { type: "execution.started", attempt: 1 },
      { type: "execution.output", output: { text: "from the lost worker" } },
      { type: "execution.started", attempt: 2 },
      { type: "execution.ended", execution: { attempt: 2 } },
    ]);
  });

  test("an execution that is cancelled meanwhile is not run again", { timeout: 30_000 }, async () => {
    const doomed = await doomedWorker();
    const { execution } = await rig.executionService.submit(newExecution());
    await doomed.running;
    await doomed.kill();
    const cancelling = rig.executionService.cancel("org_a", execution.id);
    await expect.poll(() => rig.plain.hget(`{ci}:record:org_a:${execution.id}`, "cancel")).toBe("1");
    const engine = new FakeEngine({ immediate: true });
    await rig.worker(engine, { timing: fast });
    expect(await cancelling).toMatchObject({ status: "cancelled", cause: "cancelled", outcome: "ran_partly" });
    expect(engine.runs).toHaveLength(0);
  });
});

describe("a lost lock", () => {
  test("stops the run; its result is ignored and that of the next attempt is stored", { timeout: 30_000 }, async () => {
    const engine = new FakeEngine();
    await rig.worker(engine, { timing: fast, concurrency: 1 });
    const { execution } = await rig.executionService.submit(newExecution());
    const first = await engine.started(0);
    await rig.plain.set(`{ci}:executions:${execution.id}:lock`, "another worker", "PX", 500);
    const second = await engine.started(1);
    expect(first.stop.reason).toBe("lock_lost");
    expect(second.input.attempt).toBe(2);
    expect(await rig.executionService.get("org_a", execution.id)).toMatchObject({ status: "in_progress" });
    second.finish({ outputs: [{ type: "result", text: "second" }] });
    expect(await rig.executionService.waitForEnd("org_a", execution.id, 5_000)).toMatchObject({
      attempt: 2,
      outputs: [{ text: "second" }],
    });
  });

  test("for the third time ends the execution as worker_lost", { timeout: 30_000 }, async () => {
    const engine = new FakeEngine();
    await rig.worker(engine, { timing: fast, concurrency: 1 });
    const { execution } = await rig.executionService.submit(newExecution());
    for (let at = 0; at < 3; at++) {
      await engine.started(at);
      await rig.plain.set(`{ci}:executions:${execution.id}:lock`, "another worker", "PX", 300);
    }
    expect(await rig.executionService.waitForEnd("org_a", execution.id, 20_000)).toMatchObject({
      status: "errored",
      cause: "worker_lost",
      outcome: "ran_partly",
      retry_safe: true,
      attempt: 3,
    });
    expect(engine.runs).toHaveLength(3);
  });

  test("after which BullMQ gives up ends the execution as worker_lost too", { timeout: 30_000 }, async () => {
    const engine = new FakeEngine();
    await rig.worker(engine, { timing: fast, concurrency: 1 });
    const { execution } = await rig.executionService.submit(newExecution());
    await engine.started(0);
    await rig.plain.hset(`{ci}:executions:${execution.id}`, "stc", "99");
    await rig.plain.set(`{ci}:executions:${execution.id}:lock`, "another worker", "PX", 300);
    expect(await rig.executionService.waitForEnd("org_a", execution.id, 20_000)).toMatchObject({
      status: "errored",
      cause: "worker_lost",
      attempt: 1,
    });
    expect(engine.runs).toHaveLength(1);
  });
});

describe("an execution that got no sandbox", () => {
  const nothing = { status: "errored", cause: "sandbox_lost", outcome: "never_started" } as const;

  test("waits in the queue again, as if it had not been taken, and runs when there is one", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine, { concurrency: 1 });
    const { execution } = await rig.executionService.submit(newExecution());
    (await engine.started(0)).finish(nothing);
    await expect.poll(async () => (await rig.executionService.get("org_a", execution.id))?.status).toBe("queued");
    expect(await rig.executionService.get("org_a", execution.id)).toMatchObject({ attempt: 0, started_at: null });
    (await engine.started(1)).finish();
    expect(await rig.executionService.waitForEnd("org_a", execution.id, 5_000)).toMatchObject({ status: "completed", attempt: 1 });
    const kinds = (await rig.plain.xrange(`{ci}:stream:org_a:${execution.id}`, "-", "+")).map(([, fields]) => fields[0]);
    expect(kinds).toEqual(["started", "ended"]);
  });

  test("until its deadline ends like one that waited too long", { timeout: 20_000 }, async () => {
    const engine = new FakeEngine();
    await rig.worker(engine, { concurrency: 1 });
    const { execution } = await rig.executionService.submit(newExecution({ queueDeadlineMs: 1_000 }));
    // None of its tries gets a sandbox, however often it is taken.
    const refuse = async () => {
      for (let at = 0; ; at++) (await engine.started(at)).finish(nothing);
    };
    void refuse();
    const ended = await rig.executionService.waitForEnd("org_a", execution.id, 10_000);
    expect(ended).toMatchObject({ status: "errored", outcome: "never_started", attempt: 0, retry_safe: true });
  });
});

describe("a graceful shutdown", () => {
  test("takes no new work and lets running work finish", async () => {
    const engine = new FakeEngine();
    const workerLoop = await rig.worker(engine, { concurrency: 1 });
    const { execution } = await rig.executionService.submit(newExecution());
    const waiting = (await rig.executionService.submit(newExecution())).execution;
    const run = await engine.started(0);
    const drained = workerLoop.drain(30_000);
    run.finish();
    await drained;
    expect(await rig.executionService.get("org_a", execution.id)).toMatchObject({ status: "completed" });
    expect(await rig.executionService.get("org_a", waiting.id)).toMatchObject({ status: "queued" });
    expect(workerLoop.running()).toBe(0);
  });

  test("gives running work back at its hard deadline, and another worker takes it at once", async () => {
    const engine = new FakeEngine();
    const workerLoop = await rig.worker(engine);
    const { execution } = await rig.executionService.submit(newExecution());
    const run = await engine.started(0);
    await workerLoop.drain(10);
    expect(run.stop.reason).toBe("shutdown");
    expect(await rig.executionService.get("org_a", execution.id)).toMatchObject({ status: "in_progress" });
    await rig.worker(new FakeEngine({ immediate: true }), { timing: { stalledCheckMs: 60_000 } });
    expect(await rig.executionService.waitForEnd("org_a", execution.id, 5_000)).toMatchObject({ status: "completed", attempt: 2 });
  });
});
