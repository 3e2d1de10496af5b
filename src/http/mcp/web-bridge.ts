import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import type { Request as ExpressRequest, Response as ExpressResponse } from "express";

/** Headers that say who calls, and those of a body that was read already. */
const LEFT_OUT = new Set(["authorization", "x-api-key", "cookie", "content-length", "transfer-encoding"]);

/** The request as the Fetch API has it, without its body, for handlers that know neither Express nor keys. */
export function webRequestOf(request: ExpressRequest, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(request.headersDistinct)) {
    if (!LEFT_OUT.has(name)) for (const value of values) headers.append(name, value);
  }
  // The path is all that is looked at, and the Host header could be anything.
  return new Request(new URL(request.originalUrl, "http://localhost"), { method: request.method, headers, signal });
}

/** Sends a Fetch API response; what it streams goes out as it comes. */
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
  try {
    await pipeline(Readable.fromWeb(source.body as ReadableStream), response);
  } catch (error) {
    if (!gone.aborted) throw error;
  }
}
