import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { script } from "../../support/servers/model-server.ts";
import { type Body, names, type Rig, respond, startRig, streamOf, TOOL } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
beforeEach(async () => {
  await rig.model.asked();
  rig.ran.length = 0;
});
afterAll(() => rig.stop());

const chunk = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const DONE = "data: [DONE]\n\n";
const END = chunk({}, "tool_calls") + DONE;
const CODE = '{"code":"print(1) # one"}';
const call = (part: object) => chunk({ tool_calls: [part] });
const args = (text: string, name = "code_interpreter") => call({ index: 0, id: "a", function: { name, arguments: text } });

/** How servers of the chat-completions protocol, and models behind them, stream a call of the code tool. */
const calls: Array<[string, string]> = [
  [
    "the id first, the name later",
    call({ index: 0, id: "a" }) +
      call({ index: 0, function: { name: "code_interpreter" } }) +
      call({ index: 0, function: { arguments: CODE } }) +
      END,
  ],
  [
    "a name split over deltas",
    call({ index: 0, id: "a", function: { name: "code_" } }) +
      call({ index: 0, function: { name: "interpreter" } }) +
      call({ index: 0, function: { arguments: CODE } }) +
      END,
  ],
  ["[DONE] without a finish reason", args(CODE) + DONE],
  [
    "a negative number of tokens",
    `${args(CODE)}${chunk({}, "tool_calls")}data: ${JSON.stringify({ choices: [], usage: { completion_tokens: -1 } })}\n\n${DONE}`,
  ],
  ["the index as text", call({ index: "0", id: "a", function: { name: "code_interpreter", arguments: CODE } }) + END],
  [
    "a new id and the name in every delta",
    [...CODE]
      .map((piece, index) => call({ index: 0, id: `c${index}`, function: { name: "code_interpreter", arguments: piece } }))
      .join("") + END,
  ],
  ["real newlines in the string", args('{"code": "# one\nprint(1)"}') + END],
  ["bare code as arguments", args("print(1) # one") + END],
  ["doubly encoded JSON", args(JSON.stringify(CODE)) + END],
  ["the key python", args('{"python":"print(1) # one"}') + END],
  ["the key source", args('{"source":"print(1) # one"}') + END],
  ["code in fences", args(JSON.stringify({ code: "```python\nprint(1) # one\n```" })) + END],
  ["the tool called python", args(CODE, "python") + END],
  ["the tool called execute_python", args(CODE, "execute_python") + END],
  [
    "a call in tags as text",
    chunk({ content: `<tool_call>\n{"name": "code_interpreter", "arguments": ${CODE}}\n</tool_call>` }) + chunk({}, "stop") + DONE,
  ],
  [
    "the former field function_call",
    chunk({ function_call: { name: "code_interpreter", arguments: CODE } }) + chunk({}, "function_call") + DONE,
  ],
];

describe("a model's server that streams", () => {
  test.each(calls)("%s has its code run", async (_, raw) => {
    const { body } = await respond(rig, { tools: [TOOL], inputs: script({ raw }, { text: "Done." }) });
    expect(body.error).toBeNull();
    expect(rig.ran.length).toBe(1);
    expect(rig.ran[0]).toContain("print(1)");
    expect(rig.ran[0]).not.toContain("```");
    expect(body.output.map((item: Body) => item.type)).toEqual(["code_interpreter_call", "message"]);
  });

  test("two calls with the same index and no id has both run", async () => {
    const raw =
      [1, 2].map((n) => call({ index: 0, function: { name: "code_interpreter", arguments: `{"code":"print(${n})"}` } })).join("") + END;
    await respond(rig, { tools: [TOOL], inputs: script({ raw }, { text: "Done." }) });
    expect(rig.ran).toEqual(["print(1)", "print(2)"]);
  });

  test("a call in tags when no code is offered has its text shown", async () => {
    const text = `<tool_call>{"name": "code_interpreter", "arguments": ${CODE}}</tool_call>`;
    const { body } = await respond(rig, { inputs: script({ text }) });
    expect(body.output[0].content[0].text).toBe(text);
  });
});

