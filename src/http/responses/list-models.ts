import type { AppDeps, Route } from "../core/deps.ts";

/** GET /v1/models: the models a request may name. */
export function modelsListGet(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/models",
    scope: "read",
    handlers: [
      (_request, response) => {
        const data = deps.assistant.models.map((id) => ({ id, object: "model", created: 0, owned_by: "operator" }));
        response.json({ object: "list", data });
      },
    ],
  };
}
