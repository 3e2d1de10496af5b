import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { READS_UP_TO } from "../../../src/queue/core/version.ts";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig } from "./rig.ts";

const newer = READS_UP_TO + 1;
/** Long enough for a worker to take a job several times. */
const SOME_TURNS_MS = 1_500;

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(() => rig.close());

const job = (id: string) => rig.plain.hget(`{ci}:executions:${id}`, "data");
const recordKey = (id: string) => `{ci}:record:org_a:${id}`;

/** An execution as another version of the service would write it. */
async function written(change: { job?: object; record?: Record<string, string> }): Promise<string> {
  const { execution } = await rig.executionService.submit(newExecution());
  const { id } = execution;
  if (change.job !== undefined) await rig.plain.hset(`{ci}:executions:${id}`, "data", JSON.stringify(change.job));
  if (change.record !== undefined) await rig.plain.hset(recordKey(id), change.record);
  return id;
}

describe("a job of a newer version", () => {
  test("is requeued unchanged by a worker that does not know the version, and run by one that does", { timeout: 60_000 }, async () => {
    const id = await written({ record: { v: String(newer) } });
    const payload = JSON.stringify({ v: newer, id, organization: "org_a", added: "later" });
    await rig.plain.hset(`{ci}:executions:${id}`, "data", payload);
    const before = await rig.plain.hgetall(recordKey(id));
    const old = new FakeEngine({ immediate: true });
    await rig.worker(old);
    await sleep(SOME_TURNS_MS);
    expect(await rig.plain.hgetall(recordKey(id))).toEqual(before);
    expect(await job(id)).toBe(payload);
    // The worker has it in hand for a moment at every turn.
    await expect.poll(() => rig.executionService.depth()).toMatchObject({ waiting: 1 });
    const own = (await rig.executionService.submit(newExecution())).execution;
    expect(await rig.executionService.waitForEnd("org_a", own.id, 5_000)).toMatchObject({ status: "completed" });
    await rig.worker(new FakeEngine({ immediate: true }), { readsUpTo: newer });
    await expect.poll(() => rig.plain.hget(recordKey(id), "status"), { timeout: 30_000 }).toBe("completed");
    expect(old.runs.map(({ input }) => input.id)).toEqual([own.id]);
    expect(await rig.plain.hget(recordKey(id), "attempt")).toBe("1");
  });

  test("is requeued too when only its record is newer", async () => {
    const id = await written({ record: { v: String(newer) } });
    const before = await rig.plain.hgetall(recordKey(id));
    const old = new FakeEngine({ immediate: true });
    await rig.worker(old);
    await sleep(SOME_TURNS_MS);
    expect(await rig.plain.hgetall(recordKey(id))).toEqual(before);
    expect(old.runs).toEqual([]);
  });

  test("that no worker can read ends at its deadline", { timeout: 20_000 }, async () => {
    const { execution } = await rig.executionService.submit(newExecution({ queueDeadlineMs: 1_500 }));
    const payload = JSON.stringify({ v: newer, id: execution.id, organization: "org_a" });
    await rig.plain.hset(`{ci}:executions:${execution.id}`, "data", payload);
    await rig.worker(new FakeEngine({ immediate: true }));
    const ended = await rig.executionService.waitForEnd("org_a", execution.id, 10_000);
    expect(ended).toMatchObject({ status: "errored", cause: "timeout", outcome: "never_started", attempt: 0 });
    await expect.poll(() => rig.executionService.depth()).toEqual({ waiting: 0, active: 0 });
  });
});

test("an unversioned job and record are read", async () => {
  const id = await written({});
  await rig.plain.hset(`{ci}:executions:${id}`, "data", JSON.stringify({ id, organization: "org_a" }));
  await rig.plain.hdel(recordKey(id), "v", "worker");
  await rig.worker(new FakeEngine({ immediate: true }));
  expect(await rig.executionService.waitForEnd("org_a", id, 5_000)).toMatchObject({ status: "completed", attempt: 1 });
});

test("an api process answers a request for a newer record with 503, so that a retry can reach another one", async () => {
  const id = await written({ record: { v: String(newer) } });
  await expect(rig.executionService.get("org_a", id)).rejects.toMatchObject({ code: "queue_unavailable", status: 503 });
});
