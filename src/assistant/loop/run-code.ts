import type { RunExecution } from "../../app/run-execution.ts";
import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import type { Output } from "../../domain/outputs.ts";
import type { ExecutionRequest } from "../../domain/request.ts";
import type { Execution } from "../../domain/result.ts";
import { isFinal } from "../../domain/status.ts";
import type { ToolDeclaration } from "../../domain/tools.ts";

export interface CodeToRun {
  organization: string;
  container: string;
  code: string;
  responseId: string;
  /** The caller's functions that the code may call. */
  functions: readonly ToolDeclaration[];
  /** Labels of the MCP servers that the code may call. */
  servers: readonly string[];
  /** Receives each output as it appears. */
  onOutput?: (output: Output) => void;
}

/** Runs one block of code in a session, to its end or until it calls a function. An abort cancels the code and keeps the session. */
export async function runCode(run: RunExecution, limits: Limits, wanted: CodeToRun, signal: AbortSignal): Promise<Execution> {
  const { organization, onOutput } = wanted;
  const execution = await run({
    organization,
    request: requestOf(wanted, limits),
    signal,
    waitMs: limits.responseTimeoutMsMax,
    cancelOnAbort: true,
    onEvent:
      onOutput === undefined
        ? undefined
        : (event) => {
            if (event.type === "execution.output") onOutput(event.output);
          },
  });
  if (!isFinal(execution.status) && execution.status !== "requires_action") throw new ServiceError("queue_deadline_passed");
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
    // The answers come with the next response, which a person may have to wait for.
    ...(wanted.functions.length === 0 ? {} : { tools: [...wanted.functions], tool_timeout_ms: limits.toolAnswerMsMax }),
    ...(wanted.servers.length === 0 ? {} : { mcp_servers: [...wanted.servers] }),
  };
}
