import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { encodeFrame, FrameParser, type InKind, inKinds, type OutFrame, outKinds, WireError } from "../../../../src/sandbox/wire/frames.ts";

interface Vector {
  direction: "in" | "out";
  kind: string;
  head: object | null;
  body_hex: string;
  frame_hex: string;
}
const vectors = JSON.parse(readFileSync(new URL("../../../fixtures/frames.json", import.meta.url), "utf8")) as {
  valid: Vector[];
  malformed: Array<{ frame_hex: string; why: string }>;
};
const bounds = { headBytesMax: 1024 * 1024, bodyBytesMax: 1024 * 1024, headJson: { valuesMax: 1_000, depthMax: 100 } };
const parser = () => new FrameParser(bounds);

/** A frame as the runner writes it, encoded independently of the encoder under test. */
function outBytes(kind: keyof typeof outKinds, head: object | null, body: Uint8Array): Buffer {
  const headBytes = Buffer.from(head === null ? "" : JSON.stringify(head));
  const header = Buffer.alloc(9);
  header.writeUInt8(outKinds[kind], 0);
  header.writeUInt32BE(headBytes.length, 1);
  header.writeUInt32BE(body.length, 5);
  return Buffer.concat([header, headBytes, body]);
}

/** Header of a frame with only a head of one-byte characters. */
function headerOf(head: string): Buffer {
  const header = Buffer.alloc(9);
  header.writeUInt8(outKinds.done, 0);
  header.writeUInt32BE(head.length, 1);
  return header;
}

function chunkHeader(bodyBytes: number): Buffer {
  const header = outBytes("chunk", null, Buffer.alloc(0));
  header.writeUInt32BE(bodyBytes, 5);
  return header;
}

/** The content of frames. A chunk may be split, so adjacent chunks are joined. */
function meanings(frames: ReadonlyArray<{ kind: string; head: object; body: Uint8Array }>) {
  const joined: Array<{ kind: string; head: object; body: number[] }> = [];
  for (const { kind, head, body } of frames) {
    const last = joined.at(-1);
    if (last?.kind === "chunk" && kind === "chunk") last.body.push(...body);
    else joined.push({ kind, head, body: [...body] });
  }
  return joined;
}

describe("the shared vectors", () => {
  test.each(vectors.valid.filter((v) => v.direction === "in"))("$kind is encoded to the bytes the runner expects", (vector) => {
    const body = Buffer.from(vector.body_hex, "hex");
    const bytes = Buffer.concat(encodeFrame({ kind: vector.kind as InKind, ...(vector.head === null ? {} : { head: vector.head }), body }));
    const decoded = Buffer.from(vector.frame_hex, "hex");
    // The two sides may space JSON differently; kind, body and the head's content must be equal.
    expect(bytes[0]).toBe(decoded[0]);
    expect(bytes.subarray(bytes.length - body.length)).toEqual(body);
    const headOf = (frame: Buffer) => frame.subarray(9, 9 + frame.readUInt32BE(1)).toString("utf8");
    if (vector.head === null) expect(headOf(bytes)).toBe("");
    else expect(JSON.parse(headOf(bytes))).toEqual(JSON.parse(headOf(decoded)));
  });

  test.each(vectors.valid.filter((v) => v.direction === "out"))("$kind is read from the runner's bytes", (vector) => {
    const [frame] = [...parser().push(Buffer.from(vector.frame_hex, "hex"))];
    expect(frame?.kind).toBe(vector.kind);
    expect(frame?.head).toEqual(vector.head ?? {});
    expect(frame?.body.toString("hex")).toBe(vector.body_hex);
  });
});

