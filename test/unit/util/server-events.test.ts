import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readServerEvents, ServerEventsTooLarge } from "../../../src/util/server-events.ts";

const BOUNDS = { eventCharsMax: 1_000, bytesMax: 10_000, takeUnfinished: true };

async function* chunksOf(bytes: Uint8Array, sizes: number[]) {
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = Math.max(1, sizes[index % Math.max(1, sizes.length)] ?? bytes.length);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const read = async (text: string, sizes: number[] = [], bounds = BOUNDS) => {
  const found: string[] = [];
  for await (const { data } of readServerEvents(chunksOf(Buffer.from(text), sizes), bounds)) found.push(data);
  return found;
};

describe("events", () => {
  test("are the same however the bytes are split, even within characters and line ends", async () => {
    const text = 'data: {"a":"é😀"}\r\n\r\n: ping\n\nevent: x\ndata:{"b":2}\n\ndata: one\ndata: two\n\ndata: [DONE]\n\n';
    const whole = ['{"a":"é😀"}', '{"b":2}', "one\ntwo", "[DONE]"];
    expect(await read(text)).toEqual(whole);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), async (sizes) => {
        expect(await read(text, sizes)).toEqual(whole);
      }),
    );
  });

  test("without a last empty line are yielded", async () => {
    expect(await read("data: last")).toEqual(["last"]);
  });

  test("above a bound throw: an endless line, endless data, too many bytes in total", async () => {
    await expect(read(`data: ${"x".repeat(2_000)}`, [100])).rejects.toBeInstanceOf(ServerEventsTooLarge);
    await expect(read("data: xxxxxxxxxx\n".repeat(200), [100])).rejects.toBeInstanceOf(ServerEventsTooLarge);
    await expect(read("data: x\n\n".repeat(2_000), [100])).rejects.toBeInstanceOf(ServerEventsTooLarge);
  });
});

test("an unfinished last event is dropped by default", async () => {
  const stream = Buffer.from(': ping\nid: 1-0\nevent: x\ndata: {"å":1}\n\nid: 2-0\r\ndata: a\r\ndata: b\r\n\r\ndata: unfinished');
  for (let size = 1; size <= stream.length; size += 1) {
    const events = [];
    for await (const event of readServerEvents(chunksOf(stream, [size]))) events.push(event);
    expect(events).toMatchObject([
      { id: "1-0", event: "x", data: '{"å":1}' },
      { id: "2-0", data: "a\nb" },
    ]);
  }
});
