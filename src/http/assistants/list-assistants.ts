import { z } from "zod";
import { viewOfAssistant } from "../../assistant/views/assistant.ts";
import { assistantIdPattern } from "../../domain/ids.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { listBody, pageQuery } from "../core/paging.ts";
import { checkedQuery } from "../core/validate.ts";

/** GET /v1/assistants: the organization's assistants, a page at a time. */
export function assistantsListGet(deps: AppDeps): Route {
  const query = z.strictObject(pageQuery(deps.limits, assistantIdPattern));
  return {
    method: "get",
    path: "/v1/assistants",
    scope: "read",
    handlers: [
      async (request, response) => {
        const { data, hasMore } = await deps.assistant.assistants.list(callerOf(response).organization, checkedQuery(query, request));
        response.json(listBody({ data: data.map(viewOfAssistant), hasMore }));
      },
    ],
  };
}
