import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Demux, DemuxError } from "../../../../src/sandbox/docker/demux.ts";

function message(stream: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

describe("the attach stream", () => {
  test("is parsed the same way however it is split", () => {
    const messages = fc.array(fc.record({ stream: fc.constantFrom(1, 2), payload: fc.uint8Array({ maxLength: 50 }) }), { maxLength: 20 });
    fc.assert(
      fc.property(messages, fc.integer({ min: 1, max: 30 }), (sent, size) => {
        const bytes = Buffer.concat(sent.map(({ stream, payload }) => message(stream, payload)));
        const demux = new Demux();
        const got: Record<"stdout" | "stderr", number[]> = { stdout: [], stderr: [] };
        for (let offset = 0; offset < bytes.length; offset += size) {
          for (const slice of demux.push(bytes.subarray(offset, offset + size))) got[slice.stream].push(...slice.data);
        }
        const expected = (stream: number) => sent.filter((m) => m.stream === stream).flatMap((m) => [...m.payload]);
        expect(got).toEqual({ stdout: expected(1), stderr: expected(2) });
      }),
    );
  });

  test("of 31 KB in one-byte messages does not recurse", () => {
    const bytes = Buffer.concat(Array.from({ length: 31_000 }, () => message(1, Buffer.from("x"))));
    const slices = [...new Demux().push(bytes)];
    expect(slices).toHaveLength(31_000);
  });

  test("with an unknown stream number is an error", () => {
    expect(() => [...new Demux().push(message(7, Buffer.from("x")))]).toThrow(DemuxError);
  });
});
