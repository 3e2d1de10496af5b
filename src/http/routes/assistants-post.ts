import { assistantSchema, viewOfAssistant } from "../../assistant/assistant.ts";
import { callerOf } from "../auth.ts";
import type { AppDeps, Route } from "../deps.ts";
import { checked, jsonBody } from "../validate.ts";

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
