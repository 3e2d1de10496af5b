import { createParser, type EventSourceMessage } from "eventsource-parser";

/** A stream of server-sent events, or one event in it, is larger than its reader allows. */
export class ServerEventsTooLarge extends Error {
  override name = "ServerEventsTooLarge";
}

export interface ServerEventOptions {
  /** Characters of one event, its unfinished last line included. Default: unbounded. */
  eventCharsMax?: number;
  /** Bytes of the whole stream. Default: unbounded. */
  bytesMax?: number;
  /** Yields a last event without its blank line, which some servers omit. Default: false, as it may have been cut. */
  takeUnfinished?: boolean;
}

/** The events of a text/event-stream, from chunks of bytes cut anywhere. Throws ServerEventsTooLarge. */
export async function* readServerEvents(
  chunks: AsyncIterable<Uint8Array>,
  { eventCharsMax, bytesMax = Number.POSITIVE_INFINITY, takeUnfinished = false }: ServerEventOptions = {},
): AsyncGenerator<EventSourceMessage> {
  const events: EventSourceMessage[] = [];
  let tooLarge = false;
  const parser = createParser({
    maxBufferSize: eventCharsMax,
    onEvent: (event) => events.push(event),
    onError: (error) => {
      tooLarge ||= error.type === "max-buffer-size-exceeded";
    },
  });
  const decoder = new TextDecoder();
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new ServerEventsTooLarge();
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* events.splice(0);
    if (tooLarge) throw new ServerEventsTooLarge();
  }
  if (takeUnfinished) parser.feed("\n\n");
  yield* events;
}
