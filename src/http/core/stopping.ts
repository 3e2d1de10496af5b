import type { RequestHandler } from "express";
import { ServiceError } from "../../domain/errors.ts";

/** Refuses new work once the process has begun to stop. */
export function refuseWhenStopping(stopping: AbortSignal): RequestHandler {
  return (_request, _response, next) => {
    ensureNotStopping(stopping);
    next();
  };
}

export function ensureNotStopping(stopping: AbortSignal): void {
  if (stopping.aborted) throw new ServiceError("shutting_down", { detail: "This process is stopping; another one takes the request." });
}

/** Tells clients not to send their next request over this connection. */
export function closeWhenStopping(stopping: AbortSignal): RequestHandler {
  return (_request, response, next) => {
    if (stopping.aborted) response.setHeader("Connection", "close");
    next();
  };
}
