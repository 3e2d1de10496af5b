import type { Express, RequestHandler } from "express";
import { ServiceError } from "../../domain/errors.ts";
import type { AppDeps } from "../core/deps.ts";
import { mcpPost, refuseForeignOrigins } from "./handle-message.ts";

/** Adds the Model Context Protocol beside the API, behind the same keys. */
export function addMcp(app: Express, checks: readonly RequestHandler[], deps: AppDeps): void {
  app.use("/mcp", refuseForeignOrigins(deps), ...checks);
  app.post("/mcp", ...mcpPost(deps));
  app.all("/mcp", (request, response) => {
    response.setHeader("Allow", "POST");
    throw new ServiceError("method_not_allowed", { detail: `The path takes POST, not ${request.method}; there are no streams to resume.` });
  });
}
