import type { AppDeps, Route } from "../core/deps.ts";

/** GET /v1/models: the models that a request can use. */
export function listModels(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/models",
    scope: "read",
    ofOpenai: true,
    handlers: [
      (_request, response) => {
        const data = deps.assistant.models.map((id) => ({ id, object: "model", created: 0, owned_by: "operator" }));
        response.json({ object: "list", data });
      },
    ],
  };
}
