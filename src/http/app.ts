import express, { type Express, type RequestHandler } from "express";
import { ServiceError } from "../domain/errors.ts";
import { addAdminQueues } from "./admin/admin-queues.ts";
import { usageGet } from "./admin/get-usage.ts";
import { addHealth } from "./admin/health.ts";
import { addReceiptKeys } from "./admin/receipt-keys.ts";
import { assistantsPost } from "./assistants/create-assistant.ts";
import { assistantsDelete } from "./assistants/delete-assistant.ts";
import { assistantsGet } from "./assistants/get-assistant.ts";
import { assistantsListGet } from "./assistants/list-assistants.ts";
import { assistantsUpdatePost } from "./assistants/update-assistant.ts";
import { containersPost } from "./containers/create-container.ts";
import { containerFilesPost } from "./containers/create-container-file.ts";
import { containerDelete } from "./containers/delete-container.ts";
import { containerFileDelete } from "./containers/delete-container-file.ts";
import { containerGet } from "./containers/get-container.ts";
import { containerFileGet } from "./containers/get-container-file.ts";
import { containerFileContentGet } from "./containers/get-container-file-content.ts";
import { containerFilesListGet } from "./containers/list-container-files.ts";
import { containersListGet } from "./containers/list-containers.ts";
import { answerError } from "./core/answer-error.ts";
import { authenticate, callerOf, requireScope } from "./core/auth.ts";
import type { AppDeps, Route } from "./core/deps.ts";
import { safeHeaders } from "./core/headers.ts";
import { measure } from "./core/measure.ts";
import { requestId } from "./core/request-id.ts";
import { closeWhenStopping } from "./core/stopping.ts";
import { traceRequests } from "./core/trace-requests.ts";
import { executionCancelPost } from "./executions/cancel-execution.ts";
import { executionsPost } from "./executions/create-execution.ts";
import { executionDelete } from "./executions/delete-execution.ts";
import { executionGet } from "./executions/get-execution.ts";
import { executionEventsGet } from "./executions/get-execution-events.ts";
import { executionReceiptGet } from "./executions/get-execution-receipt.ts";
import { executionsListGet } from "./executions/list-executions.ts";
import { filesPost } from "./files/create-file.ts";
import { fileDelete } from "./files/delete-file.ts";
import { fileGet } from "./files/get-file.ts";
import { fileContentGet } from "./files/get-file-content.ts";
import { filesListGet } from "./files/list-files.ts";
import { addMcp } from "./mcp/mcp.ts";
import { makeOpenApi } from "./openapi.ts";
import { addDocs } from "./pages/docs.ts";
import { addPlayground } from "./pages/playground.ts";
import { responsesCancelPost } from "./responses/cancel-response.ts";
import { responsesPost } from "./responses/create-response.ts";
import { responsesDelete } from "./responses/delete-response.ts";
import { responsesGet } from "./responses/get-response.ts";
import { responsesInputItemsGet } from "./responses/list-input-items.ts";
import { modelsListGet } from "./responses/list-models.ts";

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
