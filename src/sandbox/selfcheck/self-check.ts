import { setTimeout as sleep } from "node:timers/promises";
import type { Limits } from "../../domain/limits.ts";
import type { Engine, StopReason } from "../../domain/run.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Spare } from "../pool/background-slot.ts";
import type { Pool } from "../pool/pool.ts";
import { runInSandbox } from "../run/engine.ts";
import { type AttackProgram, attackPrograms, type Verdict } from "./attack-programs.ts";
import { attack } from "./self-proof.ts";

export interface SelfCheckOptions {
  pool: Pool;
  limits: Limits;
  /** A runtime with a kernel of its own shows less. */
  ownKernel: boolean;
  metrics: Metrics;
  log: Log;
  /** Sandboxes in use beside which a core is still free. */
  inUseMax: number;
  /** Whether no execution waits for a worker. Rejects when that can not be known, which is no time for a check. */
  nothingWaits: () => Promise<boolean>;
  /** Called once, when the isolation does not hold. */
  onBreach: () => void;
}

/** While there is no spare capacity, it is looked for this often. */
const LOOK_MS = 1_000;

/**
 * A worker's attacks on its own sandboxes, one program an interval by turns, on capacity that nobody needs: the program
 * gives way to the first execution that wants its place. Returns a function that ends it and resolves when nothing of it runs.
 */
export function startSelfChecks(options: SelfCheckOptions): () => Promise<void> {
  const stopping = new AbortController();
  const checking = checkByTurns(options, stopping.signal).catch((error: unknown) => {
    if (!stopping.signal.aborted) options.log.error({ err: error }, "the checks of the isolation ended");
  });
  return async () => {
    stopping.abort("shutdown" satisfies StopReason);
    await checking;
  };
}

/** Until it is stopped, or finds that the isolation does not hold. */
async function checkByTurns(options: SelfCheckOptions, stop: AbortSignal): Promise<void> {
  const { limits, log, onBreach } = options;
  for (let turn = 0; ; ) {
    await sleep(limits.selfCheckIntervalMs, undefined, { signal: stop, ref: false });
    const program = attackPrograms[turn % attackPrograms.length] as AttackProgram;
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
  const spare = await untilSpare(options, stop);
  const giveWay = AbortSignal.any([spare.wanted, stop]);
  // As executions are run, but with the spare sandbox in place of the pool's, so that it counts nowhere as one of them.
  const run: Engine["run"] = (input, ports, signal) => runInSandbox({ pool: spare, limits, log }, input, ports, signal);
  const verdict = await attack({ engine: { run }, limits, ownKernel }, program, giveWay);
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

async function untilSpare({ pool, inUseMax, nothingWaits }: SelfCheckOptions, stop: AbortSignal): Promise<Spare> {
  for (;;) {
    stop.throwIfAborted();
    const quiet = await nothingWaits().catch(() => false);
    const spare = quiet ? pool.spare(inUseMax) : null;
    if (spare !== null) return spare;
    await sleep(LOOK_MS, undefined, { signal: stop, ref: false });
  }
}
