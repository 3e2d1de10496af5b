import { z } from "zod";
import { fileIdPattern } from "./ids.ts";
import type { Limits } from "./limits.ts";
import { serverLabelSchema, toolsSchema } from "./tools.ts";

/**
 * A file name is a relative path inside the working folder. The sandbox checks names again; these rules produce the
 * messages that callers read.
 */
const FILE_NAME_CHARS_MAX = 255;
const FILE_PATH_DEPTH_MAX = 8;
/** The runner writes an input under this name, then renames it. `runner/files/inputs.py` has the same name. */
const UNFINISHED_FILE = ".unfinished-input";

export function fileNameProblem(name: string): string | null {
  if (name.length === 0 || name.length > FILE_NAME_CHARS_MAX) return `must have 1 to ${FILE_NAME_CHARS_MAX} characters`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it rejects
  if (/[\u0000-\u001f\u007f\\]/.test(name)) return "must not contain control characters or backslashes";
  if (!name.isWellFormed()) return "must be well-formed Unicode";
  const parts = name.split("/");
  if (parts.length > FILE_PATH_DEPTH_MAX) return `must have at most ${FILE_PATH_DEPTH_MAX} parts`;
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    return "must be a relative path without empty parts, '.' or '..'";
  }
  if (parts.includes(UNFINISHED_FILE)) return `must not have a part ${UNFINISHED_FILE}, which is reserved`;
  if (parts.some((part) => Buffer.byteLength(part) > FILE_NAME_CHARS_MAX)) {
    return `must have parts of at most ${FILE_NAME_CHARS_MAX} bytes`;
  }
  return null;
}

export interface NameConflict {
  file: string;
  inside: string;
}

/**
 * Returns two names that conflict because one would be both a file and a folder, like `a` and `a/b`. Null when all
 * names fit into one working folder.
 */
export function conflictingNames(names: readonly string[]): NameConflict | null {
  const files = new Set(names);
  for (const inside of names) {
    for (let end = inside.lastIndexOf("/"); end > 0; end = inside.lastIndexOf("/", end - 1)) {
      const file = inside.slice(0, end);
      if (files.has(file)) return { file, inside };
    }
  }
  return null;
}

export function conflictRule({ file, inside }: NameConflict): string {
  return `must not hold both "${file}" and "${inside}": the first would be both a file and a folder`;
}

export const fileName = z.string().superRefine((name, context) => {
  const problem = fileNameProblem(name);
  if (problem !== null) context.addIssue({ code: "custom", message: problem });
});

export const priorities = ["normal", "high"] as const;

