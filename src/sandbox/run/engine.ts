import { wantsPreloaded } from "../../domain/heavy-imports.ts";
import type { Limits } from "../../domain/limits.ts";
import type { SandboxPackages } from "../../domain/packages.ts";
import type { ExecutionEnd } from "../../domain/result.ts";
import type { Engine, RunInput, RunPorts, SessionEngine } from "../../domain/run.ts";
import type { Log } from "../../observe/log.ts";
import { deadlineAfter } from "../../util/deadline.ts";
import { within } from "../../util/race.ts";
import type { Pool } from "../pool/pool.ts";
import type { Taken } from "../sandbox.ts";
import { elapsedMs, REMOVAL_WAIT_MS_MAX, SandboxRun } from "./sandbox-run.ts";
import { openSession } from "./session.ts";

export interface EngineOptions {
  pool: Pool;
  limits: Limits;
  log: Log;
  /** What is installed in the sandboxes, once that is known. */
  packages?: (() => SandboxPackages | null) | undefined;
  /** Whether the runtime's forks are cheap. Those of gVisor are not. */
  forksCheaply: boolean;
}

type RunOptions = Omit<EngineOptions, "pool" | "forksCheaply"> & { pool: Pick<Pool, "take" | "discard"> };

/** Runs executions in sandboxes of a pool: take → send → collect → classify → destroy. A session keeps its sandbox. */
export function makeEngine(options: EngineOptions): Engine & SessionEngine {
  const prepared = new Map<string, Taken>();
  const { pool } = options;
  return {
    prepare(id, { memoryMb, preloaded }) {
      const taken = prepared.has(id) ? null : pool.takeAhead({ memoryMb }, preloaded);
      if (taken === null) return;
      taken.sandbox.open?.(preloaded);
      prepared.set(id, taken);
    },
    forget(id) {
      const taken = prepared.get(id);
      if (prepared.delete(id) && taken !== undefined) void pool.discard(taken.sandbox);
    },
    run(input, ports, stop) {
      const taken = prepared.get(input.id);
      prepared.delete(input.id);
      return runInSandbox(options, input, ports, stop, taken);
    },
    openSession: (spec, signal) => openSession(options, spec, signal),
  };
}

/** Runs one execution in a sandbox of its own, taken from any pool. */
export async function runInSandbox(
  options: RunOptions,
  input: RunInput,
  ports: RunPorts,
  stop: AbortSignal,
  prepared?: Taken,
): Promise<ExecutionEnd> {
  const { pool, limits, log } = options;
  const run = new SandboxRun(input, ports, limits, options.packages);
  const acquiring = performance.now();
  ports.phase?.("acquire");
  let taken: Taken;
  const preloaded = wantsPreloaded(input.code);
  const deadline = deadlineAfter(limits.sandboxStartTimeoutMsMax, stop);
  try {
    taken = prepared ?? (await pool.take({ memoryMb: input.memoryMb }, preloaded, deadline.signal, input.files.length > 0));
  } catch (error) {
    if (!stop.aborted) log.error({ execution: input.id, err: error }, "no sandbox for an execution");
    return run.neverStarted(stop, elapsedMs(acquiring));
  } finally {
    deadline.clear();
  }
  run.usage.acquire_ms = elapsedMs(acquiring);
  run.usage.warm = taken.warm;
  try {
    if (prepared === undefined) taken.sandbox.open?.(preloaded);
    const first = await run.runIn(taken.sandbox, stop);
    // A stopped run is reported once its sandbox is gone, or its engine has hung for a while. Other runs do not wait for the removal.
    if (first.kind === "stopped") await within(taken.sandbox.destroy(), REMOVAL_WAIT_MS_MAX);
    if (first.kind === "malformed" || first.kind === "silent" || (first.kind === "sandbox_ended" && !first.end.oomKilled)) {
      log.warn({ execution: input.id, sandbox: taken.sandbox.id, first: first.kind }, "a sandbox was lost");
    }
    return run.end(first);
  } finally {
    void pool.discard(taken.sandbox);
  }
}
