import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../../src/domain/ids.ts";
import { call } from "../../support/checks/call.ts";
import { script } from "../../support/servers/model-server.ts";
import { type Body, type Rig, respond, startRig, TOOL, text } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ limits: { assistantsPerOrganizationMax: 12 } });
  rig.onCode = () => ({ outputs: [text("42")] });
});
afterAll(() => rig.stop());

const ask = (line: string, body?: object, key = rig.key) =>
  call(rig.api.url, line, {
    key,
    ...(body === undefined ? {} : { body }),
    as: line
      .replace(/^\S+ /, "")
      .replace(/asst_[0-9a-z]+/, "{id}")
      .replace(/\?.*/, ""),
  });
const create = async (body: object): Promise<Body> => (await ask("POST /v1/assistants", body)).body;

describe("an assistant", () => {
  test("is created, read, updated, listed and deleted", async () => {
    const made = await create({ name: "Analyst", instructions: "Be brief.", tools: [{ ...TOOL, mode: "on" }], metadata: { team: "a" } });
    expect(made).toEqual({
      id: expect.stringMatching(/^asst_[0-9a-z]{24}$/),
      object: "assistant",
      created_at: expect.any(Number),
      name: "Analyst",
      model: null,
      instructions: "Be brief.",
      tools: [{ type: "code_interpreter", mode: "on" }],
      file_ids: [],
      metadata: { team: "a" },
    });
    expect((await ask(`GET /v1/assistants/${made.id}`)).body).toEqual(made);
    const changed = (await ask(`POST /v1/assistants/${made.id}`, { name: "Scientist", model: "other" })).body;
    expect(changed).toEqual({ ...made, name: "Scientist", model: "other" });
    expect((await ask("GET /v1/assistants")).body.data).toContainEqual(changed);
    expect((await ask(`DELETE /v1/assistants/${made.id}`)).body).toEqual({ id: made.id, object: "assistant", deleted: true });
    expect((await ask(`GET /v1/assistants/${made.id}`)).body.code).toBe("assistant_not_found");
  });

  test("is kept until it is deleted", async () => {
    const { id } = await create({});
    expect(await rig.api.redis.pttl(`{assistant-test}:assistant:org_a:${id}`)).toBe(-1);
    await ask(`DELETE /v1/assistants/${id}`);
    expect(await rig.api.redis.keys(`*${id}*`)).toEqual([]);
  });

  test("does not exist for another organization", async () => {
    const { id } = await create({ name: "mine" });
    for (const [line, body] of [
      [`GET /v1/assistants/${id}`],
      [`DELETE /v1/assistants/${id}`],
      [`POST /v1/assistants/${id}`, { name: "theirs" }],
    ] as const) {
      expect((await ask(line, body, rig.foreignKey)).body.code).toBe("assistant_not_found");
    }
    expect((await ask("GET /v1/assistants", undefined, rig.foreignKey)).body.data).toEqual([]);
    expect((await respond(rig, { assistant_id: id, inputs: "x" }, rig.foreignKey)).status).toBe(404);
    expect((await ask(`GET /v1/assistants/${id}`)).body.name).toBe("mine");
  });

  test.each([
    [{ nmae: "x" }, "unknown_field", "nmae"],
    [{ tools: [{ type: "retrieval" }] }, "invalid_field", "tools.0.type"],
    [{ model: "gpt-unknown" }, "model_not_found", "model"],
    [{ file_ids: [newId("file")] }, "invalid_field", "file_ids.0"],
  ])("with %j is refused: %s %s", async (body, code, param) => {
    const answer = await ask("POST /v1/assistants", body);
    expect([answer.body.code, answer.body.error.param]).toEqual([code, param]);
  });

  test("above the organization's bound is refused", async () => {
    const answers = [];
    for (let count = 0; count < 13; count += 1) answers.push(await ask("POST /v1/assistants", {}));
    expect(answers.at(-1)?.status).toBe(422);
    const { data } = (await ask("GET /v1/assistants?limit=100")).body;
    expect(data.length).toBe(12);
    const page = (await ask("GET /v1/assistants?limit=5&order=asc")).body;
    const rest = (await ask(`GET /v1/assistants?limit=100&order=asc&after=${page.last_id}`)).body;
    expect([page.has_more, rest.has_more, page.data.length + rest.data.length]).toEqual([true, false, 12]);
    for (const { id } of data) await ask(`DELETE /v1/assistants/${id}`);
  });
});

describe("a response of an assistant", () => {
  test("has its model, instructions, tools with their mode, and files", async () => {
    const file = await rig.api.files.save("org_a", { name: "data.csv", purpose: "user_data", executionId: null, bytesMax: 10 }, [
      Buffer.from("x"),
    ] as never);
    const { id } = await create({ model: "other", instructions: "Be brief.", tools: [{ ...TOOL, mode: "on" }], file_ids: [file.id] });
    await rig.model.asked();
    const { body } = await respond(rig, { assistant_id: id, inputs: script({ code: "6*7" }, { text: "42" }) });
    expect(body).toMatchObject({
      status: "completed",
      assistant_id: id,
      model: "other",
      instructions: "Be brief.",
      tools: [{ ...TOOL, mode: "on" }],
    });
    const [asked] = await rig.model.asked();
    expect(asked?.body).toMatchObject({ model: "other", tool_choice: { type: "function" } });
    expect(rig.sessions.created.at(-1)?.fileIds).toEqual([file.id]);
  });

  test("whose file is gone is refused, with the retention of files", async () => {
    const saved = await rig.api.files.save("org_a", { name: "old.csv", purpose: "user_data", executionId: null, bytesMax: 10 }, [
      Buffer.from("x"),
    ] as never);
    const { id } = await create({ tools: [TOOL], file_ids: [saved.id] });
    await rig.api.files.delete("org_a", saved.id);
    const { status, body } = await respond(rig, { assistant_id: id, inputs: "x" });
    expect([status, body.error.param]).toEqual([422, "assistant_id"]);
    expect(body.detail).toContain("24 hours");
  });

  test("is overridden by the request", async () => {
    const { id } = await create({ model: "other", instructions: "Be brief.", tools: [{ ...TOOL, mode: "on" }] });
    const { body } = await respond(rig, {
      assistant_id: id,
      model: "scripted",
      instructions: "Be long.",
      tools: [{ ...TOOL, mode: "off" }],
      inputs: script({ text: "hi" }),
    });
    expect(body).toMatchObject({ model: "scripted", instructions: "Be long.", tools: [{ ...TOOL, mode: "off" }] });
    expect(body.output.map((item: { type: string }) => item.type)).toEqual(["message"]);
  });

  test("whose request names the tool without a mode keeps the stored mode", async () => {
    const { id } = await create({ tools: [{ ...TOOL, mode: "on" }] });
    await rig.model.asked();
    await respond(rig, { assistant_id: id, tools: [TOOL], inputs: script({ code: "1" }, { text: "x" }) });
    expect((await rig.model.asked())[0]?.body.tool_choice).toMatchObject({ type: "function" });
  });
});

test("/v1/models lists the models that a request may name", async () => {
  const { body } = await ask("GET /v1/models");
  expect(body).toMatchObject({
    object: "list",
    data: [
      { id: "scripted", object: "model" },
      { id: "other", object: "model" },
    ],
  });
});
