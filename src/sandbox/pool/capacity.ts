import type { Limits } from "../../domain/limits.ts";

export interface Machine {
  cores: number;
  /** MiB that sandboxes may take together. */
  sandboxMemoryMb: number;
}

export interface Capacity {
  /** Executions at once. */
  concurrency: number;
  /** Sandboxes of the usual memory that may exist at once: in use, in the pool, on their way out. A larger one counts as several. */
  sandboxes: number;
  /** Sandboxes that sessions and executions may use together; the stock is beside them. */
  sandboxesInUse: number;
  /** Sessions of the usual memory that may be held, so that there is always room for an execution as well. */
  sessions: number;
  /** Sandboxes started at once; more of them slow each other down. */
  starts: number;
  /** Sandboxes in use beside which a core is still free for work that nobody waits for. */
  spareInUse: number;
}

/** Code that waits costs no core, so a core takes a few; a core with many serves all of them late. */
const EXECUTIONS_PER_CORE = 4;

/**
 * How much one worker takes on. Throws in words when the memory can not hold what was asked for: a machine that is
 * oversold kills executions that did nothing wrong.
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
