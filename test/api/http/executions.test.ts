import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, eventsOf } from "../../support/checks/call.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";

let redis: TestRedis;
let api: Api;
let key: string;
let foreignKey: string;

beforeAll(async () => {
  redis = await startRedis();
  api = await startApi({ redisUrl: redis.url });
  key = await api.newKey("org_a");
  foreignKey = await api.newKey("org_b");
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

/** An execution of org_a that stays queued until the test ends it. */
const queued = async (body: object = { code: "1" }): Promise<string> => {
  api.executions.onSubmit = () => {};
  return (await call(api.url, "POST /v1/executions", { key, body, headers: { prefer: "respond-async" } })).body.id;
};
const outputOf = (text: string) => ({ type: "text", stream: "stdout", text }) as const;

describe("GET /v1/executions/:id", () => {
  test("returns the current state of the execution", async () => {
    const id = await queued();
    expect((await call(api.url, `GET /v1/executions/${id}`, { key })).body).toMatchObject({ id, status: "queued", usage: null });
    api.executions.start(id);
    api.executions.end(id);
    expect((await call(api.url, `GET /v1/executions/${id}`, { key })).body).toMatchObject({ id, status: "completed" });
  });
});

describe("another organization's execution", () => {
  test.each(["GET /v1/executions/ID", "GET /v1/executions/ID/events", "POST /v1/executions/ID/cancel", "DELETE /v1/executions/ID"])(
    "%s gets the same response as for an unknown id, and changes nothing",
    async (line) => {
      const id = await queued();
      const foreign = await call(api.url, line.replace("ID", id), { key: foreignKey });
      const unknown = await call(api.url, line.replace("ID", `ci_${"0".repeat(24)}`), { key: foreignKey });
      expect([foreign.status, foreign.body.code]).toEqual([404, "execution_not_found"]);
      expect({ ...foreign.body, instance: "" }).toEqual({ ...unknown.body, instance: "" });
      expect(api.executions.stored.get(id)?.execution.status).toBe("queued");
    },
  );

  test("is not in the caller's list", async () => {
    await queued();
    expect((await call(api.url, "GET /v1/executions", { key: foreignKey })).body).toEqual({
      object: "list",
      data: [],
      has_more: false,
      first_id: null,
      last_id: null,
    });
  });
});

describe("malformed ids", () => {
  test.each(["x", "ci_", "ci_UPPER", `ci_${"0".repeat(25)}`, "ci_%2e%2e%2fetc", "__proto__", "%00"])("%s is not found", async (id) => {
    const { status, body } = await call(api.url, `GET /v1/executions/${id}`, { key });
    expect([status, body.code]).toEqual([404, "execution_not_found"]);
  });

  test("a path that is not UTF-8 is a malformed request", async () => {
    const { status, body } = await call(api.url, "GET /v1/executions/%E0%A4%A", { key });
    expect([status, body.code]).toEqual([400, "malformed_request"]);
  });
});

describe("GET /v1/executions", () => {
  test("pages through all executions in both orders without gap or repeat", async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i += 1) made.push(await queued());
    for (const order of ["asc", "desc"]) {
      const seen: string[] = [];
      let after = "";
      for (;;) {
        const { body } = await call(api.url, `GET /v1/executions?limit=2&order=${order}${after}`, { key });
        seen.push(...body.data.map((one: { id: string }) => one.id));
        expect([body.first_id, body.last_id]).toEqual([body.data[0].id, body.data.at(-1).id]);
        if (!body.has_more) break;
        after = `&after=${body.last_id}`;
      }
      expect(new Set(seen).size).toBe(seen.length);
      const ours = seen.filter((id) => made.includes(id));
      expect(ours).toEqual(order === "asc" ? made : made.toReversed());
    }
  });

  test.each([
    ["limit=0", "limit", "invalid_field"],
    ["limit=101", "limit", "invalid_field"],
    ["limit=1e1", "limit", "invalid_field"],
    ["limit=1&limit=2", "limit", "invalid_field"],
    ["order=up", "order", "invalid_field"],
    ["after=x", "after", "invalid_field"],
    ["before=x", "before", "unknown_field"],
    ["__proto__=x", "__proto__", "unknown_field"],
  ])("?%s is refused and the error names %s", async (query, param, code) => {
    const { status, body } = await call(api.url, `GET /v1/executions?${query}`, { key });
    expect([status, body.code, body.error.param]).toEqual([422, code, param]);
  });

  test("an unknown `after` is 404", async () => {
    const { status, body } = await call(api.url, `GET /v1/executions?after=ci_${"0".repeat(24)}`, { key });
    expect([status, body.code, body.error.param]).toEqual([404, "execution_not_found", "after"]);
  });
});

