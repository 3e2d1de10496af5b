import { ModelFailed } from "./model.ts";

/**
 * The data of each server-sent event in a stream of bytes. Lines may be cut anywhere; one longer than `lineBytesMax`, or more than
 * `bytesMax` in all, throws ModelFailed. An event that the end cut off is not given.
 */
export async function* readServerEvents(
  chunks: AsyncIterable<Uint8Array>,
  bounds: { lineBytesMax: number; bytesMax: number },
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  let bytes = 0;
  let data: string[] = [];
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > bounds.bytesMax) throw new ModelFailed("model_broken_answer");
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() as string;
    for (const line of lines) {
      if (line.startsWith("data:")) data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
      if (line !== "" || data.length === 0) continue;
      yield data.join("\n");
      data = [];
    }
    if (rest.length + data.reduce((sum, line) => sum + line.length, 0) > bounds.lineBytesMax) throw new ModelFailed("model_broken_answer");
  }
  // Some servers do not write the empty line after their last event.
  if (rest.startsWith("data:")) data.push(rest.slice(rest.startsWith("data: ") ? 6 : 5));
  if (data.length > 0) yield data.join("\n");
}
