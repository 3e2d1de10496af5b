/**
 * Docker's multiplexed attach stream: a header of 8 bytes (stream number, three zeros, unsigned 32-bit big-endian length),
 * then the payload. Payload is passed on in slices as it arrives: only a partial header is buffered, and a stream of
 * one-byte messages costs no more than its bytes.
 */
const HEADER_BYTES = 8;
const STDOUT = 1;
const STDERR = 2;

export type DemuxedSlice = { stream: "stdout" | "stderr"; data: Buffer };

export class DemuxError extends Error {
  override name = "DemuxError";
}

export class Demux {
  #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #stream: DemuxedSlice["stream"] = "stdout";
  #payloadBytes = 0;

  *push(data: Buffer): Generator<DemuxedSlice> {
    let offset = 0;
    while (offset < data.length) {
      if (this.#payloadBytes > 0) {
        const slice = data.subarray(offset, offset + this.#payloadBytes);
        offset += slice.length;
        this.#payloadBytes -= slice.length;
        yield { stream: this.#stream, data: slice };
        continue;
      }
      const copied = data.copy(this.#header, this.#headerBytes, offset, offset + HEADER_BYTES - this.#headerBytes);
      offset += copied;
      this.#headerBytes += copied;
      if (this.#headerBytes < HEADER_BYTES) return;
      this.#headerBytes = 0;
      this.#stream = streamName(this.#header.readUInt8(0));
      this.#payloadBytes = this.#header.readUInt32BE(4);
    }
  }
}

function streamName(number: number): DemuxedSlice["stream"] {
  if (number === STDOUT) return "stdout";
  if (number === STDERR) return "stderr";
  throw new DemuxError(`stream number ${number} in the attach stream`);
}
