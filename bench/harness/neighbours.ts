import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { EngineName } from "../../src/domain/status.ts";
import { attackers } from "../../test/neighbours/attackers.ts";
import type { BenchContext, Row } from "./context.ts";
import type { Flood } from "./flood.ts";
import { atTimes, join, type Outcome, poissonArrivals } from "./load.ts";
import { round, type Summary, summarize } from "./numbers.ts";
import { print } from "./programs.ts";
import { type Service, startService } from "./service.ts";

const RATIO_MAX = 3;
/** Until an attack has taken what it takes, and until its rest has gone. */
const [BEGIN_MS, SETTLE_MS] = [3_000, 5_000];
const PRINTS_PER_SECOND = 4;

/** Something that one organization does to another; resolves with a function that ends it. */
interface Attack {
  name: string;
  begin(service: Service): Promise<() => Promise<unknown>>;
}

/** A result of about 20 MB, which does not compress well. */
const largeResult = `
import base64, os
from IPython.display import display, HTML
for _ in range(3): display(HTML(base64.b64encode(os.urandom(5_500_000)).decode()))`;
const talking = `
import time
for at in range(5_000): print(at, flush=True); time.sleep(0.005)`;

const attacks: readonly Attack[] = [
  ...attackers.map(({ name, code }) => ({ name: `a sandbox takes all ${name}`, begin: (service: Service) => run(service, code) })),
  {
    name: "40 reads at once of one large result",
    begin: async (service) => {
      const { id } = await service.otherClient.run(largeResult);
      return flood(service, { method: "GET", path: `/v1/executions/${id}`, atOnce: 40 });
    },
  },
  {
    name: "1,000 event streams of one execution that prints",
    begin: async (service) => {
      const id = await submit(service, talking);
      const end = await flood(service, { method: "GET", path: `/v1/executions/${id}/events`, atOnce: 1_000 });
      return async () => {
        await end();
        await cancel(service, id);
      };
    },
  },
  {
    name: "40 requests at once with bodies of 15 MB",
    begin: (service) =>
      flood(service, { method: "POST", path: "/v1/executions", body: JSON.stringify({ code: "#".repeat(15e6) }), atOnce: 40 }),
  },
];

/** What does a print cost while a neighbour attacks, against the same at rest? */
export async function compareNeighbours(context: BenchContext, engine: EngineName): Promise<Row[]> {
  const service = await startService(context, { engine, env: { LIMIT_REQUESTS_PER_MINUTE_PER_KEY_MAX: "6000" } });
  let block = 0;
  const prints = () => {
    block += 1;
    const arrivals = { perSecond: PRINTS_PER_SECOND, durationMs: context.pick(20_000, 4_000), seed: context.seed + block };
    return atTimes(poissonArrivals(arrivals), () => service.client.run(print));
  };
  const measured: Array<{ name: string; outcome: Outcome }> = [];
  try {
    // Until the stock has its size.
    await prints();
    const before = await prints();
    for (const { name, begin } of attacks) {
      context.log(name);
      const end = await begin(service);
      await sleep(BEGIN_MS);
      measured.push({ name, outcome: await prints() });
      await end();
      await sleep(SETTLE_MS);
    }
    const rest = summaryOf(join([before, await prints()]));
    return measured.map(({ name, outcome }) => {
      const under = summaryOf(outcome);
      const ratio = round(under.p99 / rest.p99);
      return {
        question: `${engine}: a neighbour's print(1) while ${name}`,
        unit: "ms p99",
        ours: under.p99,
        baseline: rest.p99,
        ratio,
        target: `≤ ${RATIO_MAX}`,
        met: ratio <= RATIO_MAX && outcome.failures.length === 0,
        detail: { p50: under.p50, p50AtRest: rest.p50, count: under.count, failed: under.failed, failures: outcome.failures.slice(0, 5) },
        notes: [`p50 ${under.p50} ms, at rest ${rest.p50}; ${under.failed} of ${under.count + under.failed} failed`],
      };
    });
  } finally {
    await service.stop();
  }
}

function summaryOf({ ms, failures }: Outcome): Summary {
  return summarize(ms, failures.length);
}

async function run(service: Service, code: string): Promise<() => Promise<unknown>> {
  const id = await submit(service, code);
  return () => cancel(service, id);
}

async function submit({ otherClient }: Service, code: string): Promise<string> {
  const { body } = await otherClient.call("POST", "/v1/executions", JSON.stringify({ code }), { prefer: "respond-async" });
  return (JSON.parse(body.toString("utf8")) as { id: string }).id;
}

function cancel({ otherClient }: Service, id: string): Promise<unknown> {
  return otherClient.call("POST", `/v1/executions/${id}/cancel`);
}

/** In a thread of its own, so that it does not slow the measurement down. */
async function flood(service: Service, what: Omit<Flood, "url" | "key" | "body"> & { body?: string }): Promise<() => Promise<unknown>> {
  const workerData: Flood = { url: service.url, key: service.otherKey, body: "", ...what };
  const thread = new Worker(new URL("./flood.js", import.meta.url), { workerData });
  await once(thread, "online");
  return () => thread.terminate();
}
