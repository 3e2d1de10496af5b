import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Files with the CPU time of all processes and of containers, by cgroup version. */
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
/** All sandboxes of the OCI engine, including removed ones. */
const groups = [
  { path: "/sys/fs/cgroup/cpuacct/code-interpreter/cpuacct.usage", read: (text: string) => Number(text) / 1e6 },
  { path: "/sys/fs/cgroup/code-interpreter/cpu.stat", read: usageOfCpuStat },
];
const USER_HZ = 100;

/** CPU milliseconds so far. `containers` is null if the kernel does not keep their sum. */
export interface CpuTimes {
  machine: number;
  containers: number | null;
  processes: Record<string, number>;
}

/** Processes by the name under which their time is added up. */
export type Pids = Record<string, number[]>;

/** All processes of that name: none for an engine on another machine. */
export function pidsOf(command: string): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && commandOf(entry) === command)
    .map(Number);
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    // The process ended meanwhile.
    return "";
  }
}

export function readCpu(pids: Pids): CpuTimes {
  const processes = Object.fromEntries(Object.entries(pids).map(([name, list]) => [name, sum(list.map(cpuOfProcess))]));
  return { machine: readFirst(places.machine) ?? machineFromStat(), containers: readFirst(places.containers), processes };
}

/** `others` are the engine's helpers (shims, runc) and all other processes of the machine. */
export function spent(before: CpuTimes, after: CpuTimes): Record<string, number> {
  const named = Object.fromEntries(Object.entries(after.processes).map(([name, ms]) => [name, ms - (before.processes[name] ?? 0)]));
  const containers = after.containers === null || before.containers === null ? 0 : after.containers - before.containers;
  const total = after.machine - before.machine;
  const others = total - containers - sum(Object.values(named));
  return { ...named, containers, others, total };
}

/** CPU milliseconds of everything that ran in sandboxes of the OCI engine. */
export function cpuOfGroups(): number {
  return readFirst(groups) ?? 0;
}

/** CPU milliseconds of children that these processes have reaped. */
export function cpuOfChildren(pids: readonly number[]): number {
  return sum(pids.map((pid) => cpuTicks(pid, 13, 14)));
}

/** Zero for a process that has ended. */
function cpuOfProcess(pid: number): number {
  return cpuTicks(pid, 11, 12);
}

function cpuTicks(pid: number, user: number, system: number): number {
  if (!existsSync(`/proc/${pid}/stat`)) return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return ((Number(fields[user]) + Number(fields[system])) * 1000) / USER_HZ;
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

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
