import { expect, test } from "vitest";
import { trimToLimit } from "../../../../src/assistant/loop/running.ts";
import type { CodeCall } from "../../../../src/assistant/views/items.ts";
import type { StoredResponse } from "../../../../src/assistant/views/response.ts";
import { makeLimits } from "../../../../src/domain/limits.ts";

const limits = makeLimits({ responseBytesMax: 10_000 });
const text = (length: number) => ({ type: "text", stream: "stdout", text: "x".repeat(length) }) as const;
const file = { type: "file", file_id: "file_1", name: "a.csv" };
const responseOf = (...outputs: unknown[][]) =>
  ({ output: outputs.map((each) => ({ type: "code_call", outputs: each })) }) as unknown as StoredResponse;
const outputsOf = (response: StoredResponse) => response.output.map((item) => (item as CodeCall).outputs);

test("a response within the limit is stored completely", () => {
  const response = responseOf([text(4_000), file], [text(4_000)]);
  expect(trimToLimit(response, limits)).toBe(response);
});

test("of a larger response only the files are stored, and it is never serialized as a whole", () => {
  const unread = {
    toJSON(): never {
      throw new Error("read");
    },
  };
  expect(outputsOf(trimToLimit(responseOf([text(6_000), file], [text(6_000)], [unread]), limits))).toEqual([[file], [], []]);
});
