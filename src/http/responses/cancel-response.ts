import { viewOfResponse } from "../../assistant/views/views.ts";
import { ServiceError } from "../../domain/errors.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { stepAside } from "../core/turns.ts";
import { ImageUrls } from "./image-urls.ts";
import { idOf } from "./response-param.ts";

/** POST /v1/responses/:id/cancel: replies once the response has ended. An ended response is unchanged. */
export function cancelResponse(deps: AppDeps): Route {
  return {
    method: "post",
    path: "/v1/responses/:id/cancel",
    scope: "execute",
    open: true,
    ofOpenai: true,
    handlers: [
      async (request, response) => {
        stepAside(response);
        const found = await deps.assistant.responses.cancel(callerOf(response).organization, idOf(request));
        if (found === null) throw new ServiceError("response_not_found");
        const images = new ImageUrls(deps, callerOf(response).organization, request);
        response.json(await images.inView(viewOfResponse(found), found.dialect));
      },
    ],
  };
}
