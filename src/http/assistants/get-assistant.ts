import { viewOfAssistant } from "../../assistant/views/assistant.ts";
import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { idOf } from "../responses/response-param.ts";

/** GET /v1/assistants/:id */
export function assistantsGet(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/assistants/:id",
    scope: "read",
    handlers: [
      async (request, response) => {
        const found = await deps.assistant.assistants.get(callerOf(response).organization, idOf(request));
        if (found === null) throw new ServiceError("assistant_not_found");
        response.json(viewOfAssistant(found));
      },
    ],
  };
}
