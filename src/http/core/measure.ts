import type { RequestHandler } from "express";
import type { Metrics } from "../../observe/metrics.ts";

/** Counts requests by route pattern and status, and those being answered now. */
export function measure(metrics: Metrics): RequestHandler {
  return (request, response, next) => {
    const end = metrics.httpRequests.startTimer();
    metrics.httpInFlight.inc();
    response.once("close", () => {
      metrics.httpInFlight.dec();
      end({ method: labelOfMethod(request.method), route: labelOfRoute(request.route), status: String(response.statusCode) });
    });
    next();
  };
}

const methods = new Set(["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"]);

/** Node accepts some thirty methods; only those an HTTP client sends get a label. */
export function labelOfMethod(method: string): string {
  return methods.has(method) ? method : "other";
}

export function labelOfRoute(route: { path?: unknown } | undefined): string {
  return typeof route?.path === "string" ? route.path : "none";
}
