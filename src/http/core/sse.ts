import { once } from "node:events";
import type { Response } from "express";

/**
 * A comment without a blank line after it. A blank line ends an event: some clients, such as openai-python, would then
 * dispatch an empty event with the last `id` and fail to parse it.
 */
const PING = ": ping\n";

export interface StreamOptions {
  /** Ends the stream early: the caller is gone or the process stops. The caller may resume at another process. */
  signal: AbortSignal;
  /** Silence after which a comment is sent. */
  pingMs: number;
  /** Counts the streams that are open. */
  open?: { inc(): void; dec(): void };
}

/**
 * Writes events as a text/event-stream until they end. The next event is read only after the connection has accepted
 * the last one, so a slow reader takes no memory.
 */
export async function streamEvents<E extends { type: string }>(
  response: Response,
  events: AsyncIterable<{ id: string; event: E }>,
  options: StreamOptions,
): Promise<void> {
  const { signal, pingMs, open } = options;
  response.status(200);
  response.setHeader("Content-Type", "text/event-stream; charset=utf-8");
  response.setHeader("X-Accel-Buffering", "no");
  if (response.req.method === "HEAD") {
    response.end();
    return;
  }
  response.flushHeaders();
  open?.inc();
  const ping = setInterval(() => {
    if (!response.writableNeedDrain && !response.writableEnded) response.write(PING);
  }, pingMs);
  try {
    for await (const { id, event } of events) {
      if (signal.aborted) break;
      if (!response.write(`id: ${id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)) {
        await once(response, "drain", { signal });
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(ping);
    open?.dec();
  }
  response.end();
}
