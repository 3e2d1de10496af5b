import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Measure } from "./harness/context.ts";
import { count } from "./harness/load.ts";
import { keeperOf, listProcesses, readOrNothing } from "./harness/processes.ts";
import { print } from "./harness/programs.ts";
import { type Service, startService } from "./harness/service.ts";

const CLIENTS = 12;
/** A fixed stock size, so that what exists does not depend on the load before. */
const STOCK = "4";
const SETTLE_MS_MAX = 60_000;
/** Slack for network namespaces: the kernel counts slab objects, also freed ones. */
const SLAB_SLACK = 100;
const CGROUPS = "/sys/fs/cgroup";

/** What do ten thousand executions leave on the machine? */
export const measure: Measure = async (context) => {
  const [warmUp, total] = context.pick([300, 10_000], [20, 60]);
  // Leftovers of services that were killed earlier on this machine.
  const strangers = new Set(groupsOfServices());
  const service = await startService(context, { engine: "oci", env: { POOL_SIZE_MIN: STOCK, POOL_SIZE_MAX: STOCK } });
  const failures: string[] = [];
  const run = async (executions: number) => failures.push(...(await count(executions, CLIENTS, () => service.client.run(print))).failures);
  let before: Counts;
  let after: Counts;
  let stopped = false;
  try {
    await run(warmUp);
    await sleep(SETTLE_MS_MAX / 10);
    before = countsOf(service);
    context.log(`${total} executions`);
    await run(total);
    after = await settled(service, before);
    await service.stop();
    stopped = true;
  } finally {
    if (!stopped) await service.stop();
  }
  const grown = excess(before, after);
  const left = groupsOfServices().filter((folder) => !strangers.has(folder)).length;
  const sum = Object.values(grown).reduce((all, each) => all + each, left);
  return [
    {
      question: `oci: left behind by ${total} executions`,
      unit: "things",
      ours: sum,
      target: "0",
      met: sum === 0 && failures.length === 0,
      detail: { before, after, groupsAfterStop: left, failures: failures.slice(0, 5) },
      notes: [
        `more than before: ${Object.entries(grown)
          .map(([name, more]) => `${name} ${more}`)
          .join(", ")}; cgroups after the stop ${left}; failed ${failures.length}`,
      ],
    },
  ];
};

type Counts = Record<
  "containers" | "cgroups" | "mounts" | "processes" | "descriptors" | "networkNamespaces" | "networkNamespacesOfKernel",
  number
>;

function countsOf(service: Service): Counts {
  const { keeper, zygotes } = keeperOf(service.pids.service);
  const ours = [service.pids.service, keeper, ...zygotes];
  const processes = new Set([...descendantsOf(service.pids.service), ...membersOfServices()]);
  return {
    containers: ["bundles", "runtime"].reduce((sum, name) => sum + readdirSync(join(service.ociState, name)).length, 0),
    cgroups: groupsOfServices().length,
    mounts: ours.reduce((sum, pid) => sum + lines(`/proc/${pid}/mountinfo`), 0),
    processes: processes.size,
    descriptors: ours.reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0),
    networkNamespaces: new Set([...processes].flatMap(namespaceOf)).size,
    networkNamespacesOfKernel: Math.floor(slabsOfNetworkNamespaces() / SLAB_SLACK),
  };
}

/** Waits until everything is removed, or the time is over; returns what remains. */
async function settled(service: Service, before: Counts): Promise<Counts> {
  const deadline = performance.now() + SETTLE_MS_MAX;
  let now = countsOf(service);
  while (performance.now() < deadline && Object.values(excess(before, now)).some((more) => more > 0)) {
    await sleep(1_000);
    now = countsOf(service);
  }
  return now;
}

function excess(before: Counts, after: Counts): Record<string, number> {
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, Math.max(0, value - before[name as keyof Counts])]));
}

/** Cgroups of sandboxes, in every hierarchy. */
function groupsOfServices(): string[] {
  const roots = ["", ...readdirSync(CGROUPS)].map((name) => join(CGROUPS, name, "code-interpreter")).filter((folder) => existsSync(folder));
  return roots.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /^[0-9a-f]{32}$/.test(name))
      .map((name) => join(folder, name)),
  );
}

function membersOfServices(): number[] {
  return groupsOfServices().flatMap((folder) => readOrNothing(join(folder, "cgroup.procs")).split("\n").filter(Boolean).map(Number));
}

function descendantsOf(ancestor: number): Set<number> {
  const all = listProcesses();
  const found = new Set([ancestor]);
  for (let before = 0; before !== found.size; ) {
    before = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
  return found;
}

/** Counts namespaces without a process too. It counts slab objects, so the number is not exact. */
function slabsOfNetworkNamespaces(): number {
  return Number(/^net_namespace\s+(\d+)/m.exec(readOrNothing("/proc/slabinfo"))?.[1] ?? 0);
}

function namespaceOf(pid: number): string[] {
  try {
    return [readlinkSync(`/proc/${pid}/ns/net`)];
  } catch {
    // The process ended meanwhile.
    return [];
  }
}

function lines(file: string): number {
  return readOrNothing(file).split("\n").filter(Boolean).length;
}
