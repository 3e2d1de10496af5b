import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { READS_UP_TO } from "../../src/queue/core/version.ts";
import { type Caller, type FaultRig, prepareFaults, until } from "../support/faults/fault-rig.ts";
import type { Json } from "../support/servers/service.ts";

const JOBS = 10_000;
const ORGANIZATIONS = 4;
const AT_ONCE = 40;

let rig: FaultRig;
beforeEach(async () => {
  rig = await prepareFaults();
});
afterEach(() => rig.close());

test("10,000 executions queued, then every process replaced in turn: each runs once; nothing is lost", {
  timeout: 240_000,
}, async () => {
  const { ledger } = rig;
  const env = {
    LIMIT_QUEUE_TOTAL_MAX: String(JOBS),
    LIMIT_QUEUE_PER_ORGANIZATION_MAX: String(JOBS),
    LIMIT_QUEUE_WAIT_MS_MAX: "600000",
    LIMIT_REQUESTS_PER_MINUTE_PER_KEY_MAX: "1000000",
  };
  const apis = [await rig.start("api", env), await rig.start("api", env)];
  const callers = await Promise.all(
    Array.from({ length: ORGANIZATIONS }, (_, at) => rig.caller(apis[at % 2] as (typeof apis)[0], `org_${at}`)),
  );
  await submitMany(callers, JOBS - 100);
  // Sandboxes would take a quarter of an hour for what this is about.
  const workers = [await rig.start("cheap-worker"), await rig.start("cheap-worker")];
  for (const worker of workers) {
    expect(await worker.stop()).toBe(0);
    await rig.start("cheap-worker");
  }
  for (const api of apis) {
    expect(await api.stop()).toBe(0);
    await rig.start("api", env);
  }
  const successor = rig.processes.findLast(({ command }) => command === "api") as (typeof apis)[0];
  await submitMany([await rig.caller(successor, "org_late")], 100);
  expect(ledger.accepted.size).toBe(JOBS);
  const { ended, repeated, refused } = await rig.settle();
  expect({ ended, repeated, refused }).toEqual({ ended: { completed: JOBS }, repeated: 0, refused: {} });

  async function submitMany(from: Caller[], count: number): Promise<void> {
    let next = 0;
    const lane = async () => {
      while (next < count) await ledger.submit(from[next++ % from.length] as Caller, { code: "print(1)" });
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  }
});

describe("an old and a new worker on one queue", () => {
  test("each runs the jobs it can read, and newer jobs wait for the new one; nothing is lost", async () => {
    const { ledger } = rig;
    const caller = await rig.caller(await rig.start("api"));
    const redis = new Redis({ path: rig.redis.url });
    const submit = async (count: number) => {
      const ids = await Promise.all(Array.from({ length: count }, () => ledger.submit(caller, { code: "print('by the old one')" })));
      return ids.filter((id) => id !== null);
    };
    try {
      // As a version before there were versions, and the one after this one, would have written them.
      const unversioned = await submit(2);
      for (const id of unversioned) {
        await redis.hset(`{ci}:executions:${id}`, "data", JSON.stringify({ id, organization: "org_a" }));
        await redis.hdel(`{ci}:record:org_a:${id}`, "v");
      }
      const newer = await submit(4);
      for (const id of newer) {
        const payload = { v: READS_UP_TO + 1, id, organization: "org_a", added: "later" };
        await redis.hset(`{ci}:executions:${id}`, "data", JSON.stringify(payload));
      }
      const own = await submit(4);
      await rig.start("worker", { WORKER_CONCURRENCY: "2" });
      for (const id of [...unversioned, ...own]) expect(await outputOf(id)).toBe("by the old one\n");
      for (const id of newer) expect((await caller.get(`/v1/executions/${id}`)).json).toMatchObject({ status: "queued", attempt: 0 });
      await rig.start("cheap-worker", { READS_UP_TO: String(READS_UP_TO + 1) });
      for (const id of newer) expect(await outputOf(id)).toMatch(/^cheap-\d+$/);
    } finally {
      redis.disconnect();
    }
    const { ended, repeated } = await rig.settle();
    expect({ ended, repeated }).toEqual({ ended: { completed: 10 }, repeated: 0 });

    async function outputOf(id: string): Promise<string> {
      const ended: Json = await until(`${id} ends`, async () => {
        const { json } = await caller.get(`/v1/executions/${id}`);
        return json.status === "completed" && json;
      });
      return ended.outputs[0].text;
    }
  });
});
