import { readdirSync, readFileSync } from "node:fs";

/** What /proc says; empty for a process that has ended meanwhile. */
export function procText(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch {
    return "";
  }
}

/** 0 for one that has ended. */
export function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(procText(`${pid}/status`))?.[1] ?? 0);
}

/** Those that have ended and were not waited for among them. */
export function childrenOf(parent: number): number[] {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return all.map(Number).filter((pid) => parentOf(pid) === parent);
}

export function commandOf(pid: number): string {
  return procText(`${pid}/cmdline`);
}
