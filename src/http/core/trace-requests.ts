import type { RequestHandler, Response } from "express";
import type { Tracing } from "../../observe/trace.ts";
import { labelOfMethod, labelOfRoute } from "./labels.ts";

/** Probes and pages, which cause no work. */
const UNTRACED = /^\/(v1\/)?(health|docs|openapi\.json|playground|receipt-keys|admin)(\/|$)/;

/** Starts a span for each API request, as a child of the caller's span when `traceparent` was sent. */
export function traceRequests(tracing: Tracing): RequestHandler {
  return (request, response, next) => {
    const method = labelOfMethod(request.method);
    const parent = request.get("traceparent") ?? null;
    const span = UNTRACED.test(request.path)
      ? null
      : tracing.startSpan(method, { kind: "server", parent, attributes: { "http.request.method": method } });
    if (span === null) return next();
    response.locals.traceId = span.traceId;
    response.once("close", () => {
      const route = labelOfRoute(request.route);
      span.rename(`${method} ${route}`);
      span.set({ "http.route": route, "http.response.status_code": response.statusCode });
      span.end({ failed: response.statusCode >= 500 });
    });
    tracing.within(span, next);
  };
}

/** The trace id of the request, or undefined without tracing. */
export function traceIdIn(response: Response): string | undefined {
  return response.locals.traceId as string | undefined;
}
