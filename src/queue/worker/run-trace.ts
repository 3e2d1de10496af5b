import type { ExecutionEnd } from "../../domain/result.ts";
import type { RunPhase } from "../../domain/run.ts";
import type { Span, Tracing } from "../../observe/trace.ts";
import type { StoredExecution } from "../executions/record.ts";

/** The span of one attempt, with its phases as consecutive child spans. */
export interface RunTrace {
  /** Starts a phase and ends the previous one. `agoMs`: the phase began that long ago. */
  phase(name: RunPhase | "store", agoMs?: number): void;
  end(end: ExecutionEnd | null): void;
}

/** The wait in the queue is a phase of the first attempt. Its times come from the record, by the clock of Redis. */
export function traceRun(tracing: Tracing, stored: StoredExecution): RunTrace {
  const first = stored.attempt === 1 && stored.startedAt !== null;
  const startedAt = first ? stored.createdAt : undefined;
  const attributes = {
    "code_interpreter.execution": stored.id,
    "code_interpreter.organization": stored.organization,
    "code_interpreter.attempt": stored.attempt,
  };
  const run = tracing.startSpan("execution", { kind: "consumer", parent: stored.trace, attributes, startedAt });
  if (run === null) return { phase: () => undefined, end: () => undefined };
  const child = (name: string, since?: number) => tracing.startSpan(`execution.${name}`, { parent: run.traceparent, startedAt: since });
  if (first) child("queue", stored.createdAt)?.end({ endedAt: Math.max(stored.createdAt, stored.startedAt ?? 0) });
  let current: Span | null = null;
  return {
    phase: (name, agoMs = 0) => {
      const at = Date.now() - agoMs;
      current?.end({ endedAt: at });
      current = child(name, at);
    },
    end: (end) => {
      current?.end();
      if (end !== null) {
        run.set({
          "code_interpreter.status": end.status,
          "code_interpreter.cause": end.cause ?? "none",
          "code_interpreter.warm": end.usage.warm,
          ...(end.usage.engine === null ? {} : { "code_interpreter.engine": end.usage.engine }),
        });
      }
      run.end({ failed: end?.status === "errored" });
    },
  };
}
