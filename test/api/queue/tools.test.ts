import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ToolAnswer } from "../../../src/domain/tools.ts";
import { FakeEngine, type FakeRun } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig, request } from "./rig.ts";

const tools = [{ type: "function" as const, name: "f" }];
const withTools = () => newExecution({ request: request({ tools }) });

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(() => rig.close());

const beat = (worker: string) => rig.plain.set(`{ci}:worker:${worker}`, "alive", "PX", 60_000);

/** The code of a run calls `f`. */
function callTool({ ports }: FakeRun, callId = "call_1", signal = new AbortController().signal): Promise<ToolAnswer> {
  if (ports.tools === undefined) throw new Error("the run has no tools");
  return ports.tools.call({ callId, name: "f", argumentsJson: '{"x":1}' }, signal);
}
const waitFor = (id: string) => rig.executionService.waitForEnd("org_a", id, 20_000);
const answer = (id: string, json = "42", callId = "call_1") =>
  rig.executionService.answerCalls("org_a", id, [{ callId, outcome: "output", json }]);

describe("a call of the code", () => {
  test("waits in Redis, is seen by every api process, and its answer reaches the code", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(withTools());
    const run = await engine.started(0);
    const answered = callTool(run);
    expect(await waitFor(execution.id)).toMatchObject({
      status: "requires_action",
      pending_calls: [{ call_id: "call_1", name: "f", arguments: { x: 1 } }],
    });
    await answer(execution.id);
    expect(await answered).toEqual({ outcome: "output", json: "42" });
    expect((await rig.executionService.get("org_a", execution.id))?.status).toBe("in_progress");
    run.finish();
    expect((await waitFor(execution.id)).status).toBe("completed");
    expect(await rig.plain.keys("{ci}:*calls*")).toEqual([]);
    expect(await rig.plain.keys("{ci}:answer*")).toEqual([]);
  });

  test("is answered although the message about the answer was lost", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(withTools());
    const answered = callTool(await engine.started(0));
    await waitFor(execution.id);
    await rig.plain.hset(`{ci}:answers:org_a:${execution.id}`, "call_1", JSON.stringify({ outcome: "output", json: "7" }));
    expect(await answered).toEqual({ outcome: "output", json: "7" });
  });

  test("that is not answered in time is withdrawn", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(withTools());
    const late = new AbortController();
    const answered = callTool(await engine.started(0), "call_1", late.signal);
    await waitFor(execution.id);
    late.abort("timeout");
    expect((await answered).outcome).toBe("timeout");
    await expect(answer(execution.id)).rejects.toMatchObject({ code: "tool_call_not_waiting" });
  });

  test("keeps its answers to its organization", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(withTools());
    void callTool(await engine.started(0));
    await waitFor(execution.id);
    const foreign = rig.executionService.answerCalls("org_b", execution.id, [{ callId: "call_1", outcome: "output", json: "1" }]);
    await expect(foreign).rejects.toMatchObject({ code: "execution_not_found" });
  });
});

