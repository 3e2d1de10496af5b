import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import type { Output } from "../../domain/outputs.ts";
import type { ExecutionRequest } from "../../domain/request.ts";
import type { Evidence, ExecutionEnd, ReadExecution } from "../../domain/result.ts";
import type { RunInput } from "../../domain/run.ts";
import { type Cause, type FinalStatus, isFinal, type Outcome, type Status } from "../../domain/status.ts";
import type { StoredJson } from "../../domain/stored-json.ts";
import { exactSeconds } from "../../domain/time.ts";
import type { PendingCall, ServerTools, ToolDeclaration } from "../../domain/tools.ts";
import { traceIdOf } from "../../observe/trace.ts";
import { isNewer, OUTPUTS_APART_SINCE, READS_UP_TO } from "../core/version.ts";
import { encodeOutputs, type OutputsSource, storedOutputs } from "./outputs.ts";

/** The record of one execution, decoded. */
export interface StoredExecution {
  /** Of the process that accepted it. Readers of that version must be able to read the end. */
  version: number;
  id: string;
  organization: string;
  status: Status;
  request: ExecutionRequest;
  files: ReadonlyArray<{ name: string; file_id: string }>;
  /** The MCP servers that the request names. */
  servers: readonly ServerTools[];
  attempt: number;
  /** Unix milliseconds. */
  createdAt: number;
  startedAt: number | null;
  completedAt: number | null;
  expiresAt: number;
  webhookId: string | null;
  /** W3C traceparent of the request that submitted it. Null without tracing. */
  trace: string | null;
  /** Its outputs are empty when they are stored apart. */
  end: ExecutionEnd | null;
  /** Length of the JSON of outputs that are stored apart. 0 when they are in the end. */
  outputsBytes: number;
}

export interface DecodedExecution extends StoredExecution {
  /** Size of request, end and outputs as JSON. */
  bytes: number;
}

/** The outputs of a larger end are stored apart, compressed. For smaller ends the time is not worth it. */
const PLAIN_BYTES_MAX = 64 * 1024;

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);

/** The execution as callers see it, with outputs of `source` when they are stored apart. */
export function toExecution(stored: StoredExecution, source: OutputsSource, pendingCalls: PendingCall[] = []): ReadExecution {
  const { organization, id, outputsBytes } = stored;
  return viewOf(stored, outputsBytes === 0 ? null : storedOutputs(source, { organization, id, bytes: outputsBytes }), pendingCalls);
}

/** The same for readers that do not need the outputs. */
export function withoutOutputs(stored: StoredExecution): Omit<ReadExecution, "outputs"> {
  const { outputs: _, ...rest } = viewOf(stored, null, []);
  return rest;
}

function viewOf(stored: StoredExecution, apart: StoredJson<Output[]> | null, pendingCalls: PendingCall[]): ReadExecution {
  const end = isFinal(stored.status) ? stored.end : null;
  const traceId = traceIdOf(stored.trace);
  return {
    type: "code_interpreter_call",
    id: stored.id,
    status: pendingCalls.length > 0 ? "requires_action" : stored.status,
    cause: end?.cause ?? null,
    evidence: end?.evidence ?? {},
    code: stored.request.code,
    container_id: stored.request.container ?? null,
    outputs: end === null ? [] : (apart ?? end.outputs),
    usage: end === null ? null : { ...end.usage, queue_ms: queueMs(stored) },
    truncated: end?.truncated ?? { stdout: false, stderr: false, outputs: false, files: false },
    skipped_files: end?.skipped_files ?? [],
    ...(pendingCalls.length > 0 ? { pending_calls: pendingCalls } : {}),
    ...(end?.tool_calls === undefined ? {} : { tool_calls: end.tool_calls }),
    outcome: end?.outcome ?? null,
    retry_safe: end?.retry_safe ?? false,
    attempt: stored.attempt,
    created_at: exactSeconds(stored.createdAt),
    started_at: stored.startedAt === null ? null : exactSeconds(stored.startedAt),
    completed_at: stored.completedAt === null ? null : exactSeconds(stored.completedAt),
    expires_at: exactSeconds(stored.expiresAt),
    metadata: stored.request.metadata,
    ...(traceId === null ? {} : { trace_id: traceId }),
  };
}

function hasTools(tools: readonly ToolDeclaration[] | undefined): tools is readonly ToolDeclaration[] {
  return tools !== undefined && tools.length > 0;
}

/** Whether the caller answers the calls of this execution, which runs now. */
export function mayAwaitCaller({ status, request }: StoredExecution): boolean {
  return status === "in_progress" && hasTools(request.tools) && request.tools_url === undefined;
}

/** For an execution that never started: the time until it ended. */
function queueMs({ createdAt, startedAt, completedAt }: StoredExecution): number {
  return Math.max(0, (startedAt ?? completedAt ?? createdAt) - createdAt);
}

