import type { Response } from "express";
import type { ResponseEvent } from "../../assistant/views/views.ts";
import { streamEvents } from "../core/sse.ts";

/** Writes a response's events; the id of each is its sequence number. */
export async function streamResponse(response: Response, events: AsyncIterable<ResponseEvent>, signal: AbortSignal): Promise<void> {
  await streamEvents(response, withIds(events), { signal });
}

async function* withIds(events: AsyncIterable<ResponseEvent>) {
  for await (const event of events) yield { id: String(event.sequence_number), event };
}
