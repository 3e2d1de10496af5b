import { randomBytes } from "node:crypto";
import type { RequestHandler, Response } from "express";

const SANE = /^[A-Za-z0-9._-]{1,128}$/;

/** Gives each request an id: the caller's own if it is safe to echo and log, else a new one. */
export const requestId: RequestHandler = (request, response, next) => {
  const sent = request.headersDistinct["x-request-id"];
  const only = sent?.length === 1 ? sent[0] : undefined;
  const id = only !== undefined && SANE.test(only) ? only : `req_${randomBytes(12).toString("hex")}`;
  response.locals.requestId = id;
  response.setHeader("X-Request-Id", id);
  next();
};

export function requestIdOf(response: Response): string {
  return response.locals.requestId as string;
}
