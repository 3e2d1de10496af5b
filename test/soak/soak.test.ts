import { afterAll, beforeAll, expect, test } from "vitest";
import { type Caller, type FaultRig, prepareFaults } from "../support/faults/fault-rig.ts";
import type { Ending } from "../support/faults/ledger.ts";
import { injectFaults, type Victims } from "./fault-injection.ts";
import { watchMemory } from "./memory.ts";
import { honest, hostile } from "./programs.ts";
import { Random } from "./random.ts";

const minutes = Number(process.env.SOAK_MINUTES ?? "10");
const seed = Number(process.env.SOAK_SEED ?? "1");
const LANES = 6;
const ORGANIZATIONS = ["org_a", "org_b", "org_c", "org_d"];
const FAULT_EVERY_MS = 12_000;
/** Time for executions that still wait at the end, and for their removal. */
const SETTLE_MS = 5 * 60_000;
/** Ends of an execution that faults may cause. */
const byFault: readonly Ending[] = ["errored/sandbox_lost", "errored/worker_lost", "errored/timeout"];

let rig: FaultRig;
beforeAll(async () => {
  rig = await prepareFaults();
});
afterAll(() => rig.close());

test(`${minutes} minutes of mixed load with faults: submitted = ended, nothing is left, memory is flat`, {
  timeout: minutes * 60_000 + SETTLE_MS,
}, async () => {
  const random = new Random(seed);
  const { proxy: redis, env: redisEnv } = await rig.proxiedRedis();
  const { proxy: engine, env: engineEnv } = await rig.proxiedEngine();
  const limits = { LIMIT_REQUESTS_PER_MINUTE_PER_KEY_MAX: "1000000", WORKER_CONCURRENCY: "3", LOG_LEVEL: "info" };
  const start = (command: "api" | "worker") => rig.start(command, { ...limits, ...redisEnv, ...engineEnv });
  const steady = { api: await rig.start("api", limits), worker: await rig.start("worker", limits) };
  const victims: Victims = { api: await start("api"), worker: await start("worker"), redis, engine, start };

  const end = performance.now() + minutes * 60_000;
  const lanes = Array.from({ length: LANES }, (_, at) => lane(new Random(seed + 1 + at), end));
  const [faults, memory] = await Promise.all([injectFaults(rig, victims, random, FAULT_EVERY_MS, end), watchMemory(steady, end), ...lanes]);
  const { ended, refused, repeated, reaped } = await rig.settle();

  const submitted = rig.ledger.accepted.size;
  const count = Object.values(ended).reduce((sum, one) => sum + one, 0);
  console.log(
    [
      `soak of ${minutes} minutes, seed ${seed}`,
      `submitted ${submitted}, ended ${count}, begun again ${repeated}, left over for the reaper ${reaped}, leaks 0`,
      ...table("ended as", ended),
      ...table("not accepted", refused),
      ...table("faults", faults),
      ...memory.map(
        ({ name, firstMib, lastMib, flat }) =>
          `memory of the ${name}: ${firstMib.toFixed(0)} → ${lastMib.toFixed(0)} MiB, ${flat ? "flat" : "GROWS"}`,
      ),
    ].join("\n"),
  );
  expect(count).toBe(submitted);
  expect(submitted).toBeGreaterThan(0);
  expect(memory.filter(({ flat }) => !flat)).toEqual([]);

  /** Sends executions until the end, through either api, for any organization. */
  async function lane(own: Random, until: number): Promise<void> {
    while (performance.now() < until) {
      const service = own.chance(0.5) ? steady.api : victims.api;
      const caller = await rig.caller(service, own.pick(ORGANIZATIONS));
      await (own.chance(0.1) ? useSession(caller, own) : execute(caller, own));
    }
  }
});

async function execute(caller: Caller, own: Random): Promise<void> {
  const { ledger } = rig;
  const { body, endings } = own.pick(own.chance(0.3) ? hostile : honest);
  const asked = { endings: [...endings, ...byFault] };
  const manner = own.next();
  if (manner < 0.15) {
    const id = await ledger.submit(caller, body, { endings: [...asked.endings, "cancelled"] });
    if (id !== null) await caller.call("POST", `/v1/executions/${id}/cancel`).catch(() => null);
  } else if (manner < 0.3) {
    const again = { ...asked, headers: { "idempotency-key": `key-${own.next()}` } };
    await Promise.all([ledger.post(caller, body, again), ledger.post(caller, body, again)]);
  } else {
    await ledger.post(caller, body, asked);
  }
}

/** Cells of one session. Their effects persist, so none may run twice. */
async function useSession(caller: Caller, own: Random): Promise<void> {
  const made = await caller.call("POST", "/v1/containers", { name: "soak" }).catch(() => null);
  const container = made?.json?.id;
  if (made === null || made.status >= 400 || container === undefined) return;
  for (let cell = 0; cell < 3 && own.chance(0.9); cell++) {
    await rig.ledger.post(caller, { code: `n = ${cell}\nprint(n)`, container }, { endings: ["completed", ...byFault] });
  }
  await caller.call("DELETE", `/v1/containers/${container}`).catch(() => null);
}

function table(title: string, counts: Record<string, number>): string[] {
  const rows = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return rows.length === 0 ? [] : [`${title}:`, ...rows.map(([name, count]) => `  ${String(count).padStart(6)}  ${name}`)];
}