describe("a waiting program", () => {
  /** A worker that runs one thing at a time, with a program on it that waits. */
  async function waiting() {
    const engine = new FakeEngine();
    await beat("worker_1");
    const sessions = { engine: { openSession: () => Promise.reject(new Error("no sessions")) }, sessionsMax: 1, sandboxesMax: 4 };
    const worker = await rig.worker(engine, { concurrency: 1, sessions });
    const { execution } = await rig.executionService.submit(withTools());
    const run = await engine.started(0);
    const answered = callTool(run);
    const resume = run.ports.tools?.pause() ?? (() => Promise.resolve());
    await waitFor(execution.id);
    return { engine, worker, run, answered, resume, id: execution.id };
  }

  test("gives its slot away and takes it back before it goes on", async () => {
    const { engine, run, answered, resume, id } = await waiting();
    const { execution: other } = await rig.executionService.submit(newExecution());
    const second = await engine.started(1);
    expect(second.input.id).toBe(other.id);
    await answer(id);
    await answered;
    let resumed = false;
    const resuming = resume().then(() => {
      resumed = true;
    });
    // A round trip through the worker's event loop, in which a free slot would have been taken.
    await rig.plain.ping();
    expect(resumed).toBe(false);
    second.finish();
    await resuming;
    run.finish();
    expect((await waitFor(id)).status).toBe("completed");
    expect((await waitFor(other.id)).status).toBe("completed");
    await expect.poll(() => rig.plain.scard("{ci}:detached-of:worker_1")).toBe(0);
  });

  test("of one organization leaves half of the room to others", async () => {
    const engine = new FakeEngine();
    const sessions = { engine: { openSession: () => Promise.reject(new Error("no sessions")) }, sessionsMax: 1, sandboxesMax: 6 };
    await beat("worker_1");
    await rig.worker(engine, { concurrency: 2, sessions });
    const submitted = [];
    for (let at = 0; at < 4; at++) submitted.push((await rig.executionService.submit(withTools())).execution.id);
    for (const at of [0, 1]) void (await engine.started(at)).ports.tools?.pause();
    const { execution: other } = await rig.executionService.submit({ ...withTools(), organization: "org_b" });
    expect((await engine.started(2)).input.id).toBe(other.id);
    // The third of the first organization begins once one of its own has ended.
    engine.runs[0]?.finish();
    const fourth = await engine.started(3);
    expect(submitted.slice(2)).toContain(fourth.input.id);
  });

  test("is started again on another worker when its own stops before an answer", { timeout: 30_000 }, async () => {
    const { id, worker } = await waiting();
    await expect.poll(() => rig.plain.scard("{ci}:detached-of:worker_1")).toBe(1);
    await worker.drain(0).catch(() => undefined);
    const again = new FakeEngine({ immediate: true });
    await beat("worker_2");
    await rig.worker(again);
    // Until the other worker takes it, it waits for its caller as before.
    await expect.poll(() => rig.executionService.get("org_a", id), { timeout: 20_000 }).toMatchObject({ status: "completed", attempt: 2 });
    await expect(answer(id)).rejects.toMatchObject({ code: "tool_call_not_waiting" });
  });

  test("gets a new job when the heartbeat of its worker stops, and its old run is stopped", { timeout: 30_000 }, async () => {
    const { id, engine, run } = await waiting();
    await expect.poll(() => rig.plain.scard("{ci}:detached-of:worker_1")).toBe(1);
    await rig.plain.del("{ci}:worker:worker_1");
    const again = await engine.started(1);
    expect([again.input.id, again.input.attempt, run.stop.reason]).toEqual([id, 2, "lock_lost"]);
    again.finish();
    await expect.poll(async () => (await rig.executionService.get("org_a", id))?.status).toBe("completed");
  });

  test("is not started again after an answer: the caller's tools have effects", { timeout: 30_000 }, async () => {
    const { id, answered, run } = await waiting();
    await expect.poll(() => rig.plain.scard("{ci}:detached-of:worker_1")).toBe(1);
    await answer(id);
    await answered;
    void callTool(run, "call_2");
    await expect.poll(async () => (await rig.executionService.get("org_a", id))?.pending_calls?.[0]?.call_id).toBe("call_2");
    await rig.plain.del("{ci}:worker:worker_1");
    const again = new FakeEngine({ immediate: true });
    await beat("worker_2");
    await rig.worker(again);
    await expect
      .poll(() => rig.executionService.get("org_a", id), { timeout: 15_000 })
      .toMatchObject({ status: "errored", cause: "worker_lost", retry_safe: false });
    expect(again.runs).toEqual([]);
  });

  test("is cancelled at once", async () => {
    const { id } = await waiting();
    const cancelled = await rig.executionService.cancel("org_a", id);
    expect(cancelled?.status).toBe("cancelled");
  });
});
