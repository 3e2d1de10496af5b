import { describe, expect, test } from "vitest";
import { ChatChunks } from "../../../../src/assistant/model/chat-chunks.ts";
import { ModelFailed } from "../../../../src/assistant/model/model.ts";

const chunk = (delta: object, finish_reason: string | null = null) => JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] });
const all = (...texts: string[]) => {
  const chunks = new ChatChunks();
  return [...texts.flatMap((text) => chunks.push(text)), chunks.end()];
};
const END = chunk({}, "stop");

describe("a turn", () => {
  test("has text, calls in fragments, and an end with usage", () => {
    const usage = {
      prompt_tokens: 3,
      completion_tokens: 4,
      prompt_tokens_details: { cached_tokens: 1 },
      completion_tokens_details: { reasoning_tokens: 2 },
    };
    expect(
      all(
        chunk({ role: "assistant", content: "" }),
        chunk({ content: "hi" }),
        chunk({ tool_calls: [{ index: 0, id: "c1", function: { name: "f", arguments: "" } }] }),
        chunk({ tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] }),
        chunk({ tool_calls: [{ index: 1, id: "c2", function: { name: "g", arguments: "{}" } }] }),
        chunk({ tool_calls: [{ index: 0, function: { arguments: ":1}" } }] }),
        chunk({}, "tool_calls"),
        JSON.stringify({ choices: [], usage }),
      ),
    ).toEqual([
      { type: "text", delta: "hi" },
      { type: "call", index: 0, id: "c1", name: "f" },
      { type: "arguments", index: 0, delta: '{"a"' },
      { type: "call", index: 1, id: "c2", name: "g" },
      { type: "arguments", index: 1, delta: "{}" },
      { type: "arguments", index: 0, delta: ":1}" },
      { type: "end", finish: "stop", usage: { input: 3, inputCached: 1, output: 4, outputReasoning: 2 } },
    ]);
  });

  test("may lack indexes and ids of calls, and have an object as arguments", () => {
    const events = all(
      chunk({ tool_calls: [{ function: { name: "f", arguments: { a: 1 } } }] }),
      chunk({ tool_calls: [{ function: { name: "g", arguments: "{" } }] }),
      chunk({ tool_calls: [{ function: { arguments: "}" } }] }),
      END,
    );
    expect(events.slice(0, -1)).toEqual([
      { type: "call", index: 0, id: expect.stringMatching(/^call_/), name: "f" },
      { type: "arguments", index: 0, delta: '{"a":1}' },
      { type: "call", index: 1, id: expect.stringMatching(/^call_/), name: "g" },
      { type: "arguments", index: 1, delta: "{" },
      { type: "arguments", index: 1, delta: "}" },
    ]);
  });

  test("may have the same index for all calls, if each has its own id", () => {
    const call = (id: string, part: object) => chunk({ tool_calls: [{ index: 0, id, function: part }] });
    const events = all(
      call("a", { name: "f", arguments: "{" }),
      call("a", { name: "f", arguments: "}" }),
      call("b", { name: "f", arguments: "[]" }),
      END,
    );
    expect(events.slice(0, -1)).toEqual([
      { type: "call", index: 0, id: "a", name: "f" },
      { type: "arguments", index: 0, delta: "{" },
      { type: "arguments", index: 0, delta: "}" },
      { type: "call", index: 1, id: "b", name: "f" },
      { type: "arguments", index: 1, delta: "[]" },
    ]);
  });

  test("may have its text in parts, of which only text parts are kept", () => {
    const parts = [
      { type: "thinking", thinking: [{ type: "text", text: "hm" }] },
      { type: "text", text: "hi" },
    ];
    expect(all(chunk({ content: parts }), END)[0]).toEqual({ type: "text", delta: "hi" });
  });

  test.each([
    ["length", "length"],
    ["content_filter", "content_filter"],
    ["stop", "stop"],
    ["function_call", "stop"],
  ])("with finish reason %s ends as %s", (reason, finish) => {
    expect(all(chunk({}, reason)).at(-1)).toMatchObject({ type: "end", finish });
  });

  test.each([
    ["no JSON", "{"],
    ["another shape", '{"choices":7}'],
    ["an error", '{"error":{"message":"x"}}'],
    ["arguments without a call", chunk({ tool_calls: [{ function: { arguments: "x" } }] })],
  ])("with %s throws without quoting it", (_, text) => {
    expect(() => all(text, END)).toThrow(ModelFailed);
    expect(() => all(text, END)).toThrow(/^model_broken_answer$/);
  });

  test("without a finish reason throws, because it was cut off", () => {
    expect(() => all(chunk({ content: "half" }))).toThrow(ModelFailed);
  });
});
