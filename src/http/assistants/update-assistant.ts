import { assistantSchema, viewOfAssistant } from "../../assistant/views/assistant.ts";
import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { checked, jsonBody } from "../core/validate.ts";
import { idOf } from "../responses/response-param.ts";

/** POST /v1/assistants/:id: changes the fields it names. */
export function assistantsUpdatePost(deps: AppDeps): Route {
  const schema = assistantSchema(deps.limits);
  return {
    method: "post",
    path: "/v1/assistants/:id",
    scope: "execute",
    handlers: [
      ...jsonBody(deps.limits),
      async (request, response) => {
        const wanted = checked(schema, request.body);
        const updated = await deps.assistant.assistants.update(callerOf(response).organization, idOf(request), wanted);
        if (updated === null) throw new ServiceError("assistant_not_found");
        response.json(viewOfAssistant(updated));
      },
    ],
  };
}
