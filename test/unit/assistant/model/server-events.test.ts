import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ModelFailed } from "../../../../src/assistant/model/model.ts";
import { readServerEvents } from "../../../../src/util/server-events.ts";

const BOUNDS = { lineBytesMax: 1_000, bytesMax: 10_000 };

async function* chunksOf(bytes: Uint8Array, sizes: number[]) {
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = Math.max(1, sizes[index % Math.max(1, sizes.length)] ?? bytes.length);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const read = async (text: string, sizes: number[] = [], bounds = BOUNDS) => {
  const found: string[] = [];
  for await (const data of readServerEvents(chunksOf(Buffer.from(text), sizes), bounds)) found.push(data);
  return found;
};

describe("events", () => {
  test("are the same however the bytes are cut, within characters and line ends too", async () => {
    const text = 'data: {"a":"é😀"}\r\n\r\n: ping\n\nevent: x\ndata:{"b":2}\n\ndata: one\ndata: two\n\ndata: [DONE]\n\n';
    const whole = ['{"a":"é😀"}', '{"b":2}', "one\ntwo", "[DONE]"];
    expect(await read(text)).toEqual(whole);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), async (sizes) => {
        expect(await read(text, sizes)).toEqual(whole);
      }),
    );
  });

  test("whose last empty line is missing are given", async () => {
    expect(await read("data: last")).toEqual(["last"]);
  });

  test("beyond a bound throw: a line without end, a data without end, more in all", async () => {
    await expect(read(`data: ${"x".repeat(2_000)}`, [100])).rejects.toBeInstanceOf(ModelFailed);
    await expect(read("data: xxxxxxxxxx\n".repeat(200), [100])).rejects.toBeInstanceOf(ModelFailed);
    await expect(read("data: x\n\n".repeat(2_000), [100])).rejects.toBeInstanceOf(ModelFailed);
  });
});