/** The fields of an execution under an operator's limits, without what must hold between them. Unknown fields are rejected by name. */
export function executionFieldsSchema(limits: Limits) {
  const inputFile = z
    .strictObject({
      name: fileName,
      file_id: z.string().regex(fileIdPattern, "must be a file id").optional(),
      text: z.string().optional(),
      base64: z.base64().optional(),
    })
    .refine((file) => [file.file_id, file.text, file.base64].filter((source) => source !== undefined).length === 1, {
      message: "must have exactly one of file_id, text, base64",
    });

  return z.strictObject({
    code: z
      .string()
      .min(1)
      .refine((code) => code.isWellFormed(), "must be well-formed Unicode")
      .refine((code) => Buffer.byteLength(code) <= limits.codeBytesMax, `must have at most ${limits.codeBytesMax} bytes`)
      .describe("Python source, run as one cell"),
    files: z
      .array(inputFile)
      .max(limits.filesInCountMax)
      .refine((files) => new Set(files.map((file) => file.name)).size === files.length, "must have distinct names")
      .superRefine((files, context) => {
        const conflict = conflictingNames(files.map((file) => file.name));
        if (conflict !== null) context.addIssue({ code: "custom", message: conflictRule(conflict) });
      })
      .default([])
      .describe("files placed in the working folder before the code runs"),
    container: z.string().optional().describe("session to run in"),
    args: z.array(boundedText(limits.argBytesMax)).max(limits.argsCountMax).default([]).describe("sys.argv[1:]"),
    stdin: boundedText(limits.stdinBytesMax).default(""),
    env: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "must be a variable name"), boundedText(limits.envValueBytesMax))
      .refine((env) => Object.keys(env).length <= limits.envCountMax, `must have at most ${limits.envCountMax} entries`)
      .default({}),
    timeout_ms: z.int().min(1).max(limits.runTimeoutMsMax).default(limits.runTimeoutMsMax).describe("wall time of the code, milliseconds"),
    memory_mb: z.int().min(limits.memoryMbMin).max(limits.memoryMbMax).default(limits.memoryMbMax).describe("memory of the sandbox, MiB"),
    priority: z.enum(priorities).default("normal").describe("`high` runs before the organization's own waiting executions"),
    metadata: z
      .record(z.string().min(1).max(64), z.string().max(limits.metadataValueCharsMax))
      .refine((m) => Object.keys(m).length <= limits.metadataCountMax, `must have at most ${limits.metadataCountMax} entries`)
      .default({}),
    webhook: z
      .strictObject({
        url: httpUrl(),
        secret: z.string().min(16).max(256).describe("key of the HMAC-SHA256 signature"),
      })
      .optional()
      .describe("called once the execution has ended"),
    tools: toolsSchema(limits).optional().describe("functions of the caller that the code may call"),
    tools_url: httpUrl()
      .optional()
      .describe("each call is posted here and the answer taken; without it, the caller answers through `tool_outputs`"),
    tools_secret: z.string().min(16).max(256).optional().describe("key of the HMAC-SHA256 signature of each call"),
    mcp_servers: z
      .array(serverLabelSchema())
      .max(limits.toolServersPerExecutionMax)
      .refine((labels) => new Set(labels).size === labels.length, "must have distinct labels")
      .optional()
      .describe("labels of MCP servers of the operator, whose tools the code may call as `label.tool(…)`"),
    tool_timeout_ms: z
      .int()
      .min(1)
      .max(limits.toolAnswerMsMax)
      .optional()
      .describe(`time for the answer of one call, milliseconds; ${limits.toolAnswerMsDefault} when absent`),
  });
}

/** The body of POST /executions. */
export function executionRequestSchema(limits: Limits) {
  return executionFieldsSchema(limits).superRefine((request, context) => {
    const { tools, tools_url, tools_secret, tool_timeout_ms, mcp_servers: labels = [] } = request;
    const fault = (field: string, message: string) => context.addIssue({ code: "custom", path: [field], message });
    if (tools_url !== undefined && tools_secret === undefined) fault("tools_secret", "is required with `tools_url`");
    if (tools_secret !== undefined && tools_url === undefined) fault("tools_secret", "needs `tools_url`");
    const names = new Set(tools?.map((tool) => tool.name));
    for (const [at, label] of labels.entries()) {
      if (names.has(label)) context.addIssue({ code: "custom", path: ["mcp_servers", at], message: "must not be the name of a tool" });
    }
    if (names.size > 0) return;
    if (tools_url !== undefined) fault("tools_url", "needs `tools`");
    if (tool_timeout_ms !== undefined && labels.length === 0) fault("tool_timeout_ms", "needs `tools` or `mcp_servers`");
  });
}

export type ExecutionRequest = z.infer<ReturnType<typeof executionRequestSchema>>;

function httpUrl() {
  // The length is checked first: parsing a URL of several megabytes takes seconds.
  return z
    .string()
    .max(2048, { abort: true })
    .check(z.url({ protocol: /^https?$/ }));
}

function boundedText(bytesMax: number) {
  return z
    .string()
    .refine((text) => text.isWellFormed() && !text.includes("\0"), "must be well-formed Unicode without NUL")
    .refine((text) => Buffer.byteLength(text) <= bytesMax, `must have at most ${bytesMax} bytes`);
}
