import type { Limits } from "../../domain/limits.ts";
import type { Engine } from "../../domain/run.ts";
import { type AttackProgram, attackPrograms, type Verdict } from "./attack-programs.ts";
import { runProgram } from "./run-program.ts";

export interface SelfProofOptions {
  engine: Pick<Engine, "run">;
  limits: Limits;
  /** The runtime is gVisor, which shows no seccomp state and counts no OOM kills. */
  ownKernel: boolean;
}

/**
 * Proves the lockdown on real sandboxes and returns a description of each failure. A worker with any failure must not
 * serve: a limit that silently does not apply is worse than no service.
 */
export async function proveLockdown(options: SelfProofOptions): Promise<string[]> {
  const problems: string[] = [];
  for (const program of attackPrograms) {
    const { breaches, inconclusive } = await attack(options, program, new AbortController().signal);
    const words = [...breaches.map((breach) => breach.words), ...(inconclusive === null ? [] : [inconclusive])];
    if (words.length > 0) problems.push(`${program.claim}: ${words.join(", ")}`);
  }
  return problems;
}

/** Runs one program as an execution without an organization. `stop` is aborted with a StopReason. */
export async function attack({ engine, limits, ownKernel }: SelfProofOptions, program: AttackProgram, stop: AbortSignal): Promise<Verdict> {
  const code = program.code(limits, ownKernel);
  return program.verdict(await runProgram(engine, limits, { name: "self-proof", code }, stop));
}
