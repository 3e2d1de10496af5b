import type { Limits } from "../../domain/limits.ts";

export interface Machine {
  cores: number;
  /** MiB that sandboxes may take together. */
  sandboxMemoryMb: number;
}

export interface Capacity {
  /** Concurrent executions. */
  concurrency: number;
  /** Slots for sandboxes in use, in stock, or being removed. A larger sandbox occupies several. */
  sandboxes: number;
  /** Slots that sessions and executions share; the stock has its own. */
  sandboxesInUse: number;
  /** Slots that sessions may hold, so that one always remains for an execution. */
  sessions: number;
  /** Concurrent sandbox starts; more of them slow each other down. */
  starts: number;
  /** Sandboxes in use that still leave one core free for background work. */
  spareInUse: number;
}

/** A few, because waiting code uses no core; with many, all of them become slow. */
const EXECUTIONS_PER_CORE = 4;

/**
 * Plans the capacity of one worker. Throws when the memory is too small for the settings: a machine with overcommitted
 * memory kills executions that did nothing wrong.
 */
export function planCapacity(
  machine: Machine,
  limits: Limits,
  wanted: { concurrency?: number | undefined; poolSizeMax: number },
): Capacity {
  const sandboxes = Math.floor(machine.sandboxMemoryMb / limits.memoryMbMax);
  const room = sandboxes - wanted.poolSizeMax;
  const concurrency = wanted.concurrency ?? Math.min(Math.ceil(machine.cores * EXECUTIONS_PER_CORE), room);
  if (concurrency < 1 || concurrency > room) {
    throw new RangeError(
      `WORKER_CONCURRENCY (${wanted.concurrency ?? "unset"}) + POOL_SIZE_MAX (${wanted.poolSizeMax}) sandboxes of ${limits.memoryMbMax} MiB ` +
        `do not fit into ${machine.sandboxMemoryMb} MiB; lower one of them or set WORKER_MEMORY_MB`,
    );
  }
  const sessions = Math.min(limits.sessionsPerWorkerMax, room - 1);
  return { concurrency, sandboxes, sandboxesInUse: room, sessions, starts: Math.max(2, machine.cores * 2), spareInUse: machine.cores - 1 };
}
