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
        response.json({ object: "list", data: deps.assistant.models.map(viewOfModel) });
      },
    ],
  };
}

/** The model object of OpenAI's API. This service does not know when a model was made. */
export function viewOfModel(id: string) {
  return { id, object: "model" as const, created: 0, owned_by: "operator" };
}
