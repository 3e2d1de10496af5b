import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FaultRig, prepareFaults, until } from "../support/faults/fault-rig.ts";

let rig: FaultRig;
beforeEach(async () => {
  rig = await prepareFaults();
});
afterEach(() => rig.close());

const second = "import time\nprint('began', flush=True)\ntime.sleep(1)\nprint('ended')";

describe("Redis killed and back", () => {
  test("before a job is added: refused executions hold no quota, accepted ones end; nothing is lost", async () => {
    const { proxy, env } = await rig.proxiedRedis();
    const api = await rig.start("api", env);
    const caller = await rig.caller(api);
    const { ledger } = rig;
    // The record is written, and Redis is gone before the job is in the queue.
    const adding = proxy.hold('"organization":"org_a"');
    const refused = ledger.submit(caller, { code: "print('never accepted')" });
    await adding.held;
    await rig.redis.kill();
    adding.release();
    expect(await refused).toBeNull();
    expect(Object.fromEntries(ledger.refused)).toEqual({ queue_unavailable: 1 });
    await rig.redis.restart();
    await rig.start("worker");
    await until("the api works again", async () => (await ledger.submit(caller, { code: second })) !== null);
    expect((await rig.settle()).ended).toEqual({ completed: 1 });
  });

  test("during a run and when its result is stored: it runs once and its result is stored; nothing is lost", async () => {
    const service = await rig.start("all");
    const caller = await rig.caller(service);
    const { ledger } = rig;
    const ids = await Promise.all(Array.from({ length: 3 }, () => ledger.submit(caller, { code: second })));
    const path = `/v1/executions/${ids[0]}`;
    await until("it runs", async () => (await caller.get(path)).json.status === "in_progress");
    await rig.redis.kill();
    // Long enough for all of them to end meanwhile, and short of a lock's life.
    await until("the sandboxes are gone", () => service.log.some((line) => line.includes("reconnecting")));
    await sleep(3_000);
    await rig.redis.restart();
    const { ended, repeated } = await rig.settle();
    expect({ ended, repeated }).toEqual({ ended: { completed: 3 }, repeated: 0 });
  });
});
