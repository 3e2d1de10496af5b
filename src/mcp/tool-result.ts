import type { CallToolResult, ContentBlock } from "@modelcontextprotocol/server";
import { ServiceError } from "../domain/errors.ts";
import type { Log } from "../observe/log.ts";

/** A tool result of these texts and blocks. */
export function toolResult(...content: Array<string | ContentBlock>): CallToolResult {
  return { content: content.map((part) => (typeof part === "string" ? { type: "text", text: part } : part)) };
}

/** Runs a tool and turns every error into a result that a model can act on. Logs unexpected errors. */
export async function runTool(log: Log, tool: () => Promise<CallToolResult>): Promise<CallToolResult> {
  try {
    return await tool();
  } catch (error) {
    if (!(error instanceof ServiceError)) log.error({ err: error }, "an MCP tool failed");
    return { ...toolResult(textOfError(error)), isError: true };
  }
}

function textOfError(error: unknown): string {
  if (!(error instanceof ServiceError)) return "The service failed; a retry may help.";
  const wait = error.retryAfterSeconds === null ? "" : ` Retry in ${Math.ceil(error.retryAfterSeconds)} s.`;
  return `${error.detail}${wait} (${error.code})`;
}
