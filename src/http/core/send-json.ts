import type { Response } from "express";
import { bytesOf, type JsonPieces, partsOf } from "../../domain/execution-text.ts";
import { callerGone } from "./caller-gone.ts";
import { stepAside } from "./turns.ts";

/**
 * Answers with JSON, whose stored pieces are sent as they are read. The next one is read when the connection has
 * accepted the last one. When a piece is gone, the connection is cut before the length that was promised.
 */
export async function sendJson(response: Response, pieces: JsonPieces): Promise<void> {
  if (!response.hasHeader("Content-Type")) response.setHeader("Content-Type", "application/json; charset=utf-8");
  if (pieces.every((piece) => typeof piece === "string")) {
    response.end(pieces.join(""));
    return;
  }
  // Each part has a turn of its own when it is read.
  stepAside(response);
  response.setHeader("Content-Length", bytesOf(pieces));
  if (response.req.method !== "HEAD") await write(response, partsOf(pieces));
  response.end();
}

/** Writes as fast as the connection takes the parts. Stops when the caller has gone. */
async function write(response: Response, parts: AsyncIterable<Uint8Array>): Promise<void> {
  const gone = callerGone(response);
  let resume = () => {};
  // One listener for all waits: `compression` does not see when a listener is removed.
  response.on("drain", () => resume());
  gone.addEventListener("abort", () => resume(), { once: true });
  for await (const part of parts) {
    if (gone.aborted) return;
    if (response.write(part)) continue;
    await new Promise<void>((resolve) => {
      resume = resolve;
      if (gone.aborted) resolve();
    });
  }
}
