import { setTimeout as sleep } from "node:timers/promises";
import type { EngineName } from "../../src/domain/status.ts";
import type { BenchContext, Row } from "./context.ts";
import { backToBack, type Rate, type Work } from "./load.ts";
import { mean, round, summarize } from "./numbers.ts";
import { type Service, startService } from "./service.ts";

const SETTLE_MS = 3_000;
const CLIENTS = 16;

export interface SaturatedQuestion {
  text: string;
  engine: EngineName;
  code: string;
  bare: Work;
  /** Concurrencies to try for the bare program's best rate. */
  concurrencies: number[];
  searchMs: number;
  warmUpMs: number;
  blockMs: number;
  blocks: number;
  ratioMin: number;
  /** The service on the other engine, measured in the same turns. */
  against?: { text: string; engine: EngineName; ratioMin: number };
}

/** Executions per second, compared with the bare program's best rate, in alternating equal blocks. */
export async function compareSaturated(context: BenchContext, question: SaturatedQuestion): Promise<Row[]> {
  const { warmUpMs, blockMs, blocks, code, against } = question;
  const best = await bestConcurrency(context, question);
  const services: Service[] = [];
  const ours: Rate[] = [];
  const bare: Rate[] = [];
  const other: Rate[] = [];
  const block = async (rates: Rate[], clients: number, work: Work) => {
    await sleep(SETTLE_MS);
    rates.push(await backToBack({ clients, warmUpMs, durationMs: blockMs }, work));
  };
  try {
    for (const engine of against === undefined ? [question.engine] : [question.engine, against.engine])
      services.push(await startService(context, { engine }));
    for (let turn = 0; turn < blocks; turn++) {
      context.log(`block ${turn + 1} of ${blocks}`);
      const [service, otherService] = services;
      await block(ours, CLIENTS, () => (service as Service).client.run(code));
      await block(bare, best.clients, question.bare);
      if (otherService !== undefined) await block(other, CLIENTS, () => otherService.client.run(code));
    }
  } finally {
    for (const service of services) await service.stop();
  }
  const latency = summarize(
    ours.flatMap((rate) => rate.ms),
    ours.flatMap((rate) => rate.failures).length,
  );
  const summary = `blocks of ours ${ratesOf(ours).join(", ")}; p50 ${latency.p50} ms, p99 ${latency.p99} ms`;
  const rows = [
    row(question, ours, bare, { detail: { latency, search: best.tried }, note: `${summary}; bare with ${best.clients} at a time` }),
  ];
  if (against !== undefined) rows.push(row(against, ours, other, { detail: {}, note: summary }));
  return rows;
}

function row(
  { text, ratioMin }: { text: string; ratioMin: number },
  ours: readonly Rate[],
  baseline: readonly Rate[],
  { detail, note }: { detail: object; note: string },
): Row {
  const [oursRate, baseRate] = [round(mean(ratesOf(ours))), round(mean(ratesOf(baseline)))];
  const ratio = round(oursRate / baseRate);
  const failures = [...ours, ...baseline].flatMap((rate) => rate.failures);
  return {
    question: text,
    unit: "per second",
    ours: oursRate,
    baseline: baseRate,
    ratio,
    target: `≥ ${ratioMin}`,
    met: baseRate > 0 && ratio >= ratioMin && failures.length === 0,
    detail: { ours: ratesOf(ours), baseline: ratesOf(baseline), ...detail, failures: failures.slice(0, 5) },
    notes: [`${note}; baseline blocks ${ratesOf(baseline).join(", ")}`],
  };
}

function ratesOf(list: readonly Rate[]): number[] {
  return list.map((rate) => round(rate.perSecond));
}

async function bestConcurrency(
  context: BenchContext,
  question: SaturatedQuestion,
): Promise<{ clients: number; tried: Record<string, number> }> {
  const tried: Record<string, number> = {};
  let best = { clients: 1, perSecond: 0 };
  for (const clients of question.concurrencies) {
    context.log(`bare, ${clients} at a time`);
    const { perSecond } = await backToBack({ clients, warmUpMs: question.warmUpMs, durationMs: question.searchMs }, question.bare);
    tried[clients] = round(perSecond);
    if (perSecond > best.perSecond) best = { clients, perSecond };
  }
  return { clients: best.clients, tried };
}
