import type { RequestHandler } from "express";
import { ServiceError } from "../../domain/errors.ts";

/** Refuses new work once shutdown has begun. */
export function refuseWhenStopping(stopping: AbortSignal): RequestHandler {
  return (_request, _response, next) => {
    ensureNotStopping(stopping);
    next();
  };
}

export function ensureNotStopping(stopping: AbortSignal): void {
  if (stopping.aborted) throw new ServiceError("shutting_down", { detail: "This process is stopping; send the request again." });
}

/** Closes connections after the response during shutdown. */
export function closeWhenStopping(stopping: AbortSignal): RequestHandler {
  return (_request, response, next) => {
    if (stopping.aborted) response.setHeader("Connection", "close");
    next();
  };
}
