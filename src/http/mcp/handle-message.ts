import type { RequestHandler } from "express";
import { ServiceError } from "../../domain/errors.ts";
import { isOriginAllowed } from "../../mcp/origin.ts";
import { makeMcpService } from "../../mcp/serve.ts";
import { callerOf } from "../core/auth.ts";
import { callerGone } from "../core/caller-gone.ts";
import type { AppDeps } from "../core/deps.ts";
import { stepAside } from "../core/turns.ts";
import { jsonBody } from "../core/validate.ts";
import { interpreterOf } from "./interpreter.ts";
import { sendWebResponse, webRequestOf } from "./web-bridge.ts";

const URI_CHARS_MAX = 2_048;

/** POST /mcp: one message of the Model Context Protocol. The reply is JSON or a stream. */
export function handleMcpMessage(deps: AppDeps): RequestHandler[] {
  const service = makeMcpService(deps);
  const handler: RequestHandler = async (request, response) => {
    const body: unknown = request.body;
    if (Array.isArray(body)) throw new ServiceError("malformed_request", { detail: "Send one message per request." });
    ensureUriLength(body);
    stepAside(response);
    const { organization, scopes } = callerOf(response);
    const may = (scope: "execute" | "read") => scopes.has(scope) || scopes.has("admin");
    const rights = { execute: may("execute"), read: may("read") };
    const caller = { organization, rights, interpreter: interpreterOf(organization, deps), limits: deps.limitsOf(organization) };
    const gone = callerGone(response);
    await sendWebResponse(await service.fetch(webRequestOf(request, gone), body, caller), response, gone);
  };
  return [...jsonBody({ ...deps.limits, requestBodyValuesMax: deps.limits.mcpMessageValuesMax }), handler];
}

/** The MCP package parses the URI before any tool does, which takes seconds for a URI of several megabytes. */
function ensureUriLength(body: unknown): void {
  const uri = (body as { params?: { uri?: unknown } | null } | undefined)?.params?.uri;
  if (typeof uri === "string" && uri.length > URI_CHARS_MAX)
    throw new ServiceError("malformed_request", { detail: `\`params.uri\` must have at most ${URI_CHARS_MAX} characters.` });
}

export function refuseForeignOrigins({ publicUrl }: Pick<AppDeps, "publicUrl">): RequestHandler {
  return (request, _response, next) => {
    if (!isOriginAllowed(request.headers.origin, publicUrl)) {
      throw new ServiceError("origin_not_allowed", {
        detail: "Requests from web pages of other sites are refused; PUBLIC_URL sets the service's own site.",
      });
    }
    next();
  };
}
