import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Where the kernel keeps the time of all processes together, and of those in containers, by version of cgroups. */
const places = {
  machine: [
    { path: "/sys/fs/cgroup/cpuacct/cpuacct.usage", read: (text: string) => Number(text) / 1e6 },
    { path: "/sys/fs/cgroup/cpu.stat", read: usageOfCpuStat },
  ],
  containers: [
    { path: "/sys/fs/cgroup/cpuacct/docker/cpuacct.usage", read: (text: string) => Number(text) / 1e6 },
    { path: "/sys/fs/cgroup/docker/cpu.stat", read: usageOfCpuStat },
  ],
};
const USER_HZ = 100;

/** Cpu milliseconds spent so far. `containers` is null where the kernel does not keep their sum. */
export interface CpuTimes {
  machine: number;
  containers: number | null;
  processes: Record<string, number>;
}

export type Pids = Record<string, number | null>;

/** The first process of that name; null for an engine on another machine. */
export function pidOf(command: string): number | null {
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (readFileSync(`/proc/${entry}/comm`, "utf8").trim() === command) return Number(entry);
    } catch {
      // It ended while we looked.
    }
  }
  return null;
}

export function readCpu(pids: Pids): CpuTimes {
  const processes = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, pid === null ? 0 : cpuOfProcess(pid)]));
  return { machine: readFirst(places.machine) ?? machineFromStat(), containers: readFirst(places.containers), processes };
}

/** The engine's own helpers (shims, runc) and all that is not named are `others`; it holds the machine's other work too. */
export function spent(before: CpuTimes, after: CpuTimes): Record<string, number> {
  const named = Object.fromEntries(Object.entries(after.processes).map(([name, ms]) => [name, ms - (before.processes[name] ?? 0)]));
  const containers = after.containers === null || before.containers === null ? 0 : after.containers - before.containers;
  const total = after.machine - before.machine;
  const others = total - containers - Object.values(named).reduce((sum, ms) => sum + ms, 0);
  return { ...named, containers, others, total };
}

function cpuOfProcess(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / USER_HZ;
}

function readFirst(candidates: ReadonlyArray<{ path: string; read: (text: string) => number }>): number | null {
  const found = candidates.find((candidate) => existsSync(candidate.path));
  return found === undefined ? null : found.read(readFileSync(found.path, "utf8"));
}

function usageOfCpuStat(text: string): number {
  return Number(/usage_usec (\d+)/.exec(text)?.[1] ?? 0) / 1000;
}

/** user, nice, system, irq, softirq of all cores. */
function machineFromStat(): number {
  const [, user, nice, system, , , irq, softirq] = readFileSync("/proc/stat", "utf8").split(/\s+/).map(Number) as number[];
  return (((user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0)) * 1000) / USER_HZ;
}
