import express, { type Express, type RequestHandler } from "express";
import { ServiceError } from "../errors.ts";
import { addAdminQueues } from "./admin-queues.ts";
import { answerError } from "./answer-error.ts";
import { authenticate, callerOf, requireScope } from "./auth.ts";
import type { AppDeps, Route } from "./deps.ts";
import { addDocs } from "./docs.ts";
import { safeHeaders } from "./headers.ts";
import { addHealth } from "./health.ts";
import { addMcp } from "./mcp.ts";
import { measure } from "./measure.ts";
import { makeOpenApi } from "./openapi.ts";
import { addPlayground } from "./playground.ts";
import { addReceiptKeys } from "./receipt-keys.ts";
import { requestId } from "./request-id.ts";
import { assistantsDelete } from "./routes/assistants-delete.ts";
import { assistantsGet } from "./routes/assistants-get.ts";
import { assistantsListGet } from "./routes/assistants-list-get.ts";
import { assistantsPost } from "./routes/assistants-post.ts";
import { assistantsUpdatePost } from "./routes/assistants-update-post.ts";
import { containerDelete } from "./routes/container-delete.ts";
import { containerFileContentGet } from "./routes/container-file-content-get.ts";
import { containerFileDelete } from "./routes/container-file-delete.ts";
import { containerFileGet } from "./routes/container-file-get.ts";
import { containerFilesListGet } from "./routes/container-files-list-get.ts";
import { containerFilesPost } from "./routes/container-files-post.ts";
import { containerGet } from "./routes/container-get.ts";
import { containersListGet } from "./routes/containers-list-get.ts";
import { containersPost } from "./routes/containers-post.ts";
import { executionCancelPost } from "./routes/execution-cancel-post.ts";
import { executionDelete } from "./routes/execution-delete.ts";
import { executionEventsGet } from "./routes/execution-events-get.ts";
import { executionGet } from "./routes/execution-get.ts";
import { executionReceiptGet } from "./routes/execution-receipt-get.ts";
import { executionsListGet } from "./routes/executions-list-get.ts";
import { executionsPost } from "./routes/executions-post.ts";
import { fileContentGet } from "./routes/file-content-get.ts";
import { fileDelete } from "./routes/file-delete.ts";
import { fileGet } from "./routes/file-get.ts";
import { filesListGet } from "./routes/files-list-get.ts";
import { filesPost } from "./routes/files-post.ts";
import { modelsListGet } from "./routes/models-list-get.ts";
import { responsesCancelPost } from "./routes/responses-cancel-post.ts";
import { responsesDelete } from "./routes/responses-delete.ts";
import { responsesGet } from "./routes/responses-get.ts";
import { responsesInputItemsGet } from "./routes/responses-input-items-get.ts";
import { responsesPost } from "./routes/responses-post.ts";
import { usageGet } from "./routes/usage-get.ts";
import { closeWhenStopping } from "./stopping.ts";
import { traceRequests } from "./trace-requests.ts";

/** The API as an Express app that does not listen yet. */
export function makeApp(deps: AppDeps): Express {
  const app = express();
  app.disable("x-powered-by");
  // Hashing every JSON answer for a validator that no client of an API sends back is time lost.
  app.disable("etag");
  app.use(requestId, traceRequests(deps.tracing), safeHeaders, measure(deps.metrics), closeWhenStopping(deps.stopping));
  addHealth(app, deps);
  addHealth(app, deps, "/v1");
  addDocs(app, makeOpenApi(deps));
  addPlayground(app);
  addReceiptKeys(app, deps);
  addAdminQueues(app, deps, [authenticate(deps.keys), limitRate(deps)]);
  addMcp(app, [authenticate(deps.keys), limitRate(deps)], deps);
  app.use("/v1", authenticate(deps.keys), limitRate(deps));
  const routes = routesOf(deps);
  for (const route of routes) app[route.method](route.path, requireScope(route.scope), ...route.handlers);
  refuseOtherMethods(app, routes);
  app.use(() => {
    throw new ServiceError("route_not_found", { detail: "The paths are described in /openapi.json." });
  });
  app.use(answerError(deps.log));
  return app;
}

/** Every call that needs a key. */
export function routesOf(deps: AppDeps): Route[] {
  return [
    executionsPost(deps),
    executionsListGet(deps),
    executionGet(deps),
    executionEventsGet(deps),
    executionReceiptGet(deps),
    executionCancelPost(deps),
    executionDelete(deps),
    responsesPost(deps),
    responsesGet(deps),
    responsesCancelPost(deps),
    responsesDelete(deps),
    responsesInputItemsGet(deps),
    assistantsPost(deps),
    assistantsListGet(deps),
    assistantsGet(deps),
    assistantsUpdatePost(deps),
    assistantsDelete(deps),
    modelsListGet(deps),
    filesPost(deps),
    filesListGet(deps),
    fileGet(deps),
    fileContentGet(deps),
    fileDelete(deps),
    containersPost(deps),
    containersListGet(deps),
    containerGet(deps),
    containerDelete(deps),
    containerFilesPost(deps),
    containerFilesListGet(deps),
    containerFileGet(deps),
    containerFileContentGet(deps),
    containerFileDelete(deps),
    usageGet(deps),
  ];
}

function limitRate(deps: AppDeps): RequestHandler {
  return async (_request, response, next) => {
    await deps.rateLimit.take(callerOf(response).keyId);
    next();
  };
}

function refuseOtherMethods(app: Express, routes: readonly Route[]): void {
  for (const path of new Set(routes.map((route) => route.path))) {
    const taken = routes.filter((route) => route.path === path);
    const allow = taken.map((route) => route.method.toUpperCase()).join(", ");
    app.all(path, (request, response) => {
      response.setHeader("Allow", allow);
      throw new ServiceError("method_not_allowed", { detail: `The path takes ${allow}, not ${request.method}.` });
    });
  }
}
