import { z } from "zod";
import { type Output, output } from "./outputs.ts";
import type { Provenance } from "./provenance.ts";
import { causes, engines, outcomes, statuses } from "./status.ts";
import { StoredJson } from "./stored-json.ts";
import { exactTime } from "./time.ts";
import { pendingCall, toolCallRecord, toolOutcomes } from "./tools.ts";

const milliseconds = z.number().int().nonnegative();
const bytes = z.number().int().nonnegative();

export const usage = z.object({
  queue_ms: milliseconds.describe("from acceptance until a worker took it"),
  acquire_ms: milliseconds.describe("until the worker had a sandbox"),
  run_ms: milliseconds.describe("running the code"),
  collect_ms: milliseconds.describe("collecting files from the sandbox"),
  cpu_ms: milliseconds,
  memory_peak_bytes: bytes,
  stdout_bytes: bytes.describe("written; the result may contain only a part"),
  stderr_bytes: bytes.describe("written; the result may contain only a part"),
  file_bytes: bytes,
  warm: z.boolean().describe("the sandbox came ready from the pool"),
  engine: z.enum(engines).nullable().describe("what created the sandbox; null when there was none"),
});
export type Usage = z.infer<typeof usage>;

/** What the kernel or the runner observed, in support of the cause. Only known facts are present. */
export const evidence = z.object({
  exit_code: z.number().int().optional(),
  signal: z.string().optional(),
  oom_kills: z.number().int().optional(),
  memory_peak_bytes: bytes.optional(),
  processes_refused: z.number().int().optional(),
  limit: z.string().optional().describe("name of the limit that was reached"),
  limit_value: z.number().optional(),
  suggestion: z.string().optional().describe("after an import of a missing module: the nearest installed one, or where the list is"),
  session_alive: z.boolean().optional().describe("in a container: whether its variables still exist"),
  restored: z
    .literal("before_cell")
    .optional()
    .describe(
      "in a container: the code ended its process, and the variables are those from before it; threads and sockets are gone, files are as the code left them",
    ),
});
export type Evidence = z.infer<typeof evidence>;

/** How an execution ended. Written once by the worker and never changed. */
export const executionEnd = z.object({
  status: z.enum(["completed", "failed", "incomplete", "cancelled", "errored"]),
  cause: z.enum(causes).nullable(),
  evidence,
  outcome: z.enum(outcomes),
  retry_safe: z.boolean().describe("whether it is safe to send the request again"),
  outputs: z.array(output),
  usage,
  truncated: z.object({ stdout: z.boolean(), stderr: z.boolean(), outputs: z.boolean(), files: z.boolean() }),
  skipped_files: z.array(z.object({ name: z.string(), reason: z.string() })).describe("files that were left out, each with the reason"),
  tool_calls: z.array(toolCallRecord).optional().describe("calls of the code to its caller's tools, in order; with tools only"),
});
/** `provenance` is for the receipt and is not returned here. Results that no engine produced have none. */
export type ExecutionEnd = z.infer<typeof executionEnd> & { provenance?: Provenance };

/** The execution as a caller sees it. */
export const execution = z.object({
  type: z.literal("code_interpreter_call"),
  id: z.string(),
  status: z.enum(statuses),
  cause: z.enum(causes).nullable(),
  evidence,
  code: z.string(),
  container_id: z.string().nullable(),
  outputs: z.array(output),
  usage: usage.nullable().describe("null until it has ended"),
  truncated: executionEnd.shape.truncated,
  skipped_files: executionEnd.shape.skipped_files,
  pending_calls: z.array(pendingCall).optional().describe("with the status `requires_action`: the calls that wait for an answer"),
  tool_calls: executionEnd.shape.tool_calls,
  outcome: z.enum(outcomes).nullable().describe("null until it has ended"),
  retry_safe: z.boolean(),
  attempt: z.number().int().nonnegative().describe("0 until a worker took it"),
  created_at: exactTime,
  started_at: exactTime.nullable(),
  completed_at: exactTime.nullable(),
  expires_at: exactTime,
  metadata: z.record(z.string(), z.string()),
  trace_id: z.string().optional().describe("trace id, when tracing is on"),
});
export type Execution = z.infer<typeof execution>;

/** An execution as it was read: large outputs are still where they are stored. */
export type ReadExecution = Omit<Execution, "outputs"> & { outputs: Output[] | StoredJson<Output[]> };

export async function wholeExecution(read: ReadExecution): Promise<Execution> {
  const { outputs } = read;
  return { ...read, outputs: outputs instanceof StoredJson ? await outputs.value() : outputs };
}

/** One entry of an execution's event stream, in the order of occurrence. */
export const executionEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("execution.started"), attempt: z.number().int() }),
  z.object({ type: z.literal("execution.output"), output }),
  z.object({
    type: z.literal("execution.tool_call"),
    call_id: z.string(),
    name: z.string(),
    arguments: pendingCall.shape.arguments.nullable().describe("null once the call has been answered"),
  }),
  z.object({ type: z.literal("execution.tool_output"), call_id: z.string(), outcome: z.enum(toolOutcomes) }),
  z.object({ type: z.literal("execution.ended"), execution }),
]);
export type ExecutionEvent = z.infer<typeof executionEvent>;

/** An event as it was read: a large output is still text. */
export type ReadEvent =
  | Exclude<ExecutionEvent, { type: "execution.output" | "execution.ended" }>
  | { type: "execution.output"; output: Output | StoredJson<Output> }
  | { type: "execution.ended"; execution: ReadExecution };
