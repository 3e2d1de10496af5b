import { pageOfItems } from "../conversations/item-page.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { runBlocking } from "../core/turns.ts";
import { responseOf } from "./response-param.ts";

/** GET /v1/responses/:id/input_items: a page of the input of the request, newest first by default. */
export function listInputItems(deps: AppDeps): Route {
  const page = pageOfItems(deps);
  return {
    method: "get",
    path: "/v1/responses/:id/input_items",
    scope: "read",
    ofOpenai: true,
    handlers: [
      (request, response) =>
        // The stored response may have megabytes.
        runBlocking(response, async () => {
          const { input, dialect, echo } = await responseOf(deps.assistant, request, response);
          response.json(await page.one(request, response, input, { dialect, ...echo }));
        }),
    ],
  };
}
