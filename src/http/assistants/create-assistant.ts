import { assistantSchema, viewOfAssistant } from "../../assistant/views/assistant.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { checked, jsonBody } from "../core/validate.ts";

/** POST /v1/assistants */
export function assistantsPost(deps: AppDeps): Route {
  const schema = assistantSchema(deps.limits);
  return {
    method: "post",
    path: "/v1/assistants",
    scope: "execute",
    handlers: [
      ...jsonBody(deps.limits),
      async (request, response) => {
        const wanted = checked(schema, request.body);
        response.json(viewOfAssistant(await deps.assistant.assistants.create(callerOf(response).organization, wanted)));
      },
    ],
  };
}
