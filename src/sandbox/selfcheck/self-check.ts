import { setTimeout as sleep } from "node:timers/promises";
import type { Limits } from "../../domain/limits.ts";
import type { Engine, StopReason } from "../../domain/run.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { BackgroundLease } from "../pool/background-slot.ts";
import type { Pool } from "../pool/pool.ts";
import { runInSandbox } from "../run/engine.ts";
import { type AttackProgram, attackPrograms, sandboxesOf, type Verdict } from "./attack-programs.ts";
import { attack } from "./self-proof.ts";

export interface SelfCheckOptions {
  pool: Pool;
  limits: Limits;
  /** The runtime is gVisor, which shows less. */
  ownKernel: boolean;
  metrics: Metrics;
  log: Log;
  /** Sandboxes in use that still leave one core free. */
  inUseMax: number;
  /** Whether the queue is empty. Rejects when that is unknown; then no check runs. */
  nothingWaits: () => Promise<boolean>;
  /** Called once, when isolation is broken. */
  onBreach: () => void;
}

/** How often to look for spare capacity. */
const SPARE_POLL_MS = 1_000;

/**
 * Attacks the worker's own sandboxes: one program per interval, in turn, on spare capacity. A program gives way to the
 * first execution that needs its room. Returns a function that stops the checks and resolves when none runs.
 */
export function startSelfChecks(options: SelfCheckOptions): () => Promise<void> {
  const stopping = new AbortController();
  const checking = runChecks(options, stopping.signal).catch((error: unknown) => {
    if (!stopping.signal.aborted) options.log.error({ err: error }, "the checks of the isolation ended");
  });
  return async () => {
    stopping.abort("shutdown" satisfies StopReason);
    await checking;
  };
}

/** Runs until it is stopped, or until it finds a breach. */
async function runChecks(options: SelfCheckOptions, stop: AbortSignal): Promise<void> {
  const { limits, log, onBreach, ownKernel } = options;
  const programs = attackPrograms(ownKernel);
  for (let turn = 0; ; ) {
    await sleep(limits.selfCheckIntervalMs, undefined, { signal: stop, ref: false });
    const program = programs[turn % programs.length] as AttackProgram;
    const { breaches, inconclusive } = await checkOnce(options, program, stop);
    if (breaches.length > 0) {
      const checks = [...new Set(breaches.map(({ check }) => check))];
      log.fatal(
        { checks, found: breaches.map(({ words }) => words) },
        "the isolation of sandboxes does not hold: this worker goes out of service",
      );
      return onBreach();
    }
    if (inconclusive === null) turn += 1;
  }
}

async function checkOnce(options: SelfCheckOptions, program: AttackProgram, stop: AbortSignal): Promise<Verdict> {
  const { limits, log, metrics, ownKernel } = options;
  const spare = await untilSpare(options, sandboxesOf(program), stop);
  // A worker may never have room for two; then the other programs go on.
  if (spare === null) return { breaches: [], inconclusive: null };
  const giveWay = AbortSignal.any([spare.reclaimed, stop]);
  // Runs like an execution, but in a spare sandbox, so that usage and metrics exclude it.
  const run: Engine["run"] = (input, ports, signal) => runInSandbox({ pool: spare, limits, log }, input, ports, signal);
  const verdict = await attack({ engine: { run }, limits, ownKernel }, program, giveWay).finally(() => spare.end());
  metrics.selfChecks.inc({ result: resultOf(verdict, giveWay.aborted) });
  for (const { check } of verdict.breaches) metrics.selfCheckFailures.inc({ check });
  if (verdict.breaches.length === 0 && verdict.inconclusive === null) metrics.selfCheckSuccess.setToCurrentTime();
  else if (!giveWay.aborted) log.warn({ inconclusive: verdict.inconclusive }, "a check of the isolation did not show that it holds");
  return verdict;
}

function resultOf({ breaches, inconclusive }: Verdict, gaveWay: boolean): "held" | "breached" | "inconclusive" | "gave_way" {
  if (breaches.length > 0) return "breached";
  if (inconclusive === null) return "held";
  return gaveWay ? "gave_way" : "inconclusive";
}

/** Null when there is room for one sandbox, but not for as many as are wanted. */
async function untilSpare(
  { pool, inUseMax, nothingWaits }: SelfCheckOptions,
  sandboxes: number,
  stop: AbortSignal,
): Promise<BackgroundLease | null> {
  for (;;) {
    stop.throwIfAborted();
    const queueEmpty = await nothingWaits().catch(() => false);
    const spare = queueEmpty ? pool.spare(inUseMax, sandboxes) : null;
    if (spare !== null) return spare;
    const one = queueEmpty && sandboxes > 1 ? pool.spare(inUseMax) : null;
    one?.end();
    if (one !== null) return null;
    await sleep(SPARE_POLL_MS, undefined, { signal: stop, ref: false });
  }
}
