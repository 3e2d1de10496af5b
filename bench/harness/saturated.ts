import { setTimeout as sleep } from "node:timers/promises";
import { backToBack, type Rate, type Work } from "./load.ts";
import { mean, round, summarize } from "./numbers.ts";
import { startService } from "./service.ts";
import type { Row, World } from "./world.ts";

const SETTLE_MS = 3_000;
const CLIENTS = 16;

export interface SaturatedQuestion {
  text: string;
  code: string;
  bare: Work;
  /** Concurrencies tried to find the engine's best. */
  concurrencies: number[];
  searchMs: number;
  warmUpMs: number;
  blockMs: number;
  blocks: number;
  ratioMin: number;
}

/** Executions a second, against the engine's own best rate for the bare cycle, in turns of equal blocks. */
export async function compareSaturated(world: World, question: SaturatedQuestion): Promise<Row[]> {
  const { warmUpMs, blockMs, blocks } = question;
  const best = await bestConcurrency(world, question);
  const service = await startService(world);
  const ours: Rate[] = [];
  const bare: Rate[] = [];
  try {
    for (let block = 0; block < blocks; block++) {
      world.tell(`block ${block + 1} of ${blocks}`);
      await sleep(SETTLE_MS);
      ours.push(await backToBack({ clients: CLIENTS, warmUpMs, durationMs: blockMs }, () => service.client.run(question.code)));
      await sleep(SETTLE_MS);
      bare.push(await backToBack({ clients: best.clients, warmUpMs, durationMs: blockMs }, question.bare));
    }
  } finally {
    await service.stop();
  }
  const rates = (list: readonly Rate[]) => list.map((rate) => round(rate.perSecond));
  const [oursRate, bareRate] = [round(mean(rates(ours))), round(mean(rates(bare)))];
  const ratio = round(oursRate / bareRate);
  const failures = [...ours, ...bare].flatMap((rate) => rate.failures);
  const latency = summarize(
    ours.flatMap((rate) => rate.ms),
    ours.flatMap((rate) => rate.failures).length,
  );
  return [
    {
      question: question.text,
      unit: "per second",
      ours: oursRate,
      baseline: bareRate,
      ratio,
      target: `≥ ${question.ratioMin}`,
      met: ratio >= question.ratioMin && failures.length === 0,
      detail: { ours: rates(ours), baseline: rates(bare), baselineSearch: best.tried, latency, failures: failures.slice(0, 5) },
      notes: [
        `blocks of ours ${rates(ours).join(", ")}; bare with ${best.clients} at a time ${rates(bare).join(", ")}; latency of ours p50 ${latency.p50} ms, p99 ${latency.p99} ms`,
      ],
    },
  ];
}

async function bestConcurrency(world: World, question: SaturatedQuestion): Promise<{ clients: number; tried: Record<string, number> }> {
  const tried: Record<string, number> = {};
  let best = { clients: 1, perSecond: 0 };
  for (const clients of question.concurrencies) {
    world.tell(`bare, ${clients} at a time`);
    const { perSecond } = await backToBack({ clients, warmUpMs: question.warmUpMs, durationMs: question.searchMs }, question.bare);
    tried[clients] = round(perSecond);
    if (perSecond > best.perSecond) best = { clients, perSecond };
  }
  return { clients: best.clients, tried };
}
