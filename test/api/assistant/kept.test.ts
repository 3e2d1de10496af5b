import { request } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { call, eventsOf } from "../../support/checks/call.ts";
import type { Api } from "../../support/servers/api.ts";
import { script } from "../../support/servers/model-server.ts";
import { type Body, names, type Rig, respond, startRig, TOOL, text } from "./rig.ts";

let rig: Rig;
let other: Api;
beforeAll(async () => {
  rig = await startRig();
  other = await rig.second();
});
afterAll(() => rig.stop());
beforeEach(async () => {
  rig.ran.length = 0;
  rig.onCode = () => ({ outputs: [text("42")] });
  await rig.model.asked();
});

const at = (line: string) =>
  line
    .replace(/resp_[0-9a-z]+/, "{id}")
    .replace(/^\S+ /, "")
    .replace(/\?.*/, "");
const ask = (line: string, api: Api = rig.api, key = rig.key) => call(api.url, line, { key, as: at(line) });
const runs = () => script({ code: "x = 1" }, { text: "done" });

async function until<T>(look: () => Promise<T | null>): Promise<T> {
  for (let tries = 0; tries < 400; tries += 1) {
    const found = await look();
    if (found !== null) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("it did not happen");
}
const ended = (id: string, api?: Api) =>
  until(async () => {
    const { body } = await ask(`GET /v1/responses/${id}`, api);
    return body.status === "queued" || body.status === "in_progress" ? null : body;
  });

describe("a stored response", () => {
  test("is the same when it is read from any process", async () => {
    const { body } = await respond(rig, { tools: [TOOL], inputs: runs(), metadata: { a: "b" } });
    expect((await ask(`GET /v1/responses/${body.id}`)).body).toEqual(body);
    expect((await ask(`GET /v1/responses/${body.id}`, other)).body).toEqual(body);
  });

  test("includes outputs for a client of OpenAI's API that asks for them when reading", async () => {
    const { body } = await respond(rig, { tools: [TOOL], input: runs() });
    for (const query of ["include=code_interpreter_call.outputs", "include[]=code_interpreter_call.outputs"]) {
      const later = await ask(`GET /v1/responses/${body.id}?${query}`);
      expect(later.body.output[0].outputs).toEqual([{ type: "logs", logs: "42" }]);
    }
  });

  test("replays its events from any position, from any process", async () => {
    const streamed = await respond(rig, { tools: [TOOL], inputs: runs(), stream: true });
    const events = eventsOf(streamed.body).map((event) => event.data);
    const { id } = (events[0] as Body).response;
    for (const api of [rig.api, other]) {
      const again = await ask(`GET /v1/responses/${id}?stream=true`, api);
      expect(eventsOf(again.body).map((event) => event.data)).toEqual(events);
      const rest = await ask(`GET /v1/responses/${id}?stream=true&starting_after=5`, api);
      expect(eventsOf(rest.body).map((event) => event.data)).toEqual(events.slice(6));
    }
  });

  test("streams only its first and last event after the events have expired", async () => {
    const { body } = await respond(rig, { input: script({ text: "x" }) });
    await rig.api.redis.del(`{assistant-test}:response-events:org_a:${body.id}`);
    const again = eventsOf((await ask(`GET /v1/responses/${body.id}?stream=true`)).body).map((event) => event.data);
    expect(names(again)).toEqual(["created", "completed"]);
    expect((again[1] as Body).response).toEqual(body);
  });

  test("lists its input newest first, in pages", async () => {
    const inputs = [
      { role: "user", content: "one" },
      { role: "assistant", content: "two" },
      { role: "user", content: script({ text: "x" }) },
    ];
    const { body } = await respond(rig, { inputs });
    const page = (await ask(`GET /v1/responses/${body.id}/input_items?limit=2`)).body;
    expect(page).toMatchObject({
      object: "list",
      has_more: true,
      data: [{ role: "user" }, { role: "assistant", content: [{ text: "two" }] }],
    });
    const rest = (await ask(`GET /v1/responses/${body.id}/input_items?after=${page.last_id}`)).body;
    expect(rest).toMatchObject({ has_more: false, data: [{ role: "user", content: [{ type: "text", text: "one" }] }] });
  });

  test("is gone with its events once it is deleted", async () => {
    const { body } = await respond(rig, { inputs: script({ text: "x" }) });
    expect((await ask(`DELETE /v1/responses/${body.id}`)).body).toEqual({ id: body.id, object: "response", deleted: true });
    for (const line of [
      `GET /v1/responses/${body.id}`,
      `DELETE /v1/responses/${body.id}`,
      `POST /v1/responses/${body.id}/cancel`,
      `GET /v1/responses/${body.id}/input_items`,
    ]) {
      expect([(await ask(line)).body.code]).toEqual(["response_not_found"]);
    }
    expect(await rig.api.redis.keys(`*${body.id}*`)).toEqual([]);
    const next = await respond(rig, { inputs: "x", previous_response_id: body.id });
    expect([next.status, next.body.error.param]).toEqual([404, "previous_response_id"]);
  });

  test("does not exist for another organization", async () => {
    const { body } = await respond(rig, { inputs: script({ text: "x" }) });
    for (const line of [
      `GET /v1/responses/${body.id}`,
      `GET /v1/responses/${body.id}?stream=true`,
      `DELETE /v1/responses/${body.id}`,
      `POST /v1/responses/${body.id}/cancel`,
      `GET /v1/responses/${body.id}/input_items`,
    ]) {
      expect((await ask(line, rig.api, rig.foreignKey)).status).toBe(404);
    }
    expect((await respond(rig, { inputs: "x", previous_response_id: body.id }, rig.foreignKey)).status).toBe(404);
    expect((await ask(`GET /v1/responses/${body.id}`)).status).toBe(200);
  });

  test("expires with all its keys", async () => {
    const { body } = await respond(rig, { inputs: script({ text: "x" }) });
    const keys = await rig.api.redis.keys(`*${body.id}*`);
    expect(keys.length).toBe(2);
    for (const key of keys) expect(await rig.api.redis.pttl(key)).toBeGreaterThan(0);
  });
});

test("with store false nothing is stored", async () => {
  const { body } = await respond(rig, { inputs: script({ text: "x" }), store: false });
  expect(body).toMatchObject({ status: "completed", store: false });
  expect((await ask(`GET /v1/responses/${body.id}`)).status).toBe(404);
  expect(await rig.api.redis.keys(`*${body.id}*`)).toEqual([]);
});

describe("in the background", () => {
  test("a response returns immediately, continues, and can be read from any process", async () => {
    const { body } = await respond(rig, { tools: [TOOL], inputs: script({ code: "1", pauseMs: 100 }, { text: "done" }), background: true });
    expect(["queued", "in_progress"]).toContain(body.status);
    expect(await ended(body.id, other)).toMatchObject({ status: "completed", background: true });
  });

  test("a broken stream leaves the response running, and another process streams the rest", async () => {
    const inputs = script({ text: "a long text, sent slowly", slowMs: 60 });
    const started = await respond(rig, { inputs, background: true });
    const rest = await ask(`GET /v1/responses/${started.body.id}?stream=true&starting_after=1`, other);
    const events = eventsOf(rest.body).map((event) => event.data as Body);
    expect(events[0]?.sequence_number).toBe(2);
    expect(events.at(-1)).toMatchObject({
      type: "response.completed",
      response: { output: [{ content: [{ text: "a long text, sent slowly" }] }] },
    });
  });

  test("a response is queued before it is in_progress", async () => {
    const streamed = await respond(rig, { input: script({ text: "x" }), background: true, stream: true });
    expect(names(eventsOf(streamed.body).map((event) => event.data)).slice(0, 3)).toEqual(["created", "queued", "in_progress"]);
  });

  test.each([
    ["the process that runs it", () => rig.api],
    ["another process", () => other],
  ])("a response is cancelled through %s, and its code with it", async (_, api) => {
    rig.onCode = () => null;
    const { body } = await respond(rig, { tools: [TOOL], inputs: runs(), background: true });
    await until(async () => (rig.ran.length > 0 ? true : null));
    const cancelled = await ask(`POST /v1/responses/${body.id}/cancel`, api());
    expect(cancelled.body).toMatchObject({ status: "cancelled", output: [{ type: "code_interpreter_call", status: "incomplete" }] });
    await until(async () => ([...rig.api.executions.stored.values()].at(-1)?.execution.status === "cancelled" ? true : null));
    expect((await ask(`POST /v1/responses/${body.id}/cancel`)).body.status).toBe("cancelled");
  });

  test("a response cannot be deleted while it runs", async () => {
    rig.onCode = () => null;
    const { body } = await respond(rig, { tools: [TOOL], inputs: runs(), background: true });
    const refused = await ask(`DELETE /v1/responses/${body.id}`, other);
    expect([refused.status, refused.body.code, refused.headers.get("x-should-retry")]).toEqual([409, "response_running", "false"]);
    await ask(`POST /v1/responses/${body.id}/cancel`);
    expect((await ask(`DELETE /v1/responses/${body.id}`)).status).toBe(200);
  });

  test("a response must be stored", async () => {
    const answer = await respond(rig, { inputs: "x", background: true, store: false });
    expect([answer.status, answer.body.error.param]).toEqual([422, "background"]);
  });

  test("a response has failed once its process is gone", async () => {
    const { body } = await respond(rig, { inputs: script({ text: "x" }) });
    const key = `{assistant-test}:response:org_a:${body.id}`;
    const doc = JSON.parse((await rig.api.redis.hget(key, "doc")) ?? "");
    await rig.api.redis.hset(key, { status: "in_progress", doc: JSON.stringify({ ...doc, status: "in_progress", completedAt: null }) });
    const found = await ask(`GET /v1/responses/${body.id}`, other);
    expect(found.body).toMatchObject({ status: "failed", error: { code: "process_lost" } });
    expect(await rig.api.redis.hget(key, "status")).toBe("failed");
  });
});

describe("a caller that disconnects", () => {
  test.each([false, true])("cancels its response and the running code (stream: %s)", async (stream) => {
    rig.onCode = () => null;
    const inputs = runs();
    const req = request(`${rig.api.url}/v1/responses`, {
      method: "POST",
      headers: { authorization: `Bearer ${rig.key}`, "content-type": "application/json" },
    });
    const closed = new Promise((resolve) => req.on("error", () => {}).on("close", resolve));
    req.end(JSON.stringify({ tools: [TOOL], inputs, stream }));
    await until(async () => (rig.ran.length > 0 ? true : null));
    req.destroy();
    await closed;
    await until(async () => ([...rig.api.executions.stored.values()].at(-1)?.execution.status === "cancelled" ? true : null));
  });
});

test("more concurrent responses than an organization may run are refused, with Retry-After", async () => {
  const narrow = await startRig({ limits: { responsesPerOrganizationMax: 1 } });
  try {
    narrow.onCode = () => null;
    const { body } = await respond(narrow, { tools: [TOOL], inputs: runs(), background: true });
    const refused = await respond(narrow, { inputs: "x" });
    expect([refused.status, refused.body.error.code, refused.headers.get("retry-after")]).toEqual([
      429,
      "organization_responses_full",
      "5",
    ]);
    expect((await respond(narrow, { inputs: script({ text: "x" }) }, narrow.foreignKey)).status).toBe(200);
    await ask(`POST /v1/responses/${body.id}/cancel`, narrow.api, narrow.key);
  } finally {
    await narrow.stop();
  }
});

test("a response that exceeds its time limit fails, and its code is stopped", async () => {
  const short = await startRig({ limits: { responseTimeoutMsMax: 300 } });
  try {
    short.onCode = () => null;
    const { body } = await respond(short, { tools: [TOOL], inputs: runs() });
    expect(body).toMatchObject({ status: "failed", error: { code: "response_timeout" } });
  } finally {
    await short.stop();
  }
});
