import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TextDecoding } from "../../../../src/sandbox/run/text-outputs.ts";

function decode(bytes: Buffer, size: number) {
  const decoding = new TextDecoding("stdout");
  const pieces = [];
  for (let offset = 0; offset < bytes.length; offset += size) pieces.push(decoding.push(bytes.subarray(offset, offset + size)));
  pieces.push(decoding.end());
  const texts = pieces.filter((piece) => piece !== null);
  return { text: texts.map((piece) => piece.text).join(""), invalid: texts.some((piece) => piece.invalid_utf8 === true) };
}

describe("text of a stream", () => {
  test("is the same however its characters are split", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }).filter((s) => s.isWellFormed()),
        fc.integer({ min: 1, max: 5 }),
        (text, size) => {
          expect(decode(Buffer.from(text, "utf8"), size)).toEqual({ text, invalid: false });
        },
      ),
    );
  });

  test.each([
    ["a lone continuation byte", [0x61, 0x80, 0x62], "a\ufffdb"],
    ["a sequence cut by the end", [0x61, 0xe2, 0x82], "a\ufffd"],
    ["an encoded surrogate", [0xed, 0xa0, 0x80], "\ufffd\ufffd\ufffd"],
    ["bytes that never occur", [0xff, 0xfe], "\ufffd\ufffd"],
  ])("replaces %s with U+FFFD and marks the text invalid", (_, bytes, text) => {
    expect(decode(Buffer.from(bytes), bytes.length)).toEqual({ text, invalid: true });
  });

  test("of arbitrary bytes is always well formed", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 9 }), (bytes, size) => decode(Buffer.from(bytes), size).text.isWellFormed()),
    );
  });

  test("keeps NUL and escape characters as they are", () => {
    expect(decode(Buffer.from("a\0\u001b[31mb"), 2).text).toBe("a\0\u001b[31mb");
  });
});
