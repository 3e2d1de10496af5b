import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeMetrics } from "../src/observe/metrics.ts";
import { OciSandboxFactory } from "../src/sandbox/oci/factory.ts";
import type { Measure } from "./harness/context.ts";
import { percentile, round } from "./harness/numbers.ts";
import { keeperOf, listProcesses, readOrNothing } from "./harness/processes.ts";
import { type Service, startService } from "./harness/service.ts";

const MIB_MAX = 2;
const SETTLE_MS = 1_000;
const FIRST_PROCESS = "/usr/bin/catatonit";
/** Kernel memory of a container besides its process: tmpfs pages, slabs, stacks and per-core data. */
const OF_KERNEL = ["Shmem", "Slab", "KernelStack", "Percpu"];
/** Private memory of a process. */
const OF_PROCESS = ["RssAnon", "RssShmem", "VmPTE"];

/** How much memory does a sandbox in stock hold? */
export const measure: Measure = async (context) => {
  const { limits } = context;
  const count = context.pick(32, 12);
  const service = await startService(context, { engine: "oci" });
  // Containers of the same keeper, created beside the service; no others come and go meanwhile.
  const socket = join(service.ociState, "keeper.sock");
  const factory = new OciSandboxFactory({ socket, ownKernel: false, limits, metrics: makeMetrics() });
  const each: number[] = [];
  try {
    for (let round = 0; round < context.pick(5, 2); round++) {
      const before = heldMib(service);
      const sandboxes = [];
      while (sandboxes.length < count) sandboxes.push(await factory.create({ memoryMb: limits.memoryMbMax }, AbortSignal.timeout(60_000)));
      await sleep(SETTLE_MS);
      each.push((heldMib(service) - before) / count);
      await Promise.all(sandboxes.map((sandbox) => sandbox.destroy()));
      await sleep(SETTLE_MS);
    }
  } finally {
    await service.stop();
  }
  const median = round(percentile(each, 0.5));
  return [
    {
      question: "oci: memory of a sandbox in stock",
      unit: "MiB",
      ours: median,
      target: `≤ ${MIB_MAX}`,
      met: median <= MIB_MAX,
      detail: { each: each.map(round), count },
      notes: [`the median of ${each.length} rounds of ${count}: ${each.map(round).join(", ")}`],
    },
  ];
};

/** Memory of the kernel, of the keeper and of the first processes of its containers. */
function heldMib(service: Service): number {
  const { keeper } = keeperOf(service.pids.service);
  const waiting = listProcesses().filter(({ command }) => command.startsWith(FIRST_PROCESS));
  const processes = [keeper, ...waiting.map(({ pid }) => pid)].map((pid) => kibOf(readOrNothing(`/proc/${pid}/status`), OF_PROCESS));
  return [kibOf(readFileSync("/proc/meminfo", "utf8"), OF_KERNEL), ...processes].reduce((sum, kib) => sum + kib, 0) / 1024;
}

function kibOf(text: string, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0), 0);
}
