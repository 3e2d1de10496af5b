import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { script } from "../../support/servers/model-server.ts";
import { names, type Rig, respond, startRig, streamOf, TOOL, text } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());
beforeEach(async () => {
  rig.ran.length = 0;
  rig.sessions.created.length = 0;
  rig.onCode = () => ({ outputs: [text("42")] });
  await rig.model.asked();
});

const types = (body: { output: Array<{ type: string }> }) => body.output.map((item) => item.type);

describe("on", () => {
  test.each([
    ["the tool's mode", { tools: [{ ...TOOL, mode: "on" }] }],
    ["tool_choice naming the tool", { tools: [TOOL], tool_choice: { type: "code_interpreter" } }],
    ["tool_choice required, with no other tool", { tools: [TOOL], tool_choice: "required" }],
    ["tool_choice, which goes before the mode", { tools: [{ ...TOOL, mode: "off" }], tool_choice: { type: "code_interpreter" } }],
  ])("by %s forces the tool until code has run", async (_, fields) => {
    const answer = await respond(rig, { ...fields, inputs: script({ code: "6*7" }, { text: "It is 42." }) });
    expect(types(answer.body)).toEqual(["code_interpreter_call", "message"]);
    const asked = await rig.model.asked();
    expect(asked.map(({ body }) => body.tool_choice)).toEqual([{ type: "function", function: { name: "code_interpreter" } }, "auto"]);
  });

  test("repeats the turn, without its text, when the model answers before it runs code", async () => {
    const events = await streamOf(rig, {
      tools: [{ ...TOOL, mode: "on" }],
      inputs: script({ text: "I know it." }, { text: "I do know." }, { code: "6*7" }, { text: "It is 42." }),
    });
    expect(types(events.at(-1).response)).toEqual(["code_interpreter_call", "message"]);
    expect(JSON.stringify(events)).not.toContain("know");
    expect((await rig.model.asked())[2]?.body.messages.at(-1)).toMatchObject({
      role: "user",
      content: expect.stringContaining("You have not run code yet"),
    });
  });

  test("fails with code_not_run when the model never runs code", async () => {
    const answer = await respond(rig, { tools: [{ ...TOOL, mode: "on" }], inputs: script({ text: "41." }) });
    expect(answer.body).toMatchObject({
      status: "failed",
      error: { code: "code_not_run", message: expect.stringContaining("did not run code") },
      output: [],
    });
    expect((await rig.model.asked()).length).toBe(3);
  });

  test("instructs the model in words when its server refuses a forced tool choice", async () => {
    const answer = await respond(rig, {
      tools: [{ ...TOOL, mode: "on" }],
      inputs: script({ status: 400 }, { code: "6*7" }, { text: "42" }),
    });
    expect(types(answer.body)).toEqual(["code_interpreter_call", "message"]);
    expect((await rig.model.asked()).map(({ body }) => body.tool_choice)).toEqual([expect.anything(), "auto", "auto"]);
  });

  test("does not count code that could not be run", async () => {
    const answer = await respond(rig, {
      tools: [{ ...TOOL, mode: "on" }],
      inputs: script({ arguments: "{}" }, { text: "41" }, { code: "6*7" }, { text: "42" }),
    });
    expect(answer.body.output.map((item: { status: string }) => item.status)).toEqual(["failed", "completed", "completed"]);
    expect(rig.ran).toEqual(["6*7"]);
  });

  test("does not count code that never started", async () => {
    rig.onCode = () => ({ end: { status: "errored", cause: "worker_lost", outcome: "never_started" } });
    const answer = await respond(rig, { tools: [{ ...TOOL, mode: "on" }], inputs: script({ code: "6*7" }, { text: "41" }) });
    expect(answer.body).toMatchObject({ status: "failed", error: { code: "code_not_run" } });
  });
});

describe("off", () => {
  test.each([
    ["the tool's mode", { tools: [{ ...TOOL, mode: "off" }] }],
    ["tool_choice none", { tools: [TOOL], tool_choice: "none" }],
    ["omitting the tool", {}],
  ])("by %s withholds the tool", async (_, fields) => {
    const answer = await respond(rig, { ...fields, inputs: script({ text: "hello" }) });
    expect(types(answer.body)).toEqual(["message"]);
    const [asked] = await rig.model.asked();
    expect([asked?.body.tools, asked?.body.tool_choice]).toEqual([undefined, undefined]);
  });

  test("runs no code when the model calls the tool, and adds a note for the model", async () => {
    const events = await streamOf(rig, { tools: [{ ...TOOL, mode: "off" }], inputs: script({ code: "6*7" }, { text: "About 42." }) });
    expect([rig.ran, rig.sessions.created]).toEqual([[], []]);
    expect(names(events).some((name) => name.includes("code"))).toBe(false);
    expect(types(events.at(-1).response)).toEqual(["message"]);
    expect((await rig.model.asked())[1]?.body.messages.at(-1).content).toContain("without calling tools");
  });

  test("fails with code_not_allowed when the model keeps calling the tool", async () => {
    const answer = await respond(rig, { tools: [{ ...TOOL, mode: "off" }], inputs: script({ code: "6*7" }) });
    expect(answer.body).toMatchObject({ status: "failed", error: { code: "code_not_allowed" }, output: [] });
    expect(rig.ran).toEqual([]);
  });
});

