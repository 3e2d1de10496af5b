import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import type { Request as ExpressRequest, Response as ExpressResponse } from "express";

/** Headers with credentials, and headers of the body, which has been read already. */
const DROPPED_HEADERS = new Set(["authorization", "x-api-key", "cookie", "content-length", "transfer-encoding"]);

/** Converts a request to the Fetch API, without body and credentials. */
export function webRequestOf(request: ExpressRequest, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(request.headersDistinct)) {
    if (!DROPPED_HEADERS.has(name)) for (const value of values) headers.append(name, value);
  }
  // Only the path is used. The Host header is not trusted.
  return new Request(new URL(request.originalUrl, "http://localhost"), { method: request.method, headers, signal });
}

const RESPONSE_LISTENERS_MAX = 20;

/** Sends a Fetch API response, streaming its body. */
export async function sendWebResponse(source: Response, response: ExpressResponse, gone: AbortSignal): Promise<void> {
  if (gone.aborted) {
    await source.body?.cancel();
    return;
  }
  response.status(source.status);
  for (const [name, value] of source.headers) response.setHeader(name, value);
  if (source.body === null) {
    response.end();
    return;
  }
  response.flushHeaders();
  // The pipeline alone adds seven listeners; Node warns of a leak above ten.
  response.setMaxListeners(RESPONSE_LISTENERS_MAX);
  try {
    await pipeline(Readable.fromWeb(source.body as ReadableStream), response);
  } catch (error) {
    if (!gone.aborted) throw error;
  }
}
