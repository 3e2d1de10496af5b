import { z } from "zod";
import type { Limits } from "./limits.ts";

/** Tools: functions of the caller that the code calls, and the calls and answers that go to and fro. */

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
/** Keywords of Python, and names that the runner defines beside the tools. `runner/tools/functions.py` has the latter too. */
const TAKEN_NAMES = new Set(
  (
    "False None True and as assert async await break class continue def del elif else except finally for from global if import in is " +
    "lambda nonlocal not or pass raise return try while with yield tools ToolError ToolTimeout"
  ).split(" "),
);

export function toolDeclarationSchema() {
  return z
    .strictObject({
      type: z.literal("function"),
      name: z
        .string()
        .regex(NAME, "must be a Python name of at most 64 ASCII letters, digits and underscores")
        .refine((name) => !isTakenName(name), "must not be a keyword of Python or a reserved name"),
      description: z.string().optional(),
      parameters: z.record(z.string(), z.unknown()).optional().describe("JSON Schema of the arguments, an object"),
      async: z.boolean().optional().describe("whether calls are awaited; decided from the code when absent"),
    })
    .describe("a function of the caller");
}

export type ToolDeclaration = z.infer<ReturnType<typeof toolDeclarationSchema>>;

export function toolsSchema(limits: Limits) {
  return z
    .array(toolDeclarationSchema())
    .max(limits.toolsPerExecutionMax)
    .refine((tools) => new Set(tools.map((tool) => tool.name)).size === tools.length, "must have distinct names")
    .refine(
      (tools) => Buffer.byteLength(JSON.stringify(tools)) <= limits.toolsBytesMax,
      `must have at most ${limits.toolsBytesMax} bytes as JSON`,
    );
}

/** A label of the operator for an MCP server, which is also the name of the object that the code calls it by. */
export function serverLabelSchema() {
  return z
    .string()
    .regex(NAME, "must be a Python name of at most 64 ASCII letters, digits and underscores")
    .refine((name) => !isTakenName(name), "must not be a keyword of Python or a reserved name");
}

export function isTakenName(name: string): boolean {
  return TAKEN_NAMES.has(name) || name.startsWith("__");
}

/** A tool of an MCP server of the operator. */
export interface ServerTool {
  /** As the code calls it, such as `crm.search`. */
  name: string;
  /** As its server calls it. */
  tool: string;
  description?: string | undefined;
  parameters?: Record<string, unknown> | undefined;
  /** A call has no effects, as the server says. */
  readOnly: boolean;
}

/** An MCP server as the code sees it. `problem` says why its tools are not known. */
export interface ServerTools {
  label: string;
  tools: ServerTool[];
  problem?: string | undefined;
}

/** A call that waits for its answer. */
export const pendingCall = z.object({
  call_id: z.string(),
  name: z.string(),
  arguments: z.record(z.string(), z.unknown()).describe("checked against the tool's schema"),
});
export type PendingCall = z.infer<typeof pendingCall>;

/** How a call ended. `failed`: the server of `tools_url`, or the MCP server, did not answer as it should. `abandoned`: the code ended first. */
export const toolOutcomes = ["output", "error", "timeout", "failed", "abandoned"] as const;
export type ToolOutcome = (typeof toolOutcomes)[number];

/** What is kept of a call. Arguments and answers are not. */
export const toolCallRecord = z.object({
  call_id: z.string(),
  name: z.string(),
  started_ms: z.number().int().nonnegative().describe("from the start of the code, milliseconds"),
  duration_ms: z.number().int().nonnegative().describe("until the answer, milliseconds"),
  arguments_bytes: z.number().int().nonnegative(),
  output_bytes: z.number().int().nonnegative(),
  outcome: z.enum(toolOutcomes),
});
export type ToolCallRecord = z.infer<typeof toolCallRecord>;

/** One call on its way to the caller. `argumentsJson` is an object as JSON text. */
export interface ToolCall {
  callId: string;
  name: string;
  argumentsJson: string;
}

/** An answer on its way to the code, as JSON text: any value, or a text that says what went wrong. */
export interface ToolAnswer {
  outcome: Exclude<ToolOutcome, "abandoned">;
  json: string;
}

/** Brings calls to the caller, or to an MCP server of the operator. */
export interface ToolPort {
  /** Resolves with the answer; with the outcome `timeout` when `signal` aborts first. Never rejects. */
  call(call: ToolCall, signal: AbortSignal): Promise<ToolAnswer>;
  /** Whether calls of this run may have had effects on the caller's side: they were answered, or posted to its server. */
  mayHaveEffects(): boolean;
  /**
   * Called when the code only waits for answers: another run may use its processor. Before the code gets its next answer, the
   * returned function is called and awaited.
   */
  pause(): () => Promise<void>;
}
