export interface ServerEvent {
  id: string;
  data: string;
}

/** The events of a text/event-stream, from chunks of bytes cut anywhere. Comments and unknown fields are skipped. */
export async function* serverEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  let event: ServerEvent = { id: "", data: "" };
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const ended of lines) {
      const line = ended.endsWith("\r") ? ended.slice(0, -1) : ended;
      if (line === "") {
        if (event.data !== "") yield event;
        event = { id: event.id, data: "" };
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "id") event.id = value;
      if (field === "data") event.data = event.data === "" ? value : `${event.data}\n${value}`;
    }
  }
}