test("auto leaves it to the model", async () => {
  const answer = await respond(rig, { tools: [TOOL], inputs: script({ text: "Paris." }) });
  expect(types(answer.body)).toEqual(["message"]);
});

describe("functions of the caller", () => {
  const LOOKUP = {
    type: "function",
    name: "lookup",
    description: "Looks up",
    parameters: { type: "object", properties: { city: { type: "string" } } },
    strict: false,
  };
  const calls = [{ name: "lookup", arguments: '{"city":"Paris"}' }];

  test("reach the model unchanged, and its call ends the response", async () => {
    const events = await streamOf(rig, { tools: [TOOL, LOOKUP], input: script({ calls }) });
    expect(names(events)).toEqual([
      "created",
      "in_progress",
      "output_item.added",
      "function_call_arguments.delta",
      "function_call_arguments.done",
      "output_item.done",
      "completed",
    ]);
    const { output, status } = events.at(-1).response;
    expect(status).toBe("completed");
    expect(output).toEqual([
      {
        type: "function_call",
        id: expect.stringMatching(/^fc_/),
        call_id: expect.any(String),
        name: "lookup",
        arguments: '{"city":"Paris"}',
        status: "completed",
      },
    ]);
    const { type: _, ...declared } = LOOKUP;
    expect((await rig.model.asked())[0]?.body.tools[1]).toEqual({ type: "function", function: declared });
  });

  test("are answered in the next request, and the model sees call and output", async () => {
    const first = await respond(rig, { tools: [TOOL, LOOKUP], input: script({ calls }) });
    const { call_id } = first.body.output[0];
    const input = [
      { type: "function_call_output", call_id, output: "18 °C" },
      { role: "user", content: script({ text: "It is 18 °C." }) },
    ];
    const second = await respond(rig, { tools: [TOOL, LOOKUP], previous_response_id: first.body.id, input });
    expect(second.body.output[0].content[0].text).toBe("It is 18 °C.");
    const messages = (await rig.model.asked())[1]?.body.messages.slice(2);
    expect(messages.slice(0, 2)).toEqual([
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: call_id, type: "function", function: { name: "lookup", arguments: '{"city":"Paris"}' } }],
      },
      { role: "tool", tool_call_id: call_id, content: "18 °C" },
    ]);
  });

  test("without an output are refused before the model is called", async () => {
    const first = await respond(rig, { tools: [LOOKUP], input: script({ calls }) });
    const second = await respond(rig, { tools: [LOOKUP], previous_response_id: first.body.id, input: "And?" });
    expect([second.status, second.body.error.code, second.body.error.param]).toEqual([400, "invalid_field", "input"]);
  });

  test("can be forced by name and by required, on the first turn", async () => {
    await respond(rig, { tools: [TOOL, LOOKUP], tool_choice: { type: "function", name: "lookup" }, input: script({ calls }) });
    await respond(rig, { tools: [TOOL, LOOKUP], tool_choice: "required", input: script({ code: "# a" }, { text: "b" }) });
    expect((await rig.model.asked()).map(({ body }) => body.tool_choice)).toEqual([
      { type: "function", function: { name: "lookup" } },
      "required",
      "auto",
    ]);
  });

  test("can be restricted by allowed_tools", async () => {
    const tool_choice = { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "lookup" }] };
    await respond(rig, { tools: [TOOL, LOOKUP], tool_choice, input: script({ text: "hi" }) });
    expect((await rig.model.asked())[0]?.body.tools.map((tool: { function: { name: string } }) => tool.function.name)).toEqual(["lookup"]);
  });

  test("cut by the token limit are incomplete, like the response", async () => {
    const answer = await respond(rig, {
      tools: [LOOKUP],
      inputs: script({ calls: [{ name: "lookup", arguments: '{"ci' }], finish: "length" }),
    });
    expect(answer.body).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      output: [{ status: "incomplete" }],
    });
  });

  test("called together with code are returned after the code has run", async () => {
    const both = [{ name: "code_interpreter", arguments: '{"code":"6*7"}' }, ...calls];
    const answer = await respond(rig, { tools: [TOOL, LOOKUP], inputs: script({ calls: both }) });
    expect(answer.body.status).toBe("completed");
    expect(answer.body.output.map((item: { type: string; status: string }) => [item.type, item.status])).toEqual([
      ["code_interpreter_call", "completed"],
      ["function_call", "completed"],
    ]);
    expect(rig.ran).toEqual(["6*7"]);
  });
});