export function toRunInput(stored: StoredExecution, limits: Limits): RunInput {
  const { code, args, stdin, env, timeout_ms, memory_mb, container, tools, tool_timeout_ms } = stored.request;
  const { id, organization, attempt, files, servers } = stored;
  const declared = hasTools(tools) ? tools : [];
  const any = declared.length > 0 || servers.length > 0;
  return {
    ...{ id, organization, attempt, code, args, stdin, env, files },
    timeoutMs: timeout_ms,
    memoryMb: memory_mb,
    session: container,
    tools: any ? { declared, servers, answerMs: tool_timeout_ms ?? limits.toolAnswerMsDefault } : undefined,
  };
}

/**
 * The end of an execution that no engine ended: dropped, cancelled before it ran, or lost. `toExecution` computes its
 * time in the queue from the record.
 */
export function endWithoutResult(ending: {
  status: FinalStatus;
  cause: Cause;
  outcome: Outcome;
  retrySafe: boolean;
  evidence?: Evidence;
}): ExecutionEnd {
  return {
    status: ending.status,
    cause: ending.cause,
    evidence: ending.evidence ?? {},
    outcome: ending.outcome,
    retry_safe: ending.retrySafe,
    outputs: [],
    usage: {
      queue_ms: 0,
      acquire_ms: 0,
      run_ms: 0,
      collect_ms: 0,
      cpu_ms: 0,
      memory_peak_bytes: 0,
      stdout_bytes: 0,
      stderr_bytes: 0,
      file_bytes: 0,
      warm: false,
      engine: null,
    },
    truncated: { stdout: false, stderr: false, outputs: false, files: false },
    skipped_files: [],
  };
}

export interface EncodedEnd {
  body: Buffer;
  zipped: "0" | "1";
  /** Outputs that are stored apart. */
  parts: Buffer[];
  /** Length of the JSON of these outputs. */
  outputsBytes: number;
}

/** Encodes the end for readers of `version`, the version of the record. */
export async function encodeEnd(end: ExecutionEnd, version: number): Promise<EncodedEnd> {
  const outputs = end.outputs.map((output) => JSON.stringify(output));
  const rest = JSON.stringify({ ...end, outputs: [] });
  const length = rest.length + outputs.reduce((sum, output) => sum + output.length, 0);
  if (length > PLAIN_BYTES_MAX && version >= OUTPUTS_APART_SINCE) {
    const { parts, bytes } = await encodeOutputs(outputs);
    return { body: Buffer.from(rest, "utf8"), zipped: "0", parts, outputsBytes: bytes };
  }
  const plain = Buffer.from(JSON.stringify(end), "utf8");
  if (plain.length <= PLAIN_BYTES_MAX) return { body: plain, zipped: "0", parts: [], outputsBytes: 0 };
  return { body: await gzipAsync(plain, { level: 1 }), zipped: "1", parts: [], outputsBytes: 0 };
}

/**
 * Decodes a HGETALL reply: alternating names and values. Null for an empty one. Rejects with `queue_unavailable` for a
 * record newer than `readsUpTo`.
 */
export async function decodeRecord(organization: string, reply: unknown, readsUpTo = READS_UP_TO): Promise<DecodedExecution | null> {
  if (!Array.isArray(reply) || reply.length === 0) return null;
  const fields = new Map<string, Buffer>();
  for (let at = 0; at + 1 < reply.length; at += 2) fields.set(String(reply[at]), reply[at + 1] as Buffer);
  const text = (name: string) => fields.get(name)?.toString("utf8") ?? null;
  const required = (name: string) => {
    const value = text(name);
    if (value === null) throw new Error(`the record of an execution lacks ${name}`);
    return value;
  };
  const time = (name: string) => (text(name) === null ? null : Number(text(name)));
  if (isNewer({ v: Number(text("v") ?? 0) }, readsUpTo)) {
    // A retry may reach an api process of the newer version.
    throw new ServiceError("queue_unavailable", { detail: "The execution was written by a newer version of the service." });
  }
  const body = fields.get("end");
  const end = body !== undefined && text("end_zipped") === "1" ? await gunzipAsync(body) : body;
  const request = required("request");
  const outputsBytes = Number(text("outputs_bytes") ?? 0);
  return {
    version: Number(text("v") ?? 0),
    id: required("id"),
    organization,
    status: required("status") as Status,
    request: JSON.parse(request) as ExecutionRequest,
    files: JSON.parse(required("files")) as StoredExecution["files"],
    servers: JSON.parse(text("servers") ?? "[]") as ServerTools[],
    attempt: Number(required("attempt")),
    createdAt: Number(required("created_at")),
    startedAt: time("started_at"),
    completedAt: time("completed_at"),
    expiresAt: Number(required("expires_at")),
    webhookId: text("webhook_id") || null,
    trace: text("trace") || null,
    end: end === undefined ? null : (JSON.parse(end.toString("utf8")) as ExecutionEnd),
    outputsBytes,
    bytes: request.length + (end?.length ?? 0) + outputsBytes,
  };
}
