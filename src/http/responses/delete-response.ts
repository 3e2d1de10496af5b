import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { idOf } from "./response-param.ts";

/** DELETE /v1/responses/:id: deletes the record and its events. Executions, files and the container are kept. */
export function deleteResponse(deps: AppDeps): Route {
  return {
    method: "delete",
    path: "/v1/responses/:id",
    scope: "execute",
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        const id = idOf(request);
        if (!(await deps.assistant.responses.delete(callerOf(response).organization, id))) throw new ServiceError("response_not_found");
        response.json({ id, object: "response", deleted: true });
      },
    ],
  };
}
