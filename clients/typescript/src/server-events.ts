export interface ServerEvent {
  id: string | null;
  data: string;
}

/** The whole events of a text/event-stream as the service writes it. A last event without its blank line was cut, and is left out. */
export async function* readServerEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  // Joined only at the end of an event, which may come in thousands of pieces.
  let pieces: string[] = [];
  let last = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const text = decoder.decode(value, { stream: true });
      const isEnd = `${last}${text}`.includes("\n\n");
      last = text.at(-1) ?? last;
      pieces.push(text);
      if (!isEnd) continue;
      const events = pieces.join("").split("\n\n");
      pieces = [events.pop() ?? ""];
      for (const one of events) {
        const event = parsed(one);
        if (event !== null) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Null for a comment, which keeps the connection open. */
function parsed(text: string): ServerEvent | null {
  let [id, data]: [string | null, string | null] = [null, null];
  for (const line of text.split("\n")) {
    if (line.startsWith("id: ")) id = line.slice(4);
    if (line.startsWith("data: ")) data = (data === null ? "" : `${data}\n`) + line.slice(6);
  }
  return data === null ? null : { id, data };
}
