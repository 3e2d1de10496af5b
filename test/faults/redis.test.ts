import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FaultWorld, prepareFaults, until } from "../support/faults/fault-world.ts";

let world: FaultWorld;
beforeEach(async () => {
  world = await prepareFaults();
});
afterEach(() => world.close());

const second = "import time\nprint('began', flush=True)\ntime.sleep(1)\nprint('ended')";

describe("Redis killed and back", () => {
  test("before a job is added: refused executions hold no quota, accepted ones end; nothing is lost", async () => {
    const { proxy, env } = await world.proxiedRedis();
    const api = await world.start("api", env);
    const caller = await world.caller(api);
    const { ledger } = world;
    // The record is written, and Redis is gone before the job is in the queue.
    const adding = proxy.hold('"organization":"org_a"');
    const refused = ledger.submit(caller, { code: "print('never accepted')" });
    await adding.held;
    await world.redis.kill();
    adding.release();
    expect(await refused).toBeNull();
    expect(Object.fromEntries(ledger.refused)).toEqual({ queue_unavailable: 1 });
    await world.redis.restart();
    await world.start("worker");
    await until("the api works again", async () => (await ledger.submit(caller, { code: second })) !== null);
    expect((await world.settle()).ended).toEqual({ completed: 1 });
  });

  test("during a run and when its result is stored: it runs once and its result is stored; nothing is lost", async () => {
    const service = await world.start("all");
    const caller = await world.caller(service);
    const { ledger } = world;
    const ids = await Promise.all(Array.from({ length: 3 }, () => ledger.submit(caller, { code: second })));
    const path = `/v1/executions/${ids[0]}`;
    await until("it runs", async () => (await caller.get(path)).json.status === "in_progress");
    await world.redis.kill();
    // Long enough for all of them to end meanwhile, and short of a lock's life.
    await until("the sandboxes are gone", () => service.log.some((line) => line.includes("reconnecting")));
    await sleep(3_000);
    await world.redis.restart();
    const { ended, repeated } = await world.settle();
    expect({ ended, repeated }).toEqual({ ended: { completed: 3 }, repeated: 0 });
  });
});
