import { readdirSync, readFileSync } from "node:fs";

/** A process of /proc; `command` is its whole command line. */
export interface Process {
  pid: number;
  parent: number;
  command: string;
}

/** The keeper that a service started, and its zygotes. */
export function keeperOf(service: number): { keeper: number; zygotes: number[] } {
  const all = listProcesses();
  const keeper = all.find((process) => process.parent === service && process.command.includes("keeper.py"))?.pid;
  if (keeper === undefined) throw new Error("the service has no keeper of its own");
  const zygotes = all.filter((process) => process.parent === keeper && process.command.includes("runner.oci.zygote"));
  return { keeper, zygotes: zygotes.map(({ pid }) => pid) };
}

export function listProcesses(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const status = readOrNothing(`/proc/${name}/status`);
      const parent = Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]);
      return status === "" ? [] : [{ pid: Number(name), parent, command: readOrNothing(`/proc/${name}/cmdline`) }];
    });
}

/** Empty for a process that ended meanwhile. */
export function readOrNothing(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
