import type { McpServer, ServerContext } from "@modelcontextprotocol/server";
import { z } from "zod";
import { containerIdPattern } from "../../domain/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import { executionFieldsSchema, executionRequestSchema } from "../../domain/request.ts";
import { contentOf } from "../content.ts";
import { CALL_LABEL } from "../interpreter.ts";
import { Progress } from "../progress.ts";
import { labelOf } from "../running-calls.ts";
import type { ToolDeps } from "../tool-deps.ts";
import { runTool } from "../tool-result.ts";

/** Value of `session` that opens a new session. */
const NEW = "new";

export function addExecutePython(server: McpServer, deps: ToolDeps, description: string): void {
  const inputSchema = schemaOf(deps.limits, deps.interpreter.toolServers());
  server.registerTool(
    "execute_python",
    {
      title: "Run Python",
      description,
      inputSchema,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
    },
    (input, context) => runTool(deps.log, () => execute(input, context, deps)),
  );
}

function schemaOf(limits: Limits, toolServers: readonly string[]) {
  const session = z
    .union([z.literal(NEW), z.string().regex(containerIdPattern, "must be a session's id, or `new`")])
    .optional()
    .describe("`new` opens a session; its id runs the code in it; without `session` nothing is kept between calls");
  const fields = executionFieldsSchema(limits);
  const schema = fields.pick({ code: true, files: true, timeout_ms: true, mcp_servers: true }).extend({ session });
  return toolServers.length > 0 ? schema : schema.omit({ mcp_servers: true });
}

async function execute(input: z.infer<ReturnType<typeof schemaOf>>, context: ServerContext, deps: ToolDeps) {
  const { interpreter, limits, organization, running } = deps;
  const { session, ...body } = input;
  const container = session === NEW ? await interpreter.openSession() : (session ?? null);
  const label = labelOf({ organization, mcpSession: context.http?.req?.headers.get("mcp-session-id") ?? null, id: context.mcpReq.id });
  const request = executionRequestSchema(limits).parse({
    ...body,
    ...(container === null ? {} : { container }),
    ...(label === null ? {} : { metadata: { [CALL_LABEL]: label } }),
  });
  const token = context.mcpReq._meta?.progressToken;
  const progress = token === undefined ? null : new Progress(token, context.mcpReq.notify);
  try {
    const execution = await running.track(label, context.mcpReq.signal, (signal) =>
      interpreter.execute(request, (event) => progress?.take(event), signal),
    );
    const content = await contentOf(execution, interpreter, { limits, isEvent: progress !== null });
    if (container !== null) content.push({ type: "text", text: `session: ${container}` });
    const { id, status, cause, outcome, retry_safe } = execution;
    return {
      content,
      ...(status === "completed" ? {} : { isError: true }),
      _meta: { "code-interpreter/execution": { id, status, cause, outcome, retry_safe, container_id: container } },
    };
  } finally {
    progress?.close();
  }
}