describe("a model that thinks", () => {
  const thinking = { extra_content: { google: { thought_signature: "sig" } } };

  test("between tags has no thinking in its message, but as a reasoning item", async () => {
    const { body } = await respond(rig, { input: script({ text: "<think>\n2 and 2\n</think>\n\nIt is 4." }) });
    expect(body.output).toMatchObject([
      {
        type: "reasoning",
        id: expect.stringMatching(/^rs_/),
        status: "completed",
        summary: [],
        content: [{ type: "reasoning_text", text: "\n2 and 2\n" }],
      },
      { type: "message", content: [{ text: "It is 4." }] },
    ]);
  });

  test.each(["reasoning_content", "reasoning"])(
    "in the field %s gets it back with its call, in this response and the next",
    async (field) => {
      const raw = chunk({ [field]: "I should " }) + chunk({ [field]: "count." }) + args(CODE) + END;
      const first = await respond(rig, { tools: [TOOL], input: script({ raw }, { text: "One." }) });
      expect(first.body.output.map((item: Body) => item.type)).toEqual(["reasoning", "code_interpreter_call", "message"]);
      await respond(rig, { tools: [TOOL], input: script({ text: "Yes." }), previous_response_id: first.body.id });
      const asked = await rig.model.asked();
      for (const { body } of asked.slice(1)) {
        const turn = body.messages.find((message: Body) => message.tool_calls);
        expect([turn[field], turn.tool_calls.length]).toEqual(["I should count.", 1]);
        // Nothing of it in turns without calls: DeepSeek refuses that.
        expect(body.messages.filter((message: Body) => field in message).length).toBe(1);
      }
      expect(asked.length).toBe(3);
    },
  );

  test("and signs its calls gets the signatures back, all calls of a turn in one message", async () => {
    const raw =
      call({ index: 0, id: "a", function: { name: "code_interpreter", arguments: '{"code":"1"}' }, ...thinking }) +
      call({ index: 1, id: "b", function: { name: "code_interpreter", arguments: '{"code":"2"}' } }) +
      END;
    const first = await respond(rig, { tools: [TOOL], input: script({ raw }, { text: "Done." }) });
    await respond(rig, { tools: [TOOL], input: script({ text: "Yes." }), previous_response_id: first.body.id });
    for (const { body } of (await rig.model.asked()).slice(1)) {
      const turns = body.messages.filter((message: Body) => message.tool_calls);
      expect(turns.map((turn: Body) => turn.tool_calls.map((one: Body) => one.extra_content))).toEqual([
        [thinking.extra_content, undefined],
      ]);
    }
  });

  test("is streamed as reasoning", async () => {
    const raw = chunk({ reasoning_content: "Hm" }) + chunk({ reasoning_content: "m." }) + chunk({ content: "4" }, "stop") + DONE;
    const events = await streamOf(rig, { input: script({ raw }) });
    expect(names(events).slice(2, 9)).toEqual([
      "output_item.added",
      "content_part.added",
      "reasoning_text.delta",
      "reasoning_text.done",
      "content_part.done",
      "output_item.done",
      "output_item.added",
    ]);
    expect(events.find((event) => event.type === "response.reasoning_text.done").text).toBe("Hmm.");
  });

  test("without storage gets it back from the client, which carries it", async () => {
    const raw =
      chunk({ reasoning_content: "I should count." }) +
      call({ index: 0, id: "a", function: { name: "lookup", arguments: "{}" }, ...thinking }) +
      END;
    const tools = [TOOL, { type: "function", name: "lookup" }];
    const include = ["reasoning.encrypted_content"];
    const first = await respond(rig, { tools, input: script({ raw }), include, store: false });
    const { output } = first.body;
    expect(output[0].encrypted_content).toEqual(expect.any(String));
    const result = { type: "function_call_output", call_id: output[1].call_id, output: "7" };
    await respond(rig, {
      tools,
      input: [{ role: "user", content: "x" }, ...output, result, { role: "user", content: script({ text: "7" }) }],
      store: false,
    });
    const turn = (await rig.model.asked())[1]?.body.messages.find((message: Body) => message.tool_calls);
    expect(turn.reasoning_content).toBe("I should count.");
  });
});
