import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { call } from "../../support/checks/call.ts";
import { script } from "../../support/servers/model-server.ts";
import { type Body, type Rig, respond, startRig, TOOL } from "./rig.ts";

let rig: Rig;
let client: OpenAI;
beforeAll(async () => {
  rig = await startRig();
  client = new OpenAI({ baseURL: `${rig.api.url}/v1`, apiKey: rig.key, maxRetries: 0 });
});
beforeEach(async () => {
  await rig.model.asked();
  rig.sessions.created.length = 0;
});
afterAll(() => rig.stop());

const user = (content: string) => ({ type: "message", role: "user", content }) as const;
const types = async (id: string) => {
  const found: string[] = [];
  for await (const item of client.conversations.items.list(id, { order: "asc" })) found.push(item.type);
  return found;
};

describe("a conversation", () => {
  test("is created, changed and deleted", async () => {
    const made = await client.conversations.create({ metadata: { topic: "a" }, items: [user("hello")] });
    expect(made).toMatchObject({ object: "conversation", metadata: { topic: "a" }, created_at: expect.any(Number) });
    expect((await client.conversations.update(made.id, { metadata: { topic: "b" } })).metadata).toEqual({ topic: "b" });
    expect(await client.conversations.retrieve(made.id)).toMatchObject({ id: made.id, metadata: { topic: "b" } });
    expect(await types(made.id)).toEqual(["message"]);
    expect(await client.conversations.delete(made.id)).toEqual({ id: made.id, object: "conversation.deleted", deleted: true });
    await expect(client.conversations.retrieve(made.id)).rejects.toMatchObject({ status: 404, code: "conversation_not_found" });
  });

  test("has items that are added, read and removed", async () => {
    const { id } = await client.conversations.create();
    const added = await client.conversations.items.create(id, { items: [user("one"), user("two")] });
    expect(added.data).toMatchObject([{ role: "user", content: [{ type: "input_text", text: "one" }] }, { role: "user" }]);
    const [first, second] = added.data as [Body, Body];
    expect(await client.conversations.items.retrieve(first.id, { conversation_id: id })).toEqual(first);
    expect((await client.conversations.items.list(id)).data.map((item: Body) => item.id)).toEqual([second.id, first.id]);
    await client.conversations.items.delete(first.id, { conversation_id: id });
    expect((await client.conversations.items.list(id)).data).toEqual([second]);
    await expect(client.conversations.items.retrieve(first.id, { conversation_id: id })).rejects.toMatchObject({ code: "item_not_found" });
  });

  test("is continued by responses, which add their input and output and keep its container", async () => {
    const { id } = await client.conversations.create({ items: [user("My name is Ada.")] });
    const tools = [TOOL] as Body;
    const first = await client.responses.create({
      conversation: id,
      tools,
      input: script({ code: "x = 1 # set" }, { text: "It is set." }),
    });
    expect(first.conversation).toEqual({ id });
    const second = await client.responses.create({ conversation: { id }, tools, input: script({ code: "x # one" }, { text: "One." }) });
    expect(second.output_text).toBe("One.");
    expect(await types(id)).toEqual([
      "message",
      ...["message", "code_interpreter_call", "message"],
      ...["message", "code_interpreter_call", "message"],
    ]);
    const seen = (await rig.model.asked()).at(-1)?.body.messages.filter((one: Body) => one.role === "tool");
    expect(seen.map((one: Body) => one.content)).toEqual(["set", "one"]);
    expect(rig.sessions.created.length).toBe(1);
  });

  test("stays as it was when a response fails", async () => {
    const { id } = await client.conversations.create();
    await expect(client.responses.create({ conversation: id, input: script({ status: 401 }) })).rejects.toMatchObject({ status: 502 });
    expect(await types(id)).toEqual([]);
  });

  test("of another organization is unknown, and so is one that never was", async () => {
    const { id } = await client.conversations.create();
    const foreign = { key: rig.foreignKey, as: "/v1/conversations/{id}" };
    expect((await call(rig.api.url, `GET /v1/conversations/${id}`, foreign)).status).toBe(404);
    const answer = await respond(rig, { input: "x", conversation: id }, rig.foreignKey);
    expect([answer.status, answer.body.code, answer.body.error.param]).toEqual([404, "conversation_not_found", "conversation"]);
    const both = await respond(rig, { input: "x", conversation: id, previous_response_id: `resp_${"0".repeat(24)}` });
    expect([both.status, both.body.error.param]).toEqual([400, "conversation"]);
  });

  test("expires with its items", async () => {
    const { id } = await client.conversations.create({ items: [user("x")] });
    const keys = await rig.api.redis.keys(`*${id}`);
    expect(keys.length).toBe(2);
    for (const key of keys) expect(await rig.api.redis.pttl(key)).toBeGreaterThan(0);
  });
});
