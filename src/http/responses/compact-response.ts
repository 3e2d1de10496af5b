import { ServiceError } from "../../domain/errors.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { jsonBody } from "../core/validate.ts";

/** POST /v1/responses/compact: refused. A compacted conversation is made by OpenAI's models only. */
export function compactResponse(deps: AppDeps): Route {
  return {
    method: "post",
    path: "/v1/responses/compact",
    scope: "execute",
    ofOpenai: true,
    handlers: [
      ...jsonBody(deps.limits),
      (_request, response) => {
        response.setHeader("x-should-retry", "false");
        throw new ServiceError("not_supported", {
          detail:
            'Conversations cannot be compacted here. `truncation: "auto"` leaves out the oldest items when a conversation is too long.',
        });
      },
    ],
  };
}
