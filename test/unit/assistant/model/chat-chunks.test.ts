import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChatChunks } from "../../../../src/assistant/model/chat-chunks.ts";
import { ModelFailed } from "../../../../src/assistant/model/model.ts";

const chunk = (delta: object, finish_reason: string | null = null) => JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] });
const OFFERED = new Set(["code_interpreter", "lookup"]);
const all = (...texts: string[]) => {
  const chunks = new ChatChunks(OFFERED);
  return [...texts.flatMap((text) => chunks.push(text)), ...chunks.end()];
};
/** A turn as its reader sees it: text, reasoning and calls, each in one piece. */
function whole(...texts: string[]) {
  const turn = { text: "", reasoning: "", calls: [] as Array<{ name: string; arguments: string }> };
  for (const event of all(...texts)) {
    if (event.type === "text") turn.text += event.delta;
    if (event.type === "reasoning") turn.reasoning += event.delta;
    if (event.type === "call") turn.calls.push({ name: event.name, arguments: "" });
    if (event.type === "arguments") (turn.calls[event.index] as { arguments: string }).arguments += event.delta;
  }
  return turn;
}
const CODE = '{"code":"print(1)"}';
const call = (part: object) => chunk({ tool_calls: [part] });
const END = chunk({}, "stop");

describe("a turn", () => {
  test("has text, calls in fragments, and an end with usage", () => {
    const usage = {
      prompt_tokens: 3,
      completion_tokens: 4,
      prompt_tokens_details: { cached_tokens: 1, cache_write_tokens: 2 },
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
      {
        type: "end",
        finish: "stop",
        usage: { input: 3, inputCached: 1, inputCacheWritten: 2, output: 4, outputReasoning: 2 },
        sentBack: null,
      },
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

  test("may have its text in parts, beside parts with its reasoning", () => {
    const parts = [
      { type: "thinking", thinking: [{ type: "text", text: "hm" }] },
      { type: "text", text: "hi" },
    ];
    expect(all(chunk({ content: parts }), END).slice(0, 2)).toEqual([
      { type: "reasoning", delta: "hm" },
      { type: "text", delta: "hi" },
    ]);
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

describe("a call", () => {
  test.each<[string, string[]]>([
    [
      "with its name after its id",
      [
        call({ index: 0, id: "a" }),
        call({ index: 0, function: { name: "code_interpreter" } }),
        call({ index: 0, function: { arguments: CODE } }),
      ],
    ],
    [
      "with its name in pieces",
      [
        call({ index: 0, id: "a", function: { name: "code_" } }),
        call({ index: 0, function: { name: "inter" } }),
        call({ index: 0, function: { name: "preter", arguments: CODE } }),
      ],
    ],
    [
      "with its name growing",
      [call({ index: 0, function: { name: "code" } }), call({ index: 0, function: { name: "code_interpreter", arguments: CODE } })],
    ],
    [
      "with its name in every piece",
      [...CODE].map((piece) => call({ index: 0, id: "a", function: { name: "code_interpreter", arguments: piece } })),
    ],
    [
      "with a new id and the name in every piece",
      [...CODE].map((piece, index) => call({ index: 0, id: `c${index}`, function: { name: "code_interpreter", arguments: piece } })),
    ],
    [
      "with its arguments before its name",
      [call({ index: 0, id: "a", function: { arguments: CODE } }), call({ index: 0, function: { name: "code_interpreter" } })],
    ],
    [
      "with its index as text",
      [
        call({ index: "0", id: "a", function: { name: "code_interpreter", arguments: CODE.slice(0, 4) } }),
        call({ index: "0", function: { arguments: CODE.slice(4) } }),
      ],
    ],
    ["with an index that is none", [call({ index: -1, id: "a", function: { name: "code_interpreter", arguments: CODE } })]],
    ["with a number as its id", [call({ index: 0, id: 7, function: { name: "code_interpreter", arguments: CODE } })]],
    ["with an object as arguments", [call({ index: 0, id: "a", function: { name: "code_interpreter", arguments: { code: "print(1)" } } })]],
    [
      "in the former field function_call",
      [
        chunk({ function_call: { name: "code_interpreter" } }),
        chunk({ function_call: { arguments: CODE.slice(0, 9) } }),
        chunk({ function_call: { arguments: CODE.slice(9) } }),
      ],
    ],
    [
      "as text between tags",
      [...`<tool_call>\n{"name": "code_interpreter", "arguments": ${CODE}}\n</tool_call>`].map((piece) => chunk({ content: piece })),
    ],
    ["as text without its closing tag", [chunk({ content: `<tool_call>{"name":"python","parameters":${CODE}}` })]],
    [
      "as text in tags of its own",
      [chunk({ content: "<tool_call>\n<function=code_interpreter>\n<parameter=code>\nprint(1)\n</parameter>\n</function>\n</tool_call>" })],
    ],
    ...[
      "python",
      "execute_python",
      "Python",
      "code-interpreter",
      "functions.code_interpreter",
      "code_interpreter<|channel|>commentary",
    ].map((name): [string, string[]] => [
      `of the tool under the name ${name}`,
      [call({ index: 0, id: "a", function: { name, arguments: CODE } })],
    ]),
  ])("%s is one call of the code tool", (_, chunks) => {
    expect(whole(...chunks, END)).toEqual({ text: "", reasoning: "", calls: [{ name: "code_interpreter", arguments: CODE }] });
  });

  test.each<[string, string[]]>([
    ["the same index and no id", [0, 1].map(() => call({ index: 0, function: { name: "code_interpreter", arguments: CODE } }))],
    [
      "the same index, no id, and arguments in pieces",
      [0, 1].flatMap(() => [
        call({ index: 0, function: { name: "code_interpreter" } }),
        call({ index: 0, function: { arguments: CODE.slice(0, 6) } }),
        call({ index: 0, function: { arguments: CODE.slice(6) } }),
      ]),
    ],
    [
      "the same index and different ids",
      ["a", "b"].map((id) => call({ index: 0, id, function: { name: "code_interpreter", arguments: CODE } })),
    ],
    ["no index", [chunk({ tool_calls: ["a", "b"].map((id) => ({ id, function: { name: "code_interpreter", arguments: CODE } })) })]],
    [
      "interleaved pieces",
      [
        call({ index: 0, id: "a", function: { name: "code_interpreter", arguments: CODE.slice(0, 3) } }),
        call({ index: 1, id: "b", function: { name: "code_interpreter", arguments: CODE.slice(0, 5) } }),
        call({ index: 0, function: { arguments: CODE.slice(3) } }),
        call({ index: 1, function: { arguments: CODE.slice(5) } }),
      ],
    ],
    ["both as text", [chunk({ content: `<tool_call>{"name":"python","arguments":${CODE}}</tool_call>\n`.repeat(2) })]],
  ])("and another with %s are two calls", (_, chunks) => {
    const one = { name: "code_interpreter", arguments: CODE };
    expect(whole(...chunks, END).calls).toEqual([one, one]);
  });

  test("without arguments is announced at the end; without a name it is none", () => {
    expect(whole(call({ index: 0, id: "a", function: { name: "lookup" } }), call({ index: 1, id: "b" }), END).calls).toEqual([
      { name: "lookup", arguments: "" },
    ]);
  });

  test("keeps the fields that its server needs back", () => {
    const extra_content = { google: { thought_signature: "sig" } };
    const events = all(call({ index: 0, id: "a", function: { name: "lookup", arguments: "{}" }, extra_content }), END);
    expect(events).toContainEqual({ type: "extra", index: 0, fields: extra_content });
  });

  test("of a tool that is not offered keeps its name, and in text stays text", () => {
    const chunks = new ChatChunks(new Set(["lookup"]));
    const text = `<tool_call>{"name":"python","arguments":${CODE}}</tool_call>`;
    const events = [
      ...chunks.push(chunk({ content: text })),
      ...chunks.push(call({ index: 0, function: { name: "python", arguments: CODE } })),
      ...chunks.end(true),
    ];
    expect(
      events
        .filter((event) => event.type === "text")
        .map((event) => event.delta)
        .join(""),
    ).toBe(text);
    expect(events).toContainEqual(expect.objectContaining({ type: "call", name: "python" }));
  });
});

describe("an answer", () => {
  test.each([
    ["reasoning_content", "reasoning_content"],
    ["reasoning", "reasoning"],
  ])("has the reasoning of the field %s, and says that the server needs it back there", (field, textField) => {
    const events = all(chunk({ [field]: "Let me " }), chunk({ [field]: "think." }), chunk({ content: "Yes." }), END);
    expect(events.slice(0, 3)).toEqual([
      { type: "reasoning", delta: "Let me " },
      { type: "reasoning", delta: "think." },
      { type: "text", delta: "Yes." },
    ]);
    expect(events.at(-1)).toMatchObject({ sentBack: { textField, fields: null } });
  });

  test("collects reasoning_details, which the server needs back unchanged", () => {
    const events = all(chunk({ reasoning_details: [{ id: 1 }] }), chunk({ reasoning_details: [{ id: 2 }] }), END);
    expect(events.at(-1)).toMatchObject({ sentBack: { textField: null, fields: { reasoning_details: [{ id: 1 }, { id: 2 }] } } });
  });

  test.each([
    ["at its start", "<think>\nLet me see.\n</think>\n\nIt is 4.", "\nLet me see.\n", "It is 4."],
    ["under another name", "<thinking>a</thinking>b", "a", "b"],
    ["twice", "<think>a</think>b\n<think>c</think>d", "ac", "b\nd"],
    ["unfinished", "<think>Let me see", "Let me see", ""],
    [
      "in the middle of a line, which is text",
      "The tag <think> opens it, </think> closes it.",
      "",
      "The tag <think> opens it, </think> closes it.",
    ],
    ["in a fence, which is text", "```\n<think>\n```\n", "", "```\n<think>\n```\n"],
    ["not at all, but other tags", "<b>x</b> < 3 <thin", "", "<b>x</b> < 3 <thin"],
  ])("with thinking between tags %s is the same however it is split", (_, content, reasoning, text) => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 80, maxLength: 80 }), (sizes) => {
        const pieces: string[] = [];
        for (let rest = content, at = 0; rest !== ""; at += 1) {
          pieces.push(rest.slice(0, sizes[at]));
          rest = rest.slice(sizes[at] ?? rest.length);
        }
        const turn = whole(...pieces.map((piece) => chunk({ content: piece })), END);
        expect([turn.reasoning, turn.text]).toEqual([reasoning, text]);
      }),
    );
  });

  test("without a finish reason is whole when the server said so", () => {
    const chunks = new ChatChunks(OFFERED);
    chunks.push(chunk({ content: "hi" }));
    expect(chunks.end(true).at(-1)).toMatchObject({ type: "end", finish: "stop" });
  });

  test.each([
    ["a negative count", { prompt_tokens: 3, completion_tokens: -1 }],
    ["a fraction", { prompt_tokens: 1.5 }],
    ["text", "none"],
  ])("whose usage has %s has no usage", (_, usage) => {
    expect(all(chunk({ content: "hi" }), END, JSON.stringify({ choices: [], usage })).at(-1)).toMatchObject({ usage: null });
  });

  test.each([
    [{ code: "context_length_exceeded", message: "x" }, "context_length_exceeded"],
    [{ message: "This model's maximum context length is 8192 tokens." }, "context_length_exceeded"],
    [{ type: "exceed_context_size_error", code: 400 }, "context_length_exceeded"],
    [{ code: 429, message: "slow down" }, "model_rate_limited"],
    [{ message: "secret" }, "model_broken_answer"],
  ])("that is the error %j fails as %s", (error, code) => {
    expect(() => all(JSON.stringify({ error }))).toThrow(new RegExp(`^${code}$`));
  });
});
