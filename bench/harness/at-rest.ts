import { setTimeout as sleep } from "node:timers/promises";
import type { EngineName } from "../../src/domain/status.ts";
import type { BenchContext, Row } from "./context.ts";
import { atTimes, join, type Outcome, type Work } from "./load.ts";
import { round, summarize } from "./numbers.ts";
import { startService } from "./service.ts";

/** Time for the pool to refill and preload before a block, and for the last containers to be removed. */
const SETTLE_MS = 3_000;

/**
 * Latency of one program at rest, in the service and in a bare container, in alternating equal blocks, so that other load
 * affects both.
 */
export async function compareAtRest(
  context: BenchContext,
  question: {
    text: string;
    engine: EngineName;
    code: string;
    bare: () => Promise<unknown>;
    arrivals: (block: number) => number[];
    blocks: number;
    ratioMax: number;
  },
): Promise<Row[]> {
  const service = await startService(context, { engine: question.engine });
  const ours: Outcome[] = [];
  const bare: Outcome[] = [];
  let warm = 0;
  const execute: Work = async () => {
    const execution = await service.client.run(question.code);
    if (execution.usage?.warm === true) warm += 1;
  };
  try {
    await service.client.run(question.code);
    await question.bare();
    for (let block = 0; block < question.blocks; block++) {
      context.log(`block ${block + 1} of ${question.blocks}`);
      const times = question.arrivals(block);
      await sleep(SETTLE_MS);
      ours.push(await atTimes(times, execute));
      await sleep(SETTLE_MS);
      bare.push(await atTimes(times, question.bare));
    }
  } finally {
    await service.stop();
  }
  const [a, b] = [join(ours), join(bare)];
  const [oursSummary, bareSummary] = [summarize(a.ms, a.failures.length), summarize(b.ms, b.failures.length)];
  const ratio = round(oursSummary.p50 / bareSummary.p50);
  return [
    {
      question: question.text,
      unit: "ms p50",
      ours: oursSummary.p50,
      baseline: bareSummary.p50,
      ratio,
      target: `≤ ${question.ratioMax}`,
      met: ratio <= question.ratioMax && a.failures.length === 0,
      detail: {
        ours: oursSummary,
        baseline: bareSummary,
        warmShare: round(warm / a.ms.length),
        failures: [...a.failures, ...b.failures].slice(0, 5),
      },
      notes: [
        `${oursSummary.count} of ours: p99 ${oursSummary.p99} ms, ${Math.round((100 * warm) / a.ms.length)} % warm; bare: p99 ${bareSummary.p99} ms`,
      ],
    },
  ];
}
