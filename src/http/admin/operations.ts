import express, { type Express } from "express";
import { ServiceError } from "../../domain/errors.ts";
import { answerError } from "../core/answer-error.ts";
import type { AppDeps } from "../core/deps.ts";
import { safeHeaders } from "../core/headers.ts";
import { requestId } from "../core/request-id.ts";
import { addHealth, type HealthDeps, readyChecks } from "./health.ts";

/** The app of the operators' port: metrics and health, without keys. Callers must not reach this port. */
export function makeOperationsApp(deps: Pick<AppDeps, "log" | "metrics"> & HealthDeps): Express {
  const { registry } = deps.metrics;
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.use(requestId, safeHeaders);
  app.get("/metrics", async (_request, response) => {
    for (const [check, holds] of Object.entries(await readyChecks(deps))) deps.metrics.ready.set({ check }, holds ? 1 : 0);
    const text = await registry.metrics();
    response.setHeader("Content-Type", registry.contentType);
    response.end(text);
  });
  addHealth(app, deps);
  app.use(() => {
    throw new ServiceError("route_not_found", { detail: "This port has /metrics, /health/live and /health/ready." });
  });
  app.use(answerError(deps.log));
  return app;
}
