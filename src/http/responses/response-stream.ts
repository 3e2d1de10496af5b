import type { Response } from "express";
import type { ResponseEvent } from "../../assistant/views/views.ts";
import { type StreamOptions, streamEvents } from "../core/sse.ts";

/** Writes the events of a response. The id of each is its sequence number. */
export async function streamResponse(response: Response, events: AsyncIterable<ResponseEvent>, options: StreamOptions): Promise<void> {
  await streamEvents(response, withIds(events), options);
}

async function* withIds(events: AsyncIterable<ResponseEvent>) {
  for await (const event of events) yield { id: String(event.sequence_number), event };
}
