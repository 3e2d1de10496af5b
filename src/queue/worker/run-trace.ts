import type { ExecutionEnd } from "../../domain/result.ts";
import type { RunPhase } from "../../domain/run.ts";
import type { Span, Tracing } from "../../observe/trace.ts";
import type { StoredExecution } from "../executions/record.ts";

/** One attempt of an execution as a span, its phases as children that follow each other. */
export interface RunTrace {
  /** Ends the phase before. `agoMs`: it began that long ago, as is known only now. */
  phase(name: RunPhase | "store", agoMs?: number): void;
  end(end: ExecutionEnd | null): void;
}

/** The wait in the queue is a phase of the first attempt, told afterwards by the record; its times are Redis' own. */
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
