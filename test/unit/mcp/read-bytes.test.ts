import fc from "fast-check";
import { expect, test } from "vitest";
import { textOf } from "../../../src/mcp/read-bytes.ts";

const whole = { start: false, end: false };

test("bytes that are not UTF-8 or contain NUL are not text", () => {
  expect(textOf(Buffer.from([0xff, 0xfe]), whole)).toBeNull();
  expect(textOf(Buffer.from("a\0b"), whole)).toBeNull();
  expect(textOf(Buffer.from("€").subarray(1), whole)).toBeNull();
  expect(textOf(Buffer.from("€").subarray(0, 2), whole)).toBeNull();
});

test("a text split anywhere into parts joins without loss, each part starting where the last ended", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\0", "")),
      fc.integer({ min: 4, max: 32 }),
      (text, size) => {
        const bytes = Buffer.from(text);
        let joined = "";
        for (let offset = 0; offset < bytes.length; ) {
          const end = Math.min(offset + size, bytes.length);
          const part = textOf(bytes.subarray(offset, end), { start: offset > 0, end: end < bytes.length });
          joined += part?.text;
          offset += part?.end ?? bytes.length;
        }
        expect(joined).toBe(text);
      },
    ),
  );
});

test("a part that begins inside a character drops the rest of it and reports its start", () => {
  expect(textOf(Buffer.from("€uro").subarray(1), { start: true, end: false })).toEqual({ text: "uro", start: 2, end: 5 });
});
