import type { Express, RequestHandler } from "express";
import { ServiceError } from "../../domain/errors.ts";
import type { AppDeps } from "../core/deps.ts";
import { handleMcpMessage, refuseForeignOrigins } from "./handle-message.ts";

/** Adds the Model Context Protocol, with the same keys as the API. */
export function addMcp(app: Express, checks: readonly RequestHandler[], deps: AppDeps): void {
  app.use("/mcp", refuseForeignOrigins(deps), ...checks);
  app.post("/mcp", ...handleMcpMessage(deps));
  app.all("/mcp", (request, response) => {
    response.setHeader("Allow", "POST");
    throw new ServiceError("method_not_allowed", { detail: `The path supports POST, not ${request.method}; streams cannot be resumed.` });
  });
}
