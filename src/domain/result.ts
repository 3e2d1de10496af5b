import { z } from "zod";
import { output } from "./outputs.ts";
import type { Provenance } from "./provenance.ts";
import { causes, engines, outcomes, statuses } from "./status.ts";

const milliseconds = z.number().int().nonnegative();
const bytes = z.number().int().nonnegative();

export const usage = z.object({
  queue_ms: milliseconds.describe("from acceptance to a worker"),
  acquire_ms: milliseconds.describe("from the worker to a sandbox"),
  run_ms: milliseconds.describe("the code itself"),
  collect_ms: milliseconds.describe("files out of the sandbox"),
  cpu_ms: milliseconds,
  memory_peak_bytes: bytes,
  stdout_bytes: bytes.describe("written, of which a part may be kept"),
  stderr_bytes: bytes.describe("written, of which a part may be kept"),
  file_bytes: bytes,
  warm: z.boolean().describe("the sandbox came ready from the pool"),
  engine: z.enum(engines).nullable().describe("what made the sandbox; null when there was none"),
});
export type Usage = z.infer<typeof usage>;

/** What the kernel or the runner saw, for the cause it supports. Only what is known is present. */
export const evidence = z.object({
  exit_code: z.number().int().optional(),
  signal: z.string().optional(),
  oom_kills: z.number().int().optional(),
  memory_peak_bytes: bytes.optional(),
  processes_refused: z.number().int().optional(),
  limit: z.string().optional().describe("name of the limit that was reached"),
  limit_value: z.number().optional(),
  session_alive: z.boolean().optional().describe("in a container: whether its variables are still there"),
});
export type Evidence = z.infer<typeof evidence>;

/** What an execution ended as; the worker makes it, the store keeps it, nobody changes it. */
export const executionEnd = z.object({
  status: z.enum(["completed", "failed", "incomplete", "cancelled", "errored"]),
  cause: z.enum(causes).nullable(),
  evidence,
  outcome: z.enum(outcomes),
  retry_safe: z.boolean().describe("posting it again repeats nothing that was answered"),
  outputs: z.array(output),
  usage,
  truncated: z.object({ stdout: z.boolean(), stderr: z.boolean(), outputs: z.boolean(), files: z.boolean() }),
  skipped_files: z.array(z.object({ name: z.string(), reason: z.string() })).describe("files that were left out, each with the rule"),
});
/** `provenance` is for the receipt and no part of what callers see here; ends that no engine made have none. */
export type ExecutionEnd = z.infer<typeof executionEnd> & { provenance?: Provenance };

const unixMilliseconds = z.number().int().describe("Unix time, milliseconds");

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
  outcome: z.enum(outcomes).nullable().describe("null until it has ended"),
  retry_safe: z.boolean(),
  attempt: z.number().int().nonnegative().describe("0 until a worker took it"),
  created_at: unixMilliseconds,
  started_at: unixMilliseconds.nullable(),
  completed_at: unixMilliseconds.nullable(),
  expires_at: unixMilliseconds,
  metadata: z.record(z.string(), z.string()),
  trace_id: z.string().optional().describe("the trace it belongs to, where the service is traced"),
});
export type Execution = z.infer<typeof execution>;

/** One entry of an execution's event stream, in the order things happened. */
export const executionEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("execution.started"), attempt: z.number().int() }),
  z.object({ type: z.literal("execution.output"), output }),
  z.object({ type: z.literal("execution.ended"), execution }),
]);
export type ExecutionEvent = z.infer<typeof executionEvent>;
