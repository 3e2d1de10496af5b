import { basename } from "node:path";
import type { Limits } from "../domain/limits.ts";

/** Host tasks of gVisor's kernel itself, and at most per process inside it, threads included. */
const KERNEL_TASKS = 64;
const TASKS_PER_PROCESS = 10;

/** True for gVisor. Its sandboxes have their own kernel, and no host process can fork into them. */
export function hasOwnKernel(runtime: string): boolean {
  return basename(runtime).startsWith("runsc");
}

/**
 * Host processes and threads allowed for a sandbox with its own kernel. Inside, RLIMIT_NPROC bounds the code. gVisor's kernel
 * dies with everything in it when the host refuses it a thread, so this bound is high: only a faulty kernel reaches it.
 */
export function hostTasksMax(limits: Limits): number {
  return KERNEL_TASKS + TASKS_PER_PROCESS * limits.processesMax;
}
