import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { idOf } from "../responses/response-param.ts";

/** DELETE /v1/assistants/:id */
export function assistantsDelete(deps: AppDeps): Route {
  return {
    method: "delete",
    path: "/v1/assistants/:id",
    scope: "execute",
    handlers: [
      async (request, response) => {
        const id = idOf(request);
        if (!(await deps.assistant.assistants.delete(callerOf(response).organization, id))) throw new ServiceError("assistant_not_found");
        response.json({ id, object: "assistant", deleted: true });
      },
    ],
  };
}
