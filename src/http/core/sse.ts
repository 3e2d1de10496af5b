import { once } from "node:events";
import type { Response } from "express";
import { type JsonPieces, partsOf } from "../../domain/execution-text.ts";

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

/** What an event is written as. By default, it has no stored pieces. */
interface Writing<E> {
  piecesOf?: (event: E) => JsonPieces;
}

/**
 * Writes events as a text/event-stream until they end. The next event is read only after the connection has accepted
 * the last one, so a slow reader takes no memory.
 */
export async function streamEvents<E extends { type: string }>(
  response: Response,
  events: AsyncIterable<{ id: string; event: E }>,
  options: StreamOptions & Writing<E>,
): Promise<void> {
  const { signal, pingMs, open, piecesOf = (event) => [JSON.stringify(event)] } = options;
  response.status(200);
  response.setHeader("Content-Type", "text/event-stream; charset=utf-8");
  response.setHeader("X-Accel-Buffering", "no");
  if (response.req.method === "HEAD") {
    response.end();
    return;
  }
  response.flushHeaders();
  open?.inc();
  let within = false;
  const ping = setInterval(() => {
    if (!within && !response.writableNeedDrain && !response.writableEnded) response.write(PING);
  }, pingMs);
  const write = async (text: string | Uint8Array) => {
    if (!response.write(text)) await once(response, "drain", { signal });
  };
  try {
    for await (const { id, event } of events) {
      if (signal.aborted) break;
      const [first, ...more] = piecesOf(event);
      const head = `id: ${id}\nevent: ${event.type}\ndata: `;
      if (typeof first === "string" && more.length === 0) {
        await write(`${head}${first}\n\n`);
        continue;
      }
      within = true;
      for await (const part of partsOf([head, first as string, ...more, "\n\n"])) await write(part);
      within = false;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(ping);
    open?.dec();
  }
  response.end();
}
