import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call } from "../../support/checks/call.ts";
import { script } from "../../support/servers/model-server.ts";
import { type Rig, respond, startRig, TOOL } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());

const INPUTS = { inputs: "x" };

describe("a request in our dialect", () => {
  test.each([
    [{ ...INPUTS, colour: 1 }, "unknown_field", "colour"],
    [{ ...INPUTS, reasoning: {} }, "unknown_field", "reasoning"],
    [{ inputs: [{ role: "user", content: "x", colour: 1 }] }, "unknown_field", "inputs.0.colour"],
    [{ inputs: [{ role: "user", content: [{ type: "text", text: "x", colour: 1 }] }] }, "unknown_field", "inputs.0.content.0.colour"],
    [{ inputs: [{ role: "king", content: "x" }] }, "invalid_field", "inputs.0.role"],
    [{ inputs: [{ role: "user", content: [{ type: "video" }] }] }, "invalid_field", "inputs.0.content.0.type"],
    [{ inputs: [] }, "invalid_field", "inputs"],
    [{ assistant_id: `asst_${"0".repeat(24)}` }, "invalid_field", "inputs"],
    [{ ...INPUTS, tools: [{ ...TOOL, mode: "sometimes" }] }, "invalid_field", "tools.0.mode"],
    [{ ...INPUTS, tools: [{ ...TOOL, speed: 1 }] }, "unknown_field", "tools.0.speed"],
    [{ ...INPUTS, tools: [TOOL, TOOL] }, "invalid_field", "tools"],
    [{ ...INPUTS, tools: [{ type: "function", name: "code_interpreter" }] }, "invalid_field", "tools.0.name"],
    [
      { ...INPUTS, tools: [{ ...TOOL, container: { type: "auto", network_policy: { type: "allowlist", allowed_domains: ["a"] } } }] },
      "invalid_field",
      "tools.0.container",
    ],
    [{ ...INPUTS, tool_choice: { type: "code_interpreter" } }, "invalid_field", "tool_choice"],
    [{ ...INPUTS, tool_choice: "required" }, "invalid_field", "tool_choice"],
    [{ ...INPUTS, model: "gpt-unknown" }, "model_not_found", "model"],
    [{ ...INPUTS, organization_id: "org_b" }, "foreign_organization", "organization_id"],
    [{ ...INPUTS, metadata: { a: 1 } }, "invalid_field", "metadata.a"],
    [{ ...INPUTS, assistant_id: "asst_x" }, "invalid_field", "assistant_id"],
    [
      { inputs: [{ role: "user", content: [{ type: "input_image", image_url: "data:image/png;base64,x" }] }] },
      "invalid_field",
      "inputs.0.content.0",
    ],
    [{ inputs: [{ type: "function_call_output", call_id: "c", output: "x" }] }, "invalid_field", "inputs"],
  ])("with %j is refused: %s, naming %s", async (body, code, param) => {
    const answer = await respond(rig, body);
    expect([answer.body.error.code, answer.body.error.param]).toEqual([code, param]);
  });
});

