import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { jsonBody } from "../core/validate.ts";
import { requestParser } from "./create-response.ts";

/** POST /v1/responses/input_tokens: about how many tokens a request would have. No model is called. */
export function countInputTokens(deps: AppDeps): Route {
  const parse = requestParser(deps);
  return {
    method: "post",
    path: "/v1/responses/input_tokens",
    scope: "execute",
    ofOpenai: true,
    handlers: [
      ...jsonBody(deps.limits),
      async (request, response) => {
        const wanted = parse(request.body);
        const input_tokens = await deps.assistant.responses.estimateTokens(callerOf(response).organization, wanted);
        response.json({ object: "response.input_tokens", input_tokens });
      },
    ],
  };
}
