import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Caller, type FaultWorld, prepareFaults, until } from "../support/faults/fault-world.ts";

const second = "import time\nprint('began', flush=True)\ntime.sleep(1)\nprint('ended')";

let world: FaultWorld;
beforeEach(async () => {
  world = await prepareFaults();
});
afterEach(() => world.close());

/** Posts again until it is accepted, as a caller does that is told when to come back. */
function insist(caller: Caller, code: string): Promise<string> {
  return until("it is accepted", async () => (await world.ledger.submit(caller, { code })) ?? undefined, 60_000);
}

describe("the connection to Redis", () => {
  test("slow: everything takes longer; nothing is lost", async () => {
    const { proxy, env } = await world.proxiedRedis();
    const caller = await world.caller(await world.start("all", env));
    proxy.delay(40);
    for (let round = 0; round < 3; round++) await Promise.all([insist(caller, second), insist(caller, second)]);
    const { ended, repeated } = await world.settle();
    expect({ ended, repeated }).toEqual({ ended: { completed: 6 }, repeated: 0 });
  });

  test("cut repeatedly: refused requests are retried, accepted executions run once; nothing is lost", async () => {
    const { proxy, env } = await world.proxiedRedis();
    const caller = await world.caller(await world.start("all", env));
    const cutting = (async () => {
      for (let cut = 0; cut < 8; cut++) {
        await sleep(400);
        proxy.cut();
      }
    })();
    await Promise.all(Array.from({ length: 6 }, () => insist(caller, second)));
    await cutting;
    const { ended } = await world.settle();
    expect(ended).toEqual({ completed: 6 });
  });

  test("silent without being closed: new connections are opened, and the service works again; nothing is lost", async () => {
    const { proxy, env } = await world.proxiedRedis();
    const service = await world.start("all", env);
    const caller = await world.caller(service);
    await insist(caller, second);
    proxy.silence();
    await insist(caller, second);
    expect((await world.settle()).ended).toEqual({ completed: 2 });
    expect(service.log.some((line) => line.includes("a Redis connection fell silent"))).toBe(true);
  });
});

describe("the connection to the engine", () => {
  test("cut in a run: the run ends as sandbox_lost, and the next one runs; nothing is lost", async () => {
    const { proxy, env } = await world.proxiedEngine();
    const caller = await world.caller(await world.start("all", env));
    const { ledger } = world;
    const id = await ledger.submit(caller, { code: "import time; time.sleep(30)" }, { endings: ["errored/sandbox_lost"] });
    await until("it runs", async () => (await caller.get(`/v1/executions/${id}`)).json.status === "in_progress");
    await sleep(300);
    proxy.cut();
    await until("its end", async () => (await caller.get(`/v1/executions/${id}`)).json.status === "errored");
    await insist(caller, second);
    expect((await world.settle()).ended).toEqual({ completed: 1, "errored/sandbox_lost": 1 });
  });

  test("a sandbox that never becomes ready is abandoned in time and replaced; nothing is lost", async () => {
    const { proxy, env } = await world.proxiedEngine();
    const settings = { ...env, POOL_SIZE_MIN: "0", POOL_SIZE_MAX: "0", LIMIT_SANDBOX_START_TIMEOUT_MS_MAX: "6000" };
    const service = await world.start("all", settings);
    const caller = await world.caller(service);
    // The engine's answer to "attach" is where its output begins; the word that it is ready never passes.
    const ready = proxy.hold("101 UPGRADED");
    const id = await insist(caller, "print('at last')");
    await ready.held;
    await until("it is given up", () => service.log.some((line) => line.includes("a sandbox did not start")));
    await until("its end", async () => (await caller.get(`/v1/executions/${id}`)).json.status === "completed", 60_000);
    expect((await world.settle()).ended).toEqual({ completed: 1 });
  });
});
