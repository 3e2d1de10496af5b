import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Caller, type FaultRig, prepareFaults, until } from "../support/faults/fault-rig.ts";

const second = "import time\nprint('began', flush=True)\ntime.sleep(1)\nprint('ended')";

let rig: FaultRig;
beforeEach(async () => {
  rig = await prepareFaults();
});
afterEach(() => rig.close());

/** Repeats a request until it is accepted, as a caller does on Retry-After. */
function insist(caller: Caller, code: string): Promise<string> {
  return until("it is accepted", async () => (await rig.ledger.submit(caller, { code })) ?? undefined, 60_000);
}

describe("the connection to Redis", () => {
  test("slow: everything takes longer; nothing is lost", async () => {
    const { proxy, env } = await rig.proxiedRedis();
    const caller = await rig.caller(await rig.start("all", env));
    proxy.delay(40);
    for (let round = 0; round < 3; round++) await Promise.all([insist(caller, second), insist(caller, second)]);
    const { ended, repeated } = await rig.settle();
    expect({ ended, repeated }).toEqual({ ended: { completed: 6 }, repeated: 0 });
  });

  test("cut repeatedly: refused requests are retried, accepted executions run once; nothing is lost", async () => {
    const { proxy, env } = await rig.proxiedRedis();
    const caller = await rig.caller(await rig.start("all", env));
    const cutting = (async () => {
      for (let cut = 0; cut < 8; cut++) {
        await sleep(400);
        proxy.cut();
      }
    })();
    await Promise.all(Array.from({ length: 6 }, () => insist(caller, second)));
    await cutting;
    const { ended } = await rig.settle();
    expect(ended).toEqual({ completed: 6 });
  });

  test("silent without being closed: new connections are opened, and the service works again; nothing is lost", async () => {
    const { proxy, env } = await rig.proxiedRedis();
    const service = await rig.start("all", env);
    const caller = await rig.caller(service);
    await insist(caller, second);
    proxy.silence();
    await insist(caller, second);
    expect((await rig.settle()).ended).toEqual({ completed: 2 });
    expect(service.log.some((line) => line.includes("a Redis connection fell silent"))).toBe(true);
  });
});

describe("the connection to the engine", () => {
  test("cut in a run: the run ends as sandbox_lost, and the next one runs; nothing is lost", async () => {
    const { proxy, env } = await rig.proxiedEngine();
    const caller = await rig.caller(await rig.start("all", env));
    const { ledger } = rig;
    const id = await ledger.submit(caller, { code: "import time; time.sleep(30)" }, { endings: ["errored/sandbox_lost"] });
    await until("it runs", async () => (await caller.get(`/v1/executions/${id}`)).json.status === "in_progress");
    await sleep(300);
    proxy.cut();
    await until("its end", async () => (await caller.get(`/v1/executions/${id}`)).json.status === "errored");
    await insist(caller, second);
    expect((await rig.settle()).ended).toEqual({ completed: 1, "errored/sandbox_lost": 1 });
  });

  test("a sandbox that never becomes ready is abandoned in time and replaced; nothing is lost", async () => {
    const { proxy, env } = await rig.proxiedEngine();
    const settings = { ...env, POOL_SIZE_MIN: "0", POOL_SIZE_MAX: "0", LIMIT_SANDBOX_START_TIMEOUT_MS_MAX: "6000" };
    const service = await rig.start("all", settings);
    const caller = await rig.caller(service);
    // The engine's answer to "attach" is where its output begins; the word that it is ready never passes.
    const ready = proxy.hold("101 UPGRADED");
    const id = await insist(caller, "print('at last')");
    await ready.held;
    await until("it is given up", () => service.log.some((line) => line.includes("a sandbox did not start")));
    await until("its end", async () => (await caller.get(`/v1/executions/${id}`)).json.status === "completed", 60_000);
    expect((await rig.settle()).ended).toEqual({ completed: 1 });
  });
});
