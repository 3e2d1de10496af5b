import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { call } from "../../support/checks/call.ts";
import { script } from "../../support/servers/model-server.ts";
import { type Body, type Rig, respond, startRig, TOOL } from "./rig.ts";

let rig: Rig;
let client: OpenAI;
beforeAll(async () => {
  rig = await startRig({ seesImages: true });
  client = new OpenAI({ baseURL: `${rig.api.url}/v1`, apiKey: rig.key, maxRetries: 0 });
});
beforeEach(() => rig.model.asked());
afterAll(() => rig.stop());

const asked = async () => (await rig.model.asked())[0]?.body.messages;

test("a model is found by its id", async () => {
  expect(await client.models.retrieve("scripted")).toEqual({ id: "scripted", object: "model", created: 0, owned_by: "operator" });
  await expect(client.models.retrieve("gpt-unknown/x")).rejects.toMatchObject({ status: 404, code: "model_not_found" });
  await call(rig.api.url, "GET /v1/models/scripted", { key: rig.key, as: "/v1/models/{id}" });
});

test("input tokens are estimated without calling the model", async () => {
  const short = await client.responses.inputTokens.count({ model: "scripted", input: "x".repeat(400) });
  const long = await client.responses.inputTokens.count({ model: "scripted", input: "x".repeat(4_000) });
  expect(short).toMatchObject({ object: "response.input_tokens", input_tokens: expect.any(Number) });
  expect(long.input_tokens - short.input_tokens).toBe(900);
  expect(await rig.model.asked()).toEqual([]);
});

test("compact is refused with the reason, and not retried", async () => {
  await expect(client.responses.compact({ model: "scripted" as Body, input: "x" })).rejects.toMatchObject({
    status: 400,
    code: "not_supported",
  });
});

describe("an item of the input", () => {
  test("of an unknown kind is kept, shown again, and given to the model", async () => {
    const item = { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "weather" } };
    const made = await respond(rig, { input: [item, { role: "user", content: script({ text: "ok" }) }] });
    expect(made.status).toBe(200);
    expect((await asked())[0].content).toContain('"query":"weather"');
    const kept = await call(rig.api.url, `GET /v1/responses/${made.body.id}/input_items?order=asc`, {
      key: rig.key,
      as: "/v1/responses/{id}/input_items",
    });
    expect(kept.body.data[0]).toMatchObject({ type: "web_search_call", action: item.action });
  });

  test("that a function returned may have images and files", async () => {
    const form = new FormData();
    form.set("file", new Blob(["a,b"]), "data.csv");
    const file = (await call(rig.api.url, "POST /v1/files", { key: rig.key, body: form })).body;
    const output = [
      { type: "input_text", text: "Here." },
      { type: "input_image", image_url: "data:image/png;base64,AAAA" },
      { type: "input_file", file_id: file.id },
    ];
    const tools = [TOOL, { type: "function", name: "shoot" }];
    const input = [
      { role: "user", content: script({ text: "I see." }) },
      { type: "function_call", call_id: "c1", name: "shoot", arguments: "{}" },
      { type: "function_call_output", call_id: "c1", output },
    ];
    expect((await respond(rig, { tools, input })).body.status).toBe("completed");
    const [, , , result, images] = await asked();
    expect(result).toMatchObject({ role: "tool", tool_call_id: "c1", content: expect.stringMatching(/^Here\.\n\[Files in .*data\.csv/) });
    expect(images.content[1]).toMatchObject({ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } });
  });
});

test("parallel calls of functions are one message of the assistant", async () => {
  const call = (id: string) => ({ type: "function_call", call_id: id, name: "f", arguments: "{}" });
  const output = (id: string) => ({ type: "function_call_output", call_id: id, output: id });
  const input = [{ role: "user", content: script({ text: "ok" }) }, call("a"), call("b"), output("a"), output("b")];
  await respond(rig, { tools: [{ type: "function", name: "f" }], input });
  expect((await asked()).map((one: Body) => [one.role, one.tool_calls?.length ?? one.content]).slice(1)).toEqual([
    ["assistant", 2],
    ["tool", "a"],
    ["tool", "b"],
  ]);
});

test("an unknown value of include is refused, and a known one is not", async () => {
  const refused = await respond(rig, { input: "x", include: ["everything"] });
  expect([refused.status, refused.body.error.param]).toEqual([400, "include.0"]);
  const include = ["message.output_text.logprobs", "reasoning.encrypted_content", "web_search_call.action.sources"];
  expect((await respond(rig, { input: script({ text: "ok" }), include })).status).toBe(200);
});

describe("a conversation that is too long for the model", () => {
  const TOO_LONG = { status: 400, error: { code: "context_length_exceeded", message: "x" } };
  const input = (...turns: object[]) => [
    ...[1, 2, 3, 4].flatMap((n) => [
      { role: "user", content: `question ${n}` },
      { role: "assistant", content: `answer ${n}` },
    ]),
    { role: "user", content: script(...turns) },
  ];

  test("loses its older half, until it fits, with truncation auto", async () => {
    const { body } = await respond(rig, {
      input: input(TOO_LONG, TOO_LONG, { text: "ok" }),
      instructions: "Be brief.",
      truncation: "auto",
    });
    expect(body.status).toBe("completed");
    const sent = (await rig.model.asked()).map((one) => one.body.messages.map((message: Body) => message.content));
    expect(sent.map((contents) => contents.length)).toEqual([10, 6, 4]);
    for (const contents of sent) expect([contents[0], contents.at(-1)]).toEqual(["Be brief.", expect.stringContaining("#script")]);
    expect(sent[2]?.slice(1, 3)).toEqual(["question 4", "answer 4"]);
  });

  test("is refused without it, and when nothing is left to leave out", async () => {
    const disabled = await respond(rig, { input: input(TOO_LONG, { text: "ok" }) });
    expect([disabled.status, disabled.body.error.code]).toEqual([400, "context_length_exceeded"]);
    const always = await respond(rig, { input: input(TOO_LONG), truncation: "auto" });
    expect([always.status, always.body.error.code]).toEqual([400, "context_length_exceeded"]);
  });
});
