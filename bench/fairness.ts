import { setTimeout as sleep } from "node:timers/promises";
import type { Measure } from "./harness/context.ts";
import { atTimes, poissonArrivals } from "./harness/load.ts";
import { round, summarize } from "./harness/numbers.ts";
import { print } from "./harness/programs.ts";
import { startService } from "./harness/service.ts";

const FILLERS = 8;
const REFUSED_PAUSE_MS = 100;
/** Executions of others that may precede an idle organization's first: the running ones, and one round of the queue. */
const ROUNDS_MAX = 3;
const CONCURRENCY = 8;

/** How long does an organization wait while another keeps its whole share of the queue full? */
export const measure: Measure = async (context) => {
  const service = await startService(context, { env: { WORKER_CONCURRENCY: String(CONCURRENCY) } });
  let filling = true;
  let refused = 0;
  const fill = async () => {
    while (filling) {
      const status = await service.otherClient.enqueue(print).catch(() => 0);
      if (status === 202) continue;
      refused += 1;
      await sleep(REFUSED_PAUSE_MS);
    }
  };
  try {
    const fillers = Array.from({ length: FILLERS }, fill);
    context.log("filling the queue");
    while (refused === 0) await sleep(REFUSED_PAUSE_MS);
    context.log("measuring");
    const durationMs = context.pick(45_000, 10_000);
    const started = await endedSoFar(service.metricsUrl);
    const outcome = await atTimes(poissonArrivals({ perSecond: 1.5, durationMs, seed: context.seed }), () => service.client.run(print));
    const perSecond = ((await endedSoFar(service.metricsUrl)) - started) / (durationMs / 1000);
    filling = false;
    await Promise.all(fillers);
    const summary = summarize(outcome.ms, outcome.failures.length);
    const boundMs = Math.round((1000 * ROUNDS_MAX * CONCURRENCY) / perSecond);
    return [
      {
        question: "p99 of print(1) while another organization keeps the queue full",
        unit: "ms p99",
        ours: summary.p99,
        target: `≤ ${boundMs}`,
        met: summary.p99 <= boundMs && summary.failed === 0,
        detail: { ...summary, executionsPerSecond: round(perSecond), refused, failures: outcome.failures.slice(0, 5) },
        notes: [
          `p50 ${summary.p50} ms over ${summary.count}; the service ended ${round(perSecond)} a second; the bound is the time of ${ROUNDS_MAX} × ${CONCURRENCY} of them, where first come first served would wait for 600`,
        ],
      },
    ];
  } finally {
    filling = false;
    await service.stop();
  }
};

async function endedSoFar(metricsUrl: string): Promise<number> {
  const text = await (await fetch(metricsUrl, { signal: AbortSignal.timeout(10_000) })).text();
  return [...text.matchAll(/^code_interpreter_executions_total\{[^}]*\} (\d+)$/gm)].reduce((sum, match) => sum + Number(match[1]), 0);
}
