import { setTimeout as sleep } from "node:timers/promises";
import type { EngineName } from "../src/domain/status.ts";
import type { BenchContext, Measure, Row } from "./harness/context.ts";
import { count, join, type Outcome } from "./harness/load.ts";
import { round, summarize } from "./harness/numbers.ts";
import { print } from "./harness/programs.ts";
import { startService } from "./harness/service.ts";

const AT_ONCE = 48;
const SETTLE_MS = 5_000;

/** What happens to many concurrent requests to an idle service? */
export const measure: Measure = async (context) => [await burst(context, "docker"), await burst(context, "oci")];

async function burst(context: BenchContext, engine: EngineName): Promise<Row> {
  const service = await startService(context, { engine });
  const bursts: Outcome[] = [];
  try {
    for (let burst = 0; burst < context.pick(3, 1); burst++) {
      await sleep(SETTLE_MS);
      bursts.push(await count(AT_ONCE, AT_ONCE, () => service.client.run(print)));
    }
  } finally {
    await service.stop();
  }
  const all = join(bursts);
  const summary = summarize(all.ms, all.failures.length);
  return {
    question: `${engine}: ${AT_ONCE} requests at once to an idle service: failed`,
    unit: "failed",
    ours: summary.failed,
    target: "0",
    met: summary.failed === 0,
    detail: { ...summary, bursts: bursts.length, failures: all.failures.slice(0, 5) },
    notes: [`${bursts.length} bursts: p50 ${summary.p50} ms, p99 ${summary.p99} ms, p99 / p50 ${round(summary.p99 / summary.p50)}`],
  };
}
