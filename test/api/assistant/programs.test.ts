import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type AskedOfModel, script } from "../../support/servers/model-server.ts";
import { type Body, type Rig, respond, startRig, streamOf, text } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
beforeEach(async () => {
  await rig.model.asked();
  rig.ran.length = 0;
});
afterAll(() => rig.stop());

const price = {
  type: "function",
  name: "price",
  description: "Price of an article.\nMore about it.",
  parameters: { type: "object", properties: { sku: { type: "string" } }, required: ["sku"] },
  allowed_callers: ["programmatic"],
} as const;
const tools = [{ type: "code_interpreter" }, price];
const program = "print(price(sku='a') + price(sku='b')) # program";
const ask = () => script({ code: program }, { text: "It costs 3." });

/** The program calls `price` twice, one after the other, and prints the sum. */
function twoCalls() {
  rig.onCode = () => ({
    calls: [{ name: "price", arguments: { sku: "a" } }],
    afterAnswers: ([first = ""]) => ({
      calls: [{ name: "price", arguments: { sku: "b" } }],
      afterAnswers: ([second = ""]) => ({ outputs: [text(`${Number(first) + Number(second)}\n`)] }),
    }),
  });
}
const callsOf = (response: Body) => response.output.filter((item: Body) => item.type === "function_call");
const outputOf = (call: Body, output: string) => ({ type: "function_call_output", call_id: call.call_id, output });

describe("functions that code may call", () => {
  test("are described to the model in the tool, and are none of its own", async () => {
    twoCalls();
    await respond(rig, { inputs: ask(), tools });
    const [{ body }] = (await rig.model.asked()) as AskedOfModel[] as [AskedOfModel];
    expect(body.tools.map((tool: Body) => tool.function.name)).toEqual(["code_interpreter"]);
    expect(body.tools[0].function.description).toContain("price(sku: string): Price of an article.");
    expect(body.tools[0].function.description).not.toContain("More about it");
  });

  test("pause the response with their calls, and the next response goes on with the same program", async () => {
    twoCalls();
    const first = (await respond(rig, { inputs: ask(), tools })).body;
    expect(first.status).toBe("completed");
    const [code, call] = first.output;
    expect(code).toMatchObject({ type: "code_interpreter_call", status: "in_progress", code: program });
    expect(call).toMatchObject({
      type: "function_call",
      name: "price",
      arguments: '{"sku":"a"}',
      caller: { type: "program", caller_id: code.execution_id },
    });
    const second = (await respond(rig, { inputs: [outputOf(call, "1")], tools, previous_response_id: first.id })).body;
    const [again] = callsOf(second);
    expect(again).toMatchObject({ arguments: '{"sku":"b"}', caller: call.caller });
    const third = (await respond(rig, { inputs: [outputOf(again, "2")], tools, previous_response_id: second.id })).body;
    expect(third.output[0]).toMatchObject({ type: "code_interpreter_call", status: "completed", outputs: [{ text: "3" }] });
    expect(third.output[1].content[0].text).toBe("It costs 3.");
    expect(rig.ran).toEqual([program]);
    // The model sees one call of its tool, with the result of the whole program.
    const { messages } = (await rig.model.asked()).at(-1)?.body ?? {};
    expect(messages.map((message: Body) => [message.role, message.tool_calls?.length ?? message.content])).toEqual([
      ["system", expect.any(String)],
      ["user", expect.any(String)],
      ["assistant", 1],
      ["tool", "3"],
    ]);
  });

  test("go on when the client sends the items back instead of an id", async () => {
    twoCalls();
    const question = { type: "message", role: "user", content: ask() };
    const first = (await respond(rig, { inputs: [question], tools, store: false })).body;
    const items = [
      question,
      ...first.output.map(({ execution_id: _, cause: __, ...item }: Body) => item),
      outputOf(callsOf(first)[0], "1"),
    ];
    const second = (await respond(rig, { inputs: items, tools, store: false })).body;
    expect(callsOf(second)[0]).toMatchObject({ arguments: '{"sku":"b"}' });
    expect(rig.ran).toEqual([program]);
  });

  test("stream as any other call", async () => {
    twoCalls();
    const events = await streamOf(rig, { inputs: ask(), tools });
    const done = events.filter((event) => event.type === "response.output_item.done").map((event) => [event.item.type, event.item.status]);
    expect(done).toEqual([
      ["code_interpreter_call", "in_progress"],
      ["function_call", "completed"],
    ]);
    expect(events.at(-1).type).toBe("response.completed");
  });

  test("of a program that has ended meanwhile are said to the model, which may write another", async () => {
    twoCalls();
    const first = (await respond(rig, { inputs: ask(), tools })).body;
    const [call] = callsOf(first);
    await rig.api.executions.cancel("org_a", call.caller.caller_id);
    const second = (await respond(rig, { inputs: [outputOf(call, "1")], tools, previous_response_id: first.id })).body;
    expect(second.output[0]).toMatchObject({ type: "code_interpreter_call", status: "failed" });
    const { messages } = (await rig.model.asked()).at(-1)?.body ?? {};
    expect(messages.at(-1).content).toContain("The program had ended before its functions were answered");
  });

  test("need names that Python can call", async () => {
    const refused = await respond(rig, { inputs: "x", tools: [{ type: "code_interpreter" }, { ...price, name: "get-price" }] });
    expect([refused.status, refused.body.error.param]).toEqual([422, "tools.1.name"]);
  });

  test("may be the model's too, and `programmatic_tool_calling` turns code on", async () => {
    twoCalls();
    const both = { ...price, allowed_callers: ["direct", "programmatic"] };
    const first = (await respond(rig, { inputs: ask(), tools: [{ type: "programmatic_tool_calling" }, both] })).body;
    expect(callsOf(first)).toHaveLength(1);
    const [{ body }] = (await rig.model.asked()) as AskedOfModel[] as [AskedOfModel];
    expect(body.tools.map((tool: Body) => tool.function.name)).toEqual(["code_interpreter", "price"]);
  });

  test("work with the openai package, unmodified", async () => {
    twoCalls();
    const openai = new OpenAI({ apiKey: rig.key, baseURL: `${rig.api.url}/v1`, maxRetries: 0 });
    const given = [
      { type: "code_interpreter", container: { type: "auto" } },
      { ...price, strict: false },
    ] as unknown as OpenAI.Responses.Tool[];
    let response = await openai.responses.create({ model: "scripted", input: ask(), tools: given });
    for (let turn = 0; turn < 2; turn++) {
      const call = response.output.find((item) => item.type === "function_call");
      const caller = (call as { caller?: unknown } | undefined)?.caller;
      expect(caller).toMatchObject({ type: "program" });
      const input = [{ type: "function_call_output", call_id: call?.call_id, output: `${turn + 1}`, caller }];
      response = await openai.responses.create({
        model: "scripted",
        input: input as unknown as OpenAI.Responses.ResponseInput,
        tools: given,
        previous_response_id: response.id,
      });
    }
    expect(response.output_text).toBe("It costs 3.");
  });
});
