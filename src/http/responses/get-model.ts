import { ServiceError } from "../../domain/errors.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { viewOfModel } from "./list-models.ts";
import { idOf } from "./response-param.ts";

/** GET /v1/models/:id: one of the models that a request can use. A slash in its id is encoded. */
export function getModel(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/models/:id",
    scope: "read",
    ofOpenai: true,
    handlers: [
      (request, response) => {
        const name = idOf(request);
        if (!deps.assistant.models.includes(name)) throw new ServiceError("model_not_found");
        response.json(viewOfModel(name));
      },
    ],
  };
}
