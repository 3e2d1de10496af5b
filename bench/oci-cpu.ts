import { setTimeout as sleep } from "node:timers/promises";
import { python } from "./harness/bare.ts";
import type { BenchContext, Measure, Row } from "./harness/context.ts";
import { cpuOfChildren, cpuOfGroups, type Pids, readCpu, spent } from "./harness/cpu.ts";
import { atTimes, count, type Outcome, poissonArrivals } from "./harness/load.ts";
import { round } from "./harness/numbers.ts";
import { keeperOf } from "./harness/processes.ts";
import { print } from "./harness/programs.ts";
import { type Service, startService } from "./harness/service.ts";
import { bareProcesses } from "./harness/spawner.ts";

const SETTLE_MS = 3_000;
/** The total stays below the forks after which a zygote is renewed, because its start would be counted. */
const CLIENTS = 16;
/** The code and its supervisor: the lower bound if everything else were free. */
const CODE = "runner and code";

/** How much CPU time does each step of an execution cost? */
export const measure: Measure = async (context) => {
  const bare = await bareCost(context);
  const service = await startService(context, { engine: "oci" });
  const execute = () => service.client.run(print);
  try {
    await execute();
    const arrivals = poissonArrivals({ perSecond: 2, durationMs: context.pick(24_000, 8_000), seed: context.seed });
    const atRest = await costBySteps(service, () => atTimes(arrivals, execute));
    const saturated = await costBySteps(service, () => count(context.pick(800, 100), CLIENTS, execute));
    return [row("oci: cpu of one print(1) at rest", atRest, bare), row("oci: cpu of one print(1) at saturation", saturated, bare)];
  } finally {
    await service.stop();
  }
};

function row(question: string, steps: Record<string, number>, bare: number): Row {
  const total = Object.values(steps).reduce((sum, ms) => sum + ms, 0);
  const [next] = Object.entries(steps)
    .filter(([name]) => name !== CODE)
    .sort(([, a], [, b]) => b - a);
  const shown = Object.entries(steps).map(([name, ms]) => `${name} ${ms}`);
  return {
    question,
    unit: "ms cpu",
    ours: round(total),
    baseline: bare,
    ratio: round(total / bare),
    met: null,
    detail: { steps, bare },
    notes: [`${shown.join(", ")}; next to remove: ${next?.[0]}`],
  };
}

/** Of one bare process, its start included. */
async function bareCost(context: BenchContext): Promise<number> {
  const bare = await bareProcesses(context, python(print), 1);
  const times = context.pick(200, 40);
  try {
    await bare.run();
    const before = cpuOfChildren(bare.pids);
    for (let time = 0; time < times; time++) await bare.run();
    return round((cpuOfChildren(bare.pids) - before) / times);
  } finally {
    await bare.close();
  }
}

/** CPU milliseconds by step for each successful execution, minus the cost of the same time at rest. */
async function costBySteps(service: Service, work: () => Promise<Outcome>): Promise<Record<string, number>> {
  await sleep(SETTLE_MS);
  const idle = await measureSteps(service, async () => {
    await sleep(SETTLE_MS);
    return 1;
  });
  const busy = await measureSteps(service, async () => {
    const { ms } = await work();
    // Includes the removal of the last containers and their replacements.
    await sleep(SETTLE_MS);
    return ms.length;
  });
  const idleEach = (name: string) => ((idle.steps[name] as number) / idle.elapsedMs) * busy.elapsedMs;
  return Object.fromEntries(Object.entries(busy.steps).map(([name, ms]) => [name, round(Math.max(0, ms - idleEach(name)) / busy.done)]));
}

async function measureSteps(service: Service, work: () => Promise<number>) {
  const { keeper, zygotes } = keeperOf(service.pids.service);
  const pids: Pids = {
    "service (http, queue, result)": [service.pids.service],
    redis: [service.pids.redis],
    keeper: [keeper],
    "zygotes (fork)": zygotes,
  };
  const read = () => ({ cpu: readCpu(pids), runtime: cpuOfChildren([keeper]), code: cpuOfGroups() });
  const started = performance.now();
  const before = read();
  const done = await work();
  const after = read();
  const { containers: _, others: __, total: ___, ...steps } = spent(before.cpu, after.cpu);
  return {
    steps: { ...steps, "runtime (create, delete)": after.runtime - before.runtime, [CODE]: after.code - before.code } as Record<
      string,
      number
    >,
    done,
    elapsedMs: performance.now() - started,
  };
}
