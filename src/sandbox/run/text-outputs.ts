import { isUtf8 } from "node:buffer";
import type { z } from "zod";
import type { textOutput } from "../../domain/outputs.ts";

export type TextOutput = z.infer<typeof textOutput>;
type StreamName = TextOutput["stream"];

/** The longest UTF-8 sequence; an incomplete one has at least one byte less. */
const SEQUENCE_BYTES_MAX = 4;

/**
 * Decodes the bytes of one stream piece by piece. An incomplete character waits for the next piece. Invalid UTF-8 becomes
 * U+FFFD, and the piece is marked `invalid_utf8`.
 */
export class TextDecoding {
  readonly #stream: StreamName;
  #waiting: Buffer = Buffer.alloc(0);

  constructor(stream: StreamName) {
    this.#stream = stream;
  }

  push(bytes: Buffer): TextOutput | null {
    const all = this.#waiting.length > 0 ? Buffer.concat([this.#waiting, bytes]) : bytes;
    const complete = all.length - unfinishedBytes(all);
    this.#waiting = Buffer.from(all.subarray(complete));
    return this.#piece(all.subarray(0, complete));
  }

  /** The incomplete character at the end of the stream, if there is one. */
  end(): TextOutput | null {
    const rest = this.#waiting;
    this.#waiting = Buffer.alloc(0);
    return this.#piece(rest);
  }

  #piece(bytes: Buffer): TextOutput | null {
    if (bytes.length === 0) return null;
    const piece: TextOutput = { type: "text", stream: this.#stream, text: bytes.toString("utf8") };
    return isUtf8(bytes) ? piece : { ...piece, invalid_utf8: true };
  }
}

/** Length of an incomplete sequence at the end, which the next piece may complete. */
function unfinishedBytes(bytes: Buffer): number {
  for (let back = 1; back < SEQUENCE_BYTES_MAX && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return sequenceBytes(byte) > back ? back : 0;
  }
  return 0;
}

function sequenceBytes(lead: number): number {
  if (lead >= 0xf0) return 4;
  return lead >= 0xe0 ? 3 : 2;
}
