import { z } from "zod";
import { viewOfAssistant } from "../../assistant/assistant.ts";
import { assistantIdPattern } from "../../execution/ids.ts";
import { callerOf } from "../auth.ts";
import type { AppDeps, Route } from "../deps.ts";
import { listBody, pageQuery } from "../paging.ts";
import { checkedQuery } from "../validate.ts";

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
