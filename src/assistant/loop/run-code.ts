import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import type { Output } from "../../domain/outputs.ts";
import type { ExecutionRequest } from "../../domain/request.ts";
import type { Execution } from "../../domain/result.ts";
import { isFinal } from "../../domain/status.ts";
import type { Executions } from "../ports.ts";

export interface CodeToRun {
  organization: string;
  container: string;
  code: string;
  responseId: string;
  /** Called with each output as it appears; absent when there is no listener. */
  onOutput?: (output: Output) => void;
}

/** Runs one block of code in a session to its end. When the signal aborts, cancels the code, which keeps the session. */
export async function runCode(executions: Executions, limits: Limits, wanted: CodeToRun, signal: AbortSignal): Promise<Execution> {
  const { organization } = wanted;
  const { execution } = await executions.submit({ organization, request: requestOf(wanted, limits), files: [], idempotency: null });
  try {
    return await waitForEnd(executions, limits, wanted, execution.id, signal);
  } finally {
    // A failed cancellation must not hide why the response ends.
    if (signal.aborted) await executions.cancel(organization, execution.id).catch(() => null);
  }
}

async function waitForEnd(executions: Executions, limits: Limits, wanted: CodeToRun, id: string, signal: AbortSignal): Promise<Execution> {
  const { organization, onOutput } = wanted;
  if (onOutput !== undefined) {
    for await (const { event } of executions.events(organization, id, null, signal)) {
      if (event.type === "execution.output") onOutput(event.output);
      if (event.type === "execution.ended") return event.execution;
    }
    signal.throwIfAborted();
  }
  const execution = await executions.waitForEnd(organization, id, limits.responseTimeoutMsMax, signal);
  signal.throwIfAborted();
  if (!isFinal(execution.status)) throw new ServiceError("queue_deadline_passed");
  return execution;
}

function requestOf(wanted: CodeToRun, limits: Limits): ExecutionRequest {
  return {
    code: wanted.code,
    files: [],
    container: wanted.container,
    args: [],
    stdin: "",
    env: {},
    timeout_ms: limits.runTimeoutMsMax,
    memory_mb: limits.memoryMbMax,
    priority: "normal",
    metadata: { response_id: wanted.responseId },
  };
}
