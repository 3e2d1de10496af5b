import { type ErrorCode, ServiceError } from "../domain/errors.ts";
import type { Limits } from "../domain/limits.ts";
import type { ExecutionRequest } from "../domain/request.ts";
import { type Execution, type ExecutionEvent, type ReadEvent, type ReadExecution, wholeExecution } from "../domain/result.ts";
import { StoredJson } from "../domain/stored-json.ts";
import { dropFiles, storeInputFiles } from "./input-files.ts";
import type { CallAnswer, Executions, Idempotency, InputFileStore, Submitted, ToolServers } from "./ports.ts";

/** Submit, follow, cancel: the one way to run code. REST, MCP and the assistant translate onto it. */

export interface SubmitDeps {
  executions: Pick<Executions, "submit" | "replay">;
  files: InputFileStore;
  toolServers: ToolServers;
  limits: Limits;
}

/** After these errors the record may exist. */
const mayBeStored: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["queue_unavailable", "queue_not_writable"]);

/**
 * Stores the inline files of a request and queues the execution. Returns the existing execution when the idempotency
 * key was used before. Deletes stored files that no execution uses. Rejects with ServiceError.
 */
export async function submitExecution(
  { executions, files: store, toolServers, limits }: SubmitDeps,
  organization: string,
  request: ExecutionRequest,
  idempotency: Idempotency | null = null,
): Promise<Submitted> {
  const earlier = idempotency === null ? null : await executions.replay(organization, idempotency);
  if (earlier !== null) return { execution: earlier, replayed: true };
  const { mcp_servers: labels = [] } = request;
  const servers = labels.length === 0 ? {} : { servers: await toolServers.serversOf(organization, labels) };
  const context = { organization, files: store, limits };
  const { files, storedIds } = await storeInputFiles(request, context);
  let used = false;
  try {
    const submitted = await executions.submit({ organization, request: { ...request, files: [] }, files, ...servers, idempotency });
    used = !submitted.replayed;
    if (used) await store.own(organization, submitted.execution.id, storedIds);
    return submitted;
  } catch (error) {
    // With a key, the record may exist. A repeated request queues it, and it then needs its files.
    used ||= idempotency !== null && error instanceof ServiceError && mayBeStored.has(error.code);
    throw error;
  } finally {
    if (!used) await dropFiles(storedIds, context);
  }
}

export interface FollowOptions {
  organization: string;
  /** As `submitExecution` returned it. */
  execution: ReadExecution;
  /** Aborted when the caller has gone. */
  signal: AbortSignal;
  /** After this time, the execution is returned in its current state. */
  waitMs: number;
  /** Cancels the execution when `signal` aborts: no caller can come back for its result. */
  cancelOnAbort: boolean;
  /** Receives every event but the end. */
  onEvent?: ((event: ExecutionEvent) => void) | undefined;
}

/** Returns the execution once it has ended or its caller must answer a tool call. Rejects with the reason of `signal` when it aborts first. */
export async function followExecution(
  executions: Pick<Executions, "events" | "waitForEnd" | "cancel">,
  { organization, execution, signal, waitMs, cancelOnAbort, onEvent }: FollowOptions,
): Promise<ReadExecution> {
  const { id } = execution;
  try {
    if (onEvent !== undefined) {
      for await (const { event } of executions.events(organization, id, null, signal)) {
        if (event.type === "execution.ended") return event.execution;
        // The caller must act: the state of the execution has the calls.
        if (event.type === "execution.tool_call") break;
        onEvent(await wholeEvent(event));
      }
      signal.throwIfAborted();
    }
    const known = onEvent === undefined ? execution : undefined;
    const followed = await executions.waitForEnd(organization, id, waitMs, signal, known);
    signal.throwIfAborted();
    return followed;
  } finally {
    // A failed cancel must not hide why the follow ended. The execution then runs to its own time limit.
    if (signal.aborted && cancelOnAbort) await executions.cancel(organization, id).catch(() => null);
  }
}

async function wholeEvent(event: Exclude<ReadEvent, { type: "execution.ended" }>): Promise<ExecutionEvent> {
  if (event.type !== "execution.output") return event;
  const { output } = event;
  return { ...event, output: output instanceof StoredJson ? await output.value() : output };
}

export interface ExecutionRun extends Omit<FollowOptions, "execution"> {
  request: ExecutionRequest;
}

/** Submits an execution and follows it to its end. */
export type RunExecution = (run: ExecutionRun) => Promise<Execution>;

export interface RunDeps extends SubmitDeps {
  executions: Executions;
}

export function runExecutionWith(deps: RunDeps): RunExecution {
  return async ({ request, ...follow }) => {
    const { execution } = await submitExecution(deps, follow.organization, request);
    return wholeExecution(await followExecution(deps.executions, { ...follow, execution }));
  };
}

export interface AnsweredExecution extends Omit<FollowOptions, "execution" | "onEvent"> {
  id: string;
  answers: readonly CallAnswer[];
}

/** Answers tool calls of an execution, and follows it. Rejects with ServiceError when it does not wait for them. */
export type AnswerExecution = (answered: AnsweredExecution) => Promise<Execution>;

export function answerExecutionWith({ executions }: Pick<RunDeps, "executions">): AnswerExecution {
  return async ({ id, answers, ...follow }) => {
    await executions.answerCalls(follow.organization, id, answers);
    const execution = await executions.get(follow.organization, id);
    if (execution === null) throw new ServiceError("execution_not_found");
    return wholeExecution(await followExecution(executions, { ...follow, execution }));
  };
}

/** The longest time from acceptance to the stored result. */
export function longestExecutionMs(limits: Limits): number {
  const start = limits.sandboxStartTimeoutMsMax + limits.runnerSilenceMsMax;
  const run = limits.runTimeoutMsMax + limits.runKillGraceMs + limits.collectTimeoutMsMax;
  return limits.queueWaitMsMax + start + run;
}
