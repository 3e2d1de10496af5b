import type { RequestHandler } from "express";
import type { Caller } from "../../keys/keys.ts";
import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { labelOfMethod, labelOfRoute } from "./labels.ts";
import { requestIdOf } from "./request-id.ts";
import { traceIdIn } from "./trace-requests.ts";

/** What became of one request. It names no path, query, header or body of the caller. */
export interface AnsweredRequest {
  request: string;
  method: string;
  route: string;
  status: number;
  ms: number;
  /** Absent before a key was accepted. */
  organization: string | undefined;
  key: string | undefined;
  bytes_in: number;
  bytes_out: number;
  /** The caller closed the connection before the end of the answer. */
  cut: true | undefined;
  trace_id: string | undefined;
}

/** Measures requests by route pattern and status, counts those in flight, and passes each on when it has been answered. */
export function measure(metrics: Metrics, onAnswered: (answered: AnsweredRequest) => void = () => {}): RequestHandler {
  return (request, response, next) => {
    const end = metrics.httpRequests.startTimer();
    const { socket } = request;
    // The head of this request has been read already.
    const [read, written] = [socket.bytesRead, socket.bytesWritten];
    metrics.httpInFlight.inc();
    response.once("close", () => {
      metrics.httpInFlight.dec();
      const labels = { method: labelOfMethod(request.method), route: labelOfRoute(request.route) };
      const seconds = end({ ...labels, status: String(response.statusCode) });
      const caller = response.locals.caller as Caller | undefined;
      onAnswered({
        request: requestIdOf(response),
        ...labels,
        status: response.statusCode,
        ms: Math.round(seconds * 1000),
        organization: caller?.organization,
        key: caller?.keyId,
        bytes_in: Math.max(Number(request.headers["content-length"] ?? 0) || 0, socket.bytesRead - read),
        bytes_out: socket.bytesWritten - written,
        cut: response.writableFinished ? undefined : true,
        trace_id: traceIdIn(response),
      });
    });
    next();
  };
}

/** Logs each request but those of health checks, which come every few seconds. */
export function logRequests(log: Log): (answered: AnsweredRequest) => void {
  return (answered) => {
    if (!answered.route.includes("/health/")) log.info(answered, "request");
  };
}
