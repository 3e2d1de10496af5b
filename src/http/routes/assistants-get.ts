import { viewOfAssistant } from "../../assistant/assistant.ts";
import { ServiceError } from "../../errors.ts";
import { callerOf } from "../auth.ts";
import type { AppDeps, Route } from "../deps.ts";
import { idOf } from "../response-param.ts";

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
