import type { Request } from "express";
import { z } from "zod";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { stepAside } from "../core/turns.ts";
import { checked, checkedQuery } from "../core/validate.ts";
import { executionOf } from "./execution-param.ts";
import { streamExecution } from "./execution-stream.ts";

const eventId = z.string().regex(/^\d{1,20}-\d{1,20}$/, "must be the id of an event");
const query = z.strictObject({ after: eventId.optional() });
const headers = z.object({ "last-event-id": eventId.optional() });

/** GET /v1/executions/:id/events: from the start, or after `Last-Event-ID` or `?after=`. */
export function getExecutionEvents(deps: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/executions/:id/events",
    scope: "read",
    open: true,
    handlers: [
      async (request, response) => {
        const after = afterOf(request);
        const { id } = await executionOf(deps.executions, request, response);
        stepAside(response);
        await streamExecution(deps, { organization: callerOf(response).organization, id, after }, response);
      },
    ],
  };
}

/** The header takes precedence: an EventSource that reconnects sends it with its original URL. */
function afterOf(request: Request): string | null {
  const { after } = checkedQuery(query, request);
  return checked(headers, { "last-event-id": request.get("last-event-id") })["last-event-id"] ?? after ?? null;
}
