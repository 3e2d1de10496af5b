import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
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

describe("Redis answers but takes no write", () => {
  test.each([
    ["full", ["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"], "OOM"],
    ["read-only", ["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"], "READONLY"],
  ] as const)(
    "because it is %s: not ready, an error of its own, results readable, a calm log; nothing is lost",
    async (_why, fault, repair, reason) => {
      const service = await rig.start("all", { WORKER_CONCURRENCY: "1" });
      const caller = await rig.caller(service);
      const { ledger } = rig;
      const ended = await ledger.post(caller, { code: "print(1)" });
      for (let count = 0; count < 3; count++) await ledger.submit(caller, { code: second });
      const redis = new Redis({ path: rig.redis.url });
      const lines = service.log.length;
      try {
        await redis.call(fault[0], ...fault.slice(1));
        await until("it is not ready", async () => (await fetch(`${service.operationsUrl}/health/ready`)).status === 503);
        const refused = await caller.run({ code: "print(1)" });
        expect([refused.status, refused.json.code, refused.headers.get("retry-after")]).toEqual([503, "queue_not_writable", "10"]);
        expect((await caller.get(`/v1/executions/${ended.id}`)).json.status).toBe("completed");
        const wanted = [/ready\{check="redis"\} 0/, /ready\{check="worker_redis"\} 0/, /redis_writable 0/];
        wanted.push(new RegExp(`redis_refused_writes_total\\{reason="${reason}"\\} [1-9]`));
        await until("the metrics say so", async () => {
          const metrics = await (await fetch(`${service.operationsUrl}/metrics`)).text();
          return wanted.every((line) => line.test(metrics));
        });
        // Without a pause between attempts the worker would write thousands of lines in this time.
        await sleep(3_000);
        expect(service.log.length - lines).toBeLessThan(20);
      } finally {
        await redis.call(repair[0], ...repair.slice(1));
        redis.disconnect();
      }
      await until("it is ready again", async () => (await fetch(`${service.operationsUrl}/health/ready`)).status === 200);
      expect((await rig.settle()).ended).toEqual({ completed: 4 });
    },
  );
});
