import { setTimeout as sleep } from "node:timers/promises";
import { bareCycle, python } from "./harness/bare.ts";
import type { Measure, Row } from "./harness/context.ts";
import { type CpuTimes, type Pids, pidsOf, readCpu, spent } from "./harness/cpu.ts";
import { atTimes, backToBack, type Outcome, poissonArrivals } from "./harness/load.ts";
import { round } from "./harness/numbers.ts";
import { print } from "./harness/programs.ts";
import { startService } from "./harness/service.ts";

const SETTLE_MS = 3_000;

/** How much CPU time does one execution cost, and in which process? */
export const measure: Measure = async (context) => {
  const service = await startService(context);
  const durationMs = context.pick(16_000, 5_000);
  const bare = () => bareCycle(context, python(print));
  const execute = () => service.client.run(print);
  const engine: Pids = { dockerd: pidsOf("dockerd"), containerd: pidsOf("containerd"), bench: [process.pid] };
  const ours: Pids = { service: [service.pids.service], redis: [service.pids.redis], ...engine };
  try {
    await execute();
    await sleep(SETTLE_MS);
    const background = await backgroundOf(ours, durationMs / 4);
    const bareCost = await costOfEach(engine, background, () => backToBack({ clients: 4, warmUpMs: 0, durationMs: durationMs / 2 }, bare));
    const arrivals = poissonArrivals({ perSecond: 2, durationMs: durationMs * 1.5, seed: context.seed });
    const atRest = await costOfEach(ours, background, () => atTimes(arrivals, execute));
    const saturated = await costOfEach(ours, background, () => backToBack({ clients: 16, warmUpMs: 0, durationMs }, execute));
    return [row("cpu of one print(1) at rest", atRest, bareCost), row("cpu of one print(1) at saturation", saturated, bareCost)];
  } finally {
    await service.stop();
  }
};

function row(question: string, ours: Record<string, number>, bare: Record<string, number>): Row {
  const total = (parts: Record<string, number>) => round(Object.values(parts).reduce((sum, ms) => sum + ms, 0));
  const shown = (parts: Record<string, number>) =>
    Object.entries(parts)
      .map(([name, ms]) => `${name} ${ms}`)
      .join(", ");
  return {
    question,
    unit: "ms cpu",
    ours: total(ours),
    baseline: total(bare),
    ratio: round(total(ours) / total(bare)),
    met: null,
    detail: { ours, baseline: bare },
    notes: [`ours: ${shown(ours)}`, `bare cycle, 4 at a time: ${shown(bare)}`],
  };
}

/** CPU time of all other processes per millisecond while the service is idle. */
async function backgroundOf(pids: Pids, durationMs: number): Promise<number> {
  const before = readCpu(pids);
  await sleep(durationMs);
  return shares(before, readCpu(pids)).shimsAndRunc / durationMs;
}

/** CPU milliseconds by process for each successful execution. */
async function costOfEach(pids: Pids, background: number, work: () => Promise<Outcome>): Promise<Record<string, number>> {
  await sleep(SETTLE_MS);
  const before = readCpu(pids);
  const started = performance.now();
  const outcome = await work();
  // Includes the removal of the last containers and their replacements in the pool.
  await sleep(SETTLE_MS);
  const used = shares(before, readCpu(pids));
  used.shimsAndRunc -= background * (performance.now() - started);
  return Object.fromEntries(Object.entries(used).map(([name, ms]) => [name, round(ms / outcome.ms.length)]));
}

/** Excludes the load generator. Time of no named process is that of shims and runc. */
function shares(before: CpuTimes, after: CpuTimes) {
  const { bench: _, others, total: __, ...parts } = spent(before, after);
  return { ...parts, shimsAndRunc: others as number };
}
