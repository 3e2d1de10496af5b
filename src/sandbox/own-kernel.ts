import { basename } from "node:path";
import type { Limits } from "../domain/limits.ts";

/** What such a kernel takes of the host for itself, and at most for each process in it, with its threads. */
const KERNEL_TASKS = 64;
const TASKS_PER_PROCESS = 10;

/** gVisor: whose sandboxes have a kernel of their own, that no process of the host can fork into. */
export function hasOwnKernel(runtime: string): boolean {
  return basename(runtime).startsWith("runsc");
}

/**
 * Processes and threads of the host that a sandbox with a kernel of its own may be. Inside, RLIMIT_NPROC bounds the code; a kernel
 * that the host refuses a thread dies with all that is in it, so this bound lies where only a kernel gone wrong meets it.
 */
export function hostTasksMax(limits: Limits): number {
  return KERNEL_TASKS + TASKS_PER_PROCESS * limits.processesMax;
}
