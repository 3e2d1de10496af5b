import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeMetrics } from "../src/observe/metrics.ts";
import { OciSandboxFactory } from "../src/oci/factory.ts";
import { percentile, round } from "./harness/numbers.ts";
import { startService } from "./harness/service.ts";
import type { Measure } from "./harness/world.ts";

const MIB_MAX = 2;
const SETTLE_MS = 1_000;
/** All that a container can be made of: pages of processes and tmpfs, page tables, stacks, slabs, and what each core keeps of it. */
const KINDS = ["AnonPages", "Shmem", "Slab", "PageTables", "KernelStack", "Percpu"];

/** How much memory of the machine does a sandbox hold that stands ready? */
export const measure: Measure = async (world) => {
  const { limits } = world;
  const count = world.pick(32, 12);
  const service = await startService(world, { engine: "oci" });
  // Beside the service, at the same keeper: its containers are made like this, and only these come and go meanwhile.
  const factory = new OciSandboxFactory({ socket: join(service.ociState, "keeper.sock"), limits, metrics: makeMetrics() });
  const each: number[] = [];
  try {
    for (let round = 0; round < world.pick(5, 2); round++) {
      const before = heldMib();
      const sandboxes = [];
      while (sandboxes.length < count) sandboxes.push(await factory.create({ memoryMb: limits.memoryMbMax }, AbortSignal.timeout(60_000)));
      await sleep(SETTLE_MS);
      each.push((heldMib() - before) / count);
      await Promise.all(sandboxes.map((sandbox) => sandbox.destroy()));
      await sleep(SETTLE_MS);
    }
  } finally {
    await service.stop();
  }
  const median = round(percentile(each, 0.5));
  return [
    {
      question: "oci: memory of the machine that a waiting sandbox holds",
      unit: "MiB",
      ours: median,
      target: `≤ ${MIB_MAX}`,
      met: median <= MIB_MAX,
      detail: { each: each.map(round), count },
      notes: [`the median of ${each.length} rounds of ${count}: ${each.map(round).join(", ")}`],
    },
  ];
};

function heldMib(): number {
  const text = readFileSync("/proc/meminfo", "utf8");
  const kib = KINDS.map((kind) => Number(new RegExp(`^${kind}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0));
  return kib.reduce((sum, value) => sum + value, 0) / 1024;
}