describe("GET /v1/executions/:id/events", () => {
  const ended = async () => {
    const id = await queued();
    api.executions.start(id);
    for (const text of ["a", "b\ndata: forged\n\n", "c"]) api.executions.output(id, outputOf(text));
    api.executions.end(id);
    return id;
  };

  test("from the start: every event once, in order, and text cannot break out of its line", async () => {
    const { body } = await call(api.url, `GET /v1/executions/${await ended()}/events`, { key });
    const events = eventsOf(body);
    expect(events.map((one) => one.event)).toEqual(["execution.started", ...Array(3).fill("execution.output"), "execution.ended"]);
    expect(events[2]?.data).toMatchObject({ output: { text: "b\ndata: forged\n\n" } });
  });

  test.each(["header", "query"])("after an event given by %s: only later events", async (way) => {
    const id = await ended();
    const all = eventsOf((await call(api.url, `GET /v1/executions/${id}/events`, { key })).body);
    const last = all[1]?.id as string;
    const answer =
      way === "header"
        ? await call(api.url, `GET /v1/executions/${id}/events`, { key, headers: { "last-event-id": last } })
        : await call(api.url, `GET /v1/executions/${id}/events?after=${last}`, { key });
    expect(eventsOf(answer.body)).toEqual(all.slice(2));
  });

  test("a broken stream is resumed without a gap while the execution runs", async () => {
    const id = await queued();
    const abort = new AbortController();
    api.executions.start(id);
    const first = await fetch(`${api.url}/v1/executions/${id}/events`, {
      headers: { authorization: `Bearer ${key}` },
      signal: abort.signal,
    });
    const reader = first.body?.pipeThrough(new TextDecoderStream()).getReader();
    const { value = "" } = (await reader?.read()) ?? {};
    abort.abort();
    await reader?.closed.catch(() => {});
    api.executions.output(id, outputOf("while away"));
    const resumed = call(api.url, `GET /v1/executions/${id}/events`, { key, headers: { "last-event-id": eventsOf(value)[0]?.id ?? "" } });
    api.executions.output(id, outputOf("later"));
    api.executions.end(id);
    expect(eventsOf((await resumed).body).map((one) => one.event)).toEqual(["execution.output", "execution.output", "execution.ended"]);
  });

  test.each(["x", "1", "1-2-3", "-", "$"])("an event id %j is refused", async (after) => {
    const { status, body } = await call(api.url, `GET /v1/executions/${await ended()}/events?after=${after}`, { key });
    expect([status, body.code, body.error.param]).toEqual([422, "invalid_field", "after"]);
  });
});

test("HEAD of an endless stream returns only headers", async () => {
  const response = await fetch(`${api.url}/v1/executions/${await queued()}/events`, {
    method: "HEAD",
    headers: { authorization: `Bearer ${key}` },
  });
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
});

describe("POST /v1/executions/:id/cancel", () => {
  test("ends a waiting execution", async () => {
    const id = await queued();
    const { status, body } = await call(api.url, `POST /v1/executions/${id}/cancel`, { key });
    expect([status, body.status, body.cause]).toEqual([200, "cancelled", "cancelled"]);
  });

  test("does not change an ended execution", async () => {
    const id = await queued();
    api.executions.end(id);
    expect((await call(api.url, `POST /v1/executions/${id}/cancel`, { key })).body.status).toBe("completed");
  });

  test("wakes its waiting caller", async () => {
    const id = new Promise<string>((resolve) => {
      api.executions.onSubmit = resolve;
    });
    const waiting = call(api.url, "POST /v1/executions", { key, body: { code: "1" } });
    await call(api.url, `POST /v1/executions/${await id}/cancel`, { key });
    expect(await waiting).toMatchObject({ status: 200, body: { status: "cancelled" } });
  });
});

describe("DELETE /v1/executions/:id", () => {
  test("deletes the record, its output files and its inline files, and no others", async () => {
    const id = await queued({ code: "1", files: [{ name: "in.txt", text: "x" }] });
    const ports = api.files.portsOf({ organization: "org_a", id });
    const produced = await ports.saveFile(
      { name: "out.png", bytesMax: 10 },
      (async function* () {
        yield Buffer.from("y");
      })(),
    );
    const uploaded = await api.files.save(
      "org_a",
      { name: "kept", purpose: "user_data", executionId: null, bytesMax: 10 },
      (async function* () {
        yield Buffer.from("z");
      })(),
    );
    const inline = api.executions.stored.get(id)?.submission.files[0]?.file_id ?? "";
    api.executions.end(id);
    const { status, body } = await call(api.url, `DELETE /v1/executions/${id}`, { key });
    expect([status, body]).toEqual([200, { id, object: "code_interpreter_call", deleted: true }]);
    expect((await call(api.url, `GET /v1/executions/${id}`, { key })).status).toBe(404);
    for (const gone of [produced.file_id, inline]) expect(await api.files.get("org_a", gone)).toBeNull();
    expect(await api.files.get("org_a", uploaded.id)).not.toBeNull();
  });

  test("of a running execution is 409, and no retry is advised", async () => {
    const id = await queued();
    const { status, body, headers } = await call(api.url, `DELETE /v1/executions/${id}`, { key });
    expect([status, body.code, headers.get("x-should-retry")]).toEqual([409, "execution_running", "false"]);
  });
});
