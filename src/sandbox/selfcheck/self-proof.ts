import type { Limits } from "../../domain/limits.ts";
import type { ExecutionEnd } from "../../domain/result.ts";
import type { Engine, StopReason } from "../../domain/run.ts";
import { type AttackProgram, attackPrograms, HOLDING, sandboxesOf, type Verdict } from "./attack-programs.ts";
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
export async function proveLockdown(options: SelfProofOptions & { sandboxesMax: number }): Promise<string[]> {
  const problems: string[] = [];
  for (const program of attackPrograms(options.ownKernel)) {
    if (sandboxesOf(program) > options.sandboxesMax) continue;
    const { breaches, inconclusive } = await attack(options, program, new AbortController().signal);
    const words = [...breaches.map((breach) => breach.words), ...(inconclusive === null ? [] : [inconclusive])];
    if (words.length > 0) problems.push(`${program.claim}: ${words.join(", ")}`);
  }
  return problems;
}

/** Runs one program as an execution without an organization. `stop` is aborted with a StopReason. */
export async function attack(options: SelfProofOptions, program: AttackProgram, stop: AbortSignal): Promise<Verdict> {
  const { engine, limits, ownKernel } = options;
  const run = () => runProgram(engine, limits, { name: "self-proof", code: program.code(limits, ownKernel) }, stop);
  if (program.beside === undefined) return program.verdict(await run());
  const holder = startHolder(options, program.beside, stop);
  try {
    const ended = await Promise.race([holder.holds, holder.end]);
    if (ended !== undefined)
      return { breaches: [], inconclusive: `the program beside it ended ${ended.status} (${ended.cause ?? "no cause"})` };
    return program.verdict(await run());
  } finally {
    holder.release();
    await holder.end;
  }
}

/** Starts the program of the other sandbox. `holds` resolves once it has what it takes. */
function startHolder({ engine, limits }: SelfProofOptions, code: string, stop: AbortSignal) {
  const done = new AbortController();
  let hold = () => {};
  const holds = new Promise<void>((resolve) => {
    hold = resolve;
  });
  let printed = "";
  const end: Promise<ExecutionEnd> = runProgram(
    engine,
    limits,
    { name: "self-proof-beside", code },
    AbortSignal.any([stop, done.signal]),
    (output) => {
      if (output.type === "text") printed += output.text;
      if (printed.includes(HOLDING)) hold();
    },
  );
  return { holds, end, release: () => done.abort("cancelled" satisfies StopReason) };
}