describe("the parser", () => {
  test("yields the same frames however the stream is split", () => {
    const frame = fc.record({
      kind: fc.constantFrom(...(Object.keys(outKinds) as Array<keyof typeof outKinds>)),
      head: fc.dictionary(
        fc.string(),
        fc.jsonValue().map((value) => value as object),
      ),
      body: fc.uint8Array({ maxLength: 300 }),
    });
    const headless = frame.map((each) => (each.kind === "chunk" ? { ...each, head: null } : each));
    fc.assert(
      fc.property(fc.array(headless, { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (frames, cuts) => {
        const stream = Buffer.concat(frames.map(({ kind, head, body }) => outBytes(kind, head, body)));
        const reader = parser();
        const got: OutFrame[] = [];
        for (let offset = 0, turn = 0; offset < stream.length; turn++) {
          const size = cuts[turn % cuts.length] as number;
          got.push(...reader.push(stream.subarray(offset, offset + size)));
          offset += size;
        }
        expect(meanings(got)).toEqual(
          meanings(frames.map(({ kind, head, body }) => ({ kind, head: JSON.parse(JSON.stringify(head ?? {})) as object, body }))),
        );
      }),
    );
  });

  test("either yields frames or throws WireError on arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          for (const frame of parser().push(Buffer.from(bytes))) expect(Object.keys(outKinds)).toContain(frame.kind);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test.each(["head", "body"] as const)("refuses a %s over its bound from the header alone", (part) => {
    const header = outBytes("stdout", {}, Buffer.alloc(0)).subarray(0, 9);
    header.writeUInt32BE(bounds.bodyBytesMax + 1, part === "head" ? 1 : 5);
    expect(() => [...parser().push(header)]).toThrow(WireError);
  });

  test("accepts a head and a body at their bounds", () => {
    const head = { text: "x".repeat(bounds.headBytesMax - '{"text":""}'.length) };
    const [frame] = [...parser().push(outBytes("display", head, Buffer.alloc(bounds.bodyBytesMax)))];
    expect(frame?.bytes).toBe(bounds.headBytesMax + bounds.bodyBytesMax);
  });

  test("parses a head only on first access, and never one with too many values", () => {
    const parse = vi.spyOn(JSON, "parse");
    expect([...parser().push(outBytes("display", { data: 1 }, Buffer.alloc(0)))]).toHaveLength(1);
    const heads = ["[],".repeat(bounds.headJson.valuesMax), "[".repeat(bounds.headJson.depthMax + 1)];
    const frames = heads.flatMap((text) => [...parser().push(Buffer.concat([headerOf(text), Buffer.from(text)]))]);
    expect(frames.map(({ head, values }) => ({ head, values }))).toEqual(heads.map(() => ({ head: {}, values: 0 })));
    expect(parse).not.toHaveBeenCalled();
    parse.mockRestore();
  });

  test("counts the values of a head", () => {
    const [frame] = [...parser().push(outBytes("display", { data: [1, "a,b", {}] }, Buffer.alloc(0)))];
    expect(frame?.values).toBe(7);
  });

  test("refuses a chunk with a head, which our runner never sends", () => {
    expect(() => [...parser().push(outBytes("chunk", {}, Buffer.from("a")))]).toThrow(/chunk frame with a head/);
  });

  test("refuses frames of the other direction", () => {
    expect(() => [...parser().push(Buffer.concat(encodeFrame({ kind: "run", head: {} })))]).toThrow(/unknown frame kind 5/);
    expect(Object.values(inKinds).some((code) => (Object.values(outKinds) as number[]).includes(code))).toBe(false);
  });

  test.each(["[]", "null", "1", "{", "\u00ff"])("refuses the head %j", (text) => {
    const [frame] = [...parser().push(Buffer.concat([headerOf(text), Buffer.from(text, "latin1")]))];
    expect(() => frame?.head).toThrow(WireError);
  });

  test("passes a chunk on slice by slice, and bounds it as a whole", () => {
    const reader = parser();
    const stream = Buffer.concat([chunkHeader(6), Buffer.from("abcdef"), outBytes("file_end", {}, Buffer.alloc(0))]);
    const pieces = [stream.subarray(0, 11), stream.subarray(11, 13), stream.subarray(13)].map((part) =>
      [...reader.push(part)].map(({ kind, body }) => `${kind} ${body}`),
    );
    expect(pieces).toEqual([["chunk ab"], ["chunk cd"], ["chunk ef", "file_end "]]);
    expect(() => [...parser().push(chunkHeader(bounds.bodyBytesMax + 1))]).toThrow(WireError);
  });

  test("costs no more than its bytes for a million one-byte pushes", () => {
    const reader = parser();
    const stream = outBytes("stdout", {}, Buffer.alloc(200_000));
    let frames = 0;
    for (let offset = 0; offset < stream.length; offset++) for (const _ of reader.push(stream.subarray(offset, offset + 1))) frames += 1;
    expect(frames).toBe(1);
  });
});