describe("a request in OpenAI's dialect", () => {
  test("accepts fields of newer clients, and echoes fields without a meaning here", async () => {
    const fields = {
      user: "u1",
      safety_identifier: "s1",
      prompt_cache_key: "p1",
      service_tier: "auto",
      truncation: "auto",
      metadata: { a: "b" },
      brand_new_field: { x: 1 },
    };
    const answer = await respond(rig, { input: [{ role: "user", content: script({ text: "ok" }), brand_new: 1 }], ...fields });
    const { brand_new_field: _, ...echoed } = fields;
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ ...echoed, tool_choice: "auto", parallel_tool_calls: true, text: { format: { type: "text" } } });
    expect(answer.body).not.toHaveProperty("brand_new_field");
  });

  test("has sizes above the operator's bounds lowered, and the answer says so", async () => {
    const { body } = await respond(rig, { input: script({ text: "ok" }), max_output_tokens: 10_000_000, max_tool_calls: 1_000 });
    expect([body.max_output_tokens, body.max_tool_calls]).toEqual([16_384, 16]);
    expect((await rig.model.asked()).at(-1)?.body.max_tokens).toBe(16_384);
  });

  test("passes the model's own fields to the model", async () => {
    await rig.model.asked();
    const format = { type: "json_schema", name: "answer", schema: { type: "object" }, strict: true };
    await respond(rig, {
      input: script({ text: "{}" }),
      temperature: 0.2,
      top_p: 0.9,
      max_output_tokens: 50,
      reasoning: { effort: "low" },
      text: { format, verbosity: "low" },
      prompt_cache_key: "p1",
      service_tier: "flex",
      user: "u1",
    });
    expect((await rig.model.asked())[0]?.body).toMatchObject({
      temperature: 0.2,
      top_p: 0.9,
      max_tokens: 50,
      reasoning_effort: "low",
      verbosity: "low",
      prompt_cache_key: "p1",
      service_tier: "flex",
      user: "u1",
      response_format: { type: "json_schema", json_schema: { name: "answer", schema: { type: "object" }, strict: true } },
    });
  });

  test("accepts a conversation that the client sends back, including code", async () => {
    rig.onCode = () => ({ outputs: [{ type: "text", stream: "stdout", text: "42" }] });
    const include = ["code_interpreter_call.outputs"];
    const first = await respond(rig, { tools: [TOOL], input: script({ code: "6*7" }, { text: "42" }), include });
    await rig.model.asked();
    const input = [
      { role: "user", content: "6*7?" },
      { type: "reasoning", id: "rs_1", summary: [] },
      ...first.body.output,
      { role: "user", content: script({ text: "Yes." }) },
    ];
    const second = await respond(rig, { tools: [TOOL], input });
    expect(second.body.status).toBe("completed");
    expect(
      (await rig.model.asked())[0]?.body.messages
        .map((message: { role: string; content: unknown }) => [message.role, message.content])
        .slice(1, 5),
    ).toEqual([
      ["user", "6*7?"],
      ["assistant", null],
      ["tool", "42"],
      ["assistant", "42"],
    ]);
  });

  test.each([
    [{}, "input"],
    [{ model: "scripted", tools: [TOOL] }, "input"],
    [{ input: [{ role: "user", content: [{ type: "input_file", file_url: "https://example.com/a.csv" }] }] }, "input.0.content.0.file_url"],
    [{ input: [{ type: "item_reference", id: `msg_${"0".repeat(24)}` }] }, "input.0.id"],
    [{ input: "x", conversation: "conv_1" }, "conversation"],
    [{ input: "x", tools: [{ type: "web_search" }] }, "tools.0.type"],
    [{ input: [{ role: "user", content: 7 }] }, "input.0.content"],
  ])("with %j is refused, naming %s", async (body, param) => {
    const answer = await respond(rig, body);
    expect([answer.status, answer.body.error.code, answer.body.error.param]).toEqual([400, "invalid_field", param]);
  });
});

test.each([
  ["tools", { tools: [{ type: "function", name: "f", description: "d".repeat(300_000) }] }],
  ["text", { text: { format: { type: "json_schema", schema: { d: "d".repeat(300_000) } } } }],
])("too large %s are refused, with the bound", async (param, fields) => {
  const answer = await respond(rig, { input: "x", ...fields });
  expect([answer.status, answer.body.error.param]).toEqual([400, param]);
  expect(answer.body.detail).toContain("262144 bytes");
});

test("a body that is nested too deeply to be serialized is refused, with the bound", async () => {
  const nested = (levels: number) => JSON.parse("[".repeat(levels) + "]".repeat(levels));
  const deep = (levels: number) => ({
    input: script({ text: "ok" }),
    tools: [{ type: "function", name: "f", parameters: { a: nested(levels) } }],
  });
  expect((await respond(rig, deep(120))).status).toBe(200);
  const answer = await call(rig.api.url, "POST /v1/responses", { key: rig.key, body: deep(2_000) });
  expect([answer.status, answer.body.code, answer.body.detail]).toEqual([400, "malformed_request", expect.stringContaining("128 levels")]);
});

test("a conversation that is too large to store is refused, with the bound", async () => {
  const small = await startRig({ limits: { responseBytesMax: 20_000 } });
  try {
    const answer = await respond(small, { inputs: "x".repeat(30_000) });
    expect([answer.status, answer.body.error.code]).toEqual([422, "invalid_field"]);
    expect(answer.body.detail).toContain("20000 bytes");
  } finally {
    await small.stop();
  }
});
