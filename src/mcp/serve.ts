import { randomUUID } from "node:crypto";
import { createMcpHandler, isInitializeRequest } from "@modelcontextprotocol/server";
import { z } from "zod";
import type { Limits } from "../domain/limits.ts";
import type { Interpreter } from "./interpreter.ts";
import { type CallName, labelOf, RunningCalls } from "./running-calls.ts";
import { makeServer, type Rights } from "./server.ts";
import type { ToolDeps } from "./tool-deps.ts";

/** The caller of a request, as far as the tools need it. */
export interface McpCaller {
  organization: string;
  rights: Rights;
  interpreter: Interpreter;
  limits: Limits;
}

export interface McpService {
  /** Answers one request; `body` is its parsed JSON. Aborting the request's signal cancels what it runs. */
  fetch(request: Request, body: unknown, caller: McpCaller): Promise<Response>;
}

/**
 * MCP over streamable HTTP. Requests are independent, so any api process can serve them. The session id serves only to find
 * the call that a later request cancels.
 */
export function makeMcpService({ packages, log }: Pick<ToolDeps, "packages" | "log">): McpService {
  const running = new RunningCalls();
  const handler = createMcpHandler(
    ({ authInfo }) => {
      const caller = authInfo?.extra?.caller as McpCaller;
      return makeServer({ ...caller, packages, log, running }, caller.rights);
    },
    // The package's error message may contain what the client sent.
    { onerror: (error) => log.debug({ name: error.name }, "an MCP request was refused") },
  );
  /** If the call runs in another process, cancels its execution by the label. */
  async function cancel(call: CallName, { interpreter, rights }: McpCaller): Promise<void> {
    const label = labelOf(call);
    if (label === null || !rights.execute || running.cancel(label)) return;
    await interpreter.cancelLabelled(label);
  }
  return {
    async fetch(request, body, caller) {
      const mcpSession = request.headers.get("mcp-session-id");
      const cancelled = cancelledRequest.safeParse(body);
      if (cancelled.success) await cancel({ organization: caller.organization, mcpSession, id: cancelled.data.params.requestId }, caller);
      const authInfo = { token: "", clientId: "", scopes: [], extra: { caller } };
      const response = await handler.fetch(request, { authInfo, parsedBody: body });
      if (response.ok && isInitializeRequest(body)) response.headers.set("Mcp-Session-Id", randomUUID());
      return response;
    },
  };
}

const cancelledRequest = z.object({
  method: z.literal("notifications/cancelled"),
  params: z.object({ requestId: z.union([z.string(), z.number()]) }),
});
