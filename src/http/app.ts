import express, { type Express, type RequestHandler } from "express";
import { ServiceError } from "../domain/errors.ts";
import { adminKeyRoutes } from "./admin/admin-keys.ts";
import { addAdminQueues } from "./admin/admin-queues.ts";
import { getPackages } from "./admin/get-packages.ts";
import { getTopUsage } from "./admin/get-top-usage.ts";
import { getUsage } from "./admin/get-usage.ts";
import { addHealth } from "./admin/health.ts";
import { addReceiptKeys } from "./admin/receipt-keys.ts";
import { createAssistant } from "./assistants/create-assistant.ts";
import { deleteAssistant } from "./assistants/delete-assistant.ts";
import { getAssistant } from "./assistants/get-assistant.ts";
import { listAssistants } from "./assistants/list-assistants.ts";
import { updateAssistant } from "./assistants/update-assistant.ts";
import { createContainer } from "./containers/create-container.ts";
import { createContainerFile } from "./containers/create-container-file.ts";
import { deleteContainer } from "./containers/delete-container.ts";
import { deleteContainerFile } from "./containers/delete-container-file.ts";
import { getContainer } from "./containers/get-container.ts";
import { getContainerFile } from "./containers/get-container-file.ts";
import { getContainerFileContent } from "./containers/get-container-file-content.ts";
import { listContainerFiles } from "./containers/list-container-files.ts";
import { listContainers } from "./containers/list-containers.ts";
import { conversationRoutes } from "./conversations/conversations.ts";
import { answerError, answerLikeOpenai } from "./core/answer-error.ts";
import { authenticate, callerOf, requireScope } from "./core/auth.ts";
import { compress } from "./core/compress.ts";
import type { AppDeps, Route } from "./core/deps.ts";
import { safeHeaders } from "./core/headers.ts";
import { measure } from "./core/measure.ts";
import { nearestPath } from "./core/nearest-path.ts";
import { requestId } from "./core/request-id.ts";
import { closeWhenStopping } from "./core/stopping.ts";
import { traceRequests } from "./core/trace-requests.ts";
import { makeRequestTurns } from "./core/turns.ts";
import { answerToolCalls } from "./executions/answer-tool-calls.ts";
import { cancelExecution } from "./executions/cancel-execution.ts";
import { createExecution } from "./executions/create-execution.ts";
import { deleteExecution } from "./executions/delete-execution.ts";
import { getExecution } from "./executions/get-execution.ts";
import { getExecutionEvents } from "./executions/get-execution-events.ts";
import { getExecutionReceipt } from "./executions/get-execution-receipt.ts";
import { listExecutions } from "./executions/list-executions.ts";
import { createFile } from "./files/create-file.ts";
import { deleteFile } from "./files/delete-file.ts";
import { getFile } from "./files/get-file.ts";
import { getFileContent } from "./files/get-file-content.ts";
import { listFiles } from "./files/list-files.ts";
import { addMcp } from "./mcp/mcp.ts";
import { makeOpenApi } from "./openapi.ts";
import { addDocs } from "./pages/docs.ts";
import { addPlayground } from "./pages/playground.ts";
import { cancelResponse } from "./responses/cancel-response.ts";
import { compactResponse } from "./responses/compact-response.ts";
import { countInputTokens } from "./responses/count-input-tokens.ts";
import { createResponse } from "./responses/create-response.ts";
import { deleteResponse } from "./responses/delete-response.ts";
import { getModel } from "./responses/get-model.ts";
import { getResponse } from "./responses/get-response.ts";
import { listInputItems } from "./responses/list-input-items.ts";
import { listModels } from "./responses/list-models.ts";

/** The API as an Express app that does not listen yet. */
export function makeApp(deps: AppDeps): Express {
  const app = express();
  app.disable("x-powered-by");
  // API clients do not revalidate JSON responses, so ETags would only cost time.
  app.disable("etag");
  app.use(
    requestId,
    traceRequests(deps.tracing),
    safeHeaders,
    measure(deps.metrics, deps.onAnswered),
    compress,
    closeWhenStopping(deps.stopping),
  );
  addHealth(app, deps);
  addHealth(app, deps, "/v1");
  addDocs(app, makeOpenApi(deps));
  addPlayground(app);
  addReceiptKeys(app, deps);
  const turns = makeRequestTurns(deps);
  addAdminQueues(app, deps, [authenticate(deps.keys), limitRate(deps), turns.brief]);
  addMcp(app, [authenticate(deps.keys), limitRate(deps), turns.open], deps);
  app.use("/v1", authenticate(deps.keys), limitRate(deps));
  const routes = [...routesOf(deps), compactResponse(deps)];
  for (const route of routes) {
    const turn = route.open === true ? turns.open : turns.brief;
    app[route.method](route.path, requireScope(route.scope), answersLike(route), turn, ...route.handlers);
  }
  const paths = routes.map((route) => route.path);
  refuseOtherMethods(app, routes);
  app.use((request) => {
    const meant = nearestPath(request.path, paths);
    const hint = meant === null ? "" : `Did you mean \`${meant}\`? `;
    throw new ServiceError("route_not_found", { detail: `${hint}All paths are described in /openapi.json.` });
  });
  app.use(answerError(deps.log));
  return app;
}

/** Every route that needs a key and can succeed. */
export function routesOf(deps: AppDeps): Route[] {
  return [
    createExecution(deps),
    listExecutions(deps),
    getExecution(deps),
    getExecutionEvents(deps),
    getExecutionReceipt(deps),
    answerToolCalls(deps),
    cancelExecution(deps),
    deleteExecution(deps),
    createResponse(deps),
    getResponse(deps),
    cancelResponse(deps),
    deleteResponse(deps),
    listInputItems(deps),
    createAssistant(deps),
    listAssistants(deps),
    getAssistant(deps),
    updateAssistant(deps),
    deleteAssistant(deps),
    countInputTokens(deps),
    listModels(deps),
    getModel(deps),
    ...conversationRoutes(deps),
    createFile(deps),
    listFiles(deps),
    getFile(deps),
    getFileContent(deps),
    deleteFile(deps),
    createContainer(deps),
    listContainers(deps),
    getContainer(deps),
    deleteContainer(deps),
    createContainerFile(deps),
    listContainerFiles(deps),
    getContainerFile(deps),
    getContainerFileContent(deps),
    deleteContainerFile(deps),
    getUsage(deps),
    getTopUsage(deps),
    ...adminKeyRoutes(deps),
    getPackages(deps),
  ];
}

function answersLike({ ofOpenai }: Route): RequestHandler {
  return (_request, response, next) => {
    answerLikeOpenai(response, ofOpenai === true);
    next();
  };
}

function limitRate(deps: AppDeps): RequestHandler {
  return async (_request, response, next) => {
    await deps.rateLimit.take(callerOf(response));
    next();
  };
}

function refuseOtherMethods(app: Express, routes: readonly Route[]): void {
  for (const path of new Set(routes.map((route) => route.path))) {
    const supported = routes.filter((route) => route.path === path);
    const allow = supported.map((route) => route.method.toUpperCase()).join(", ");
    app.all(path, (request, response) => {
      response.setHeader("Allow", allow);
      throw new ServiceError("method_not_allowed", { detail: `The path supports ${allow}, not ${request.method}.` });
    });
  }
}
