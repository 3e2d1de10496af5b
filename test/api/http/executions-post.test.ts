import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServiceError } from "../../../src/domain/errors.ts";
import { fileIdPattern } from "../../../src/domain/ids.ts";
import { call, eventsOf } from "../../support/checks/call.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";

let redis: TestRedis;
let api: Api;
let key: string;
let foreignKey: string;

beforeAll(async () => {
  redis = await startRedis();
  api = await startApi({ redisUrl: redis.url, limits: { filesInBytesMax: 1000, fileOutBytesMax: 100 } });
  key = await api.newKey("org_a", ["execute"]);
  foreignKey = await api.newKey("org_b", ["execute"]);
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

const post = (body: unknown, headers: Record<string, string> = {}) => call(api.url, "POST /v1/executions", { key, body, headers });
const endAtOnce = (end: Parameters<typeof api.executions.end>[1] = {}) => {
  api.executions.onSubmit = (id) => {
    setImmediate(() => {
      api.executions.start(id);
      api.executions.output(id, { type: "text", stream: "stdout", text: "hi" });
      api.executions.end(id, end);
    });
  };
};
const stayQueued = () => {
  api.executions.onSubmit = () => {};
};
const upload = async (organization: string, text: string) => {
  const file = { name: "a.csv", purpose: "user_data", executionId: null, bytesMax: 1e6 };
  return api.files.save(
    organization,
    file,
    (async function* () {
      yield Buffer.from(text);
    })(),
  );
};

describe("waiting", () => {
  test("returns the ended execution and its location", async () => {
    endAtOnce();
    const { status, body, headers } = await post({ code: "print('hi')", metadata: { a: "b" } });
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: "completed", code: "print('hi')", metadata: { a: "b" }, outputs: [{ text: "hi" }] });
    expect(headers.get("location")).toBe(`/v1/executions/${body.id}`);
  });

  test.each([
    ["failed", "exception"],
    ["incomplete", "timeout"],
    ["cancelled", "cancelled"],
  ] as const)("a failure of the code is a result: %s by %s is 200", async (status, cause) => {
    endAtOnce({ status, cause });
    const answer = await post({ code: "1/0" });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ status, cause });
  });

  test.each([
    ["sandbox_lost", { cause: "sandbox_lost" }],
    ["worker_lost", { cause: "worker_lost" }],
    ["queue_deadline_passed", { cause: null, evidence: { limit: "queueWaitMsMax", limit_value: 120_000 } }],
  ] as const)("a failure of the service is an error that contains the execution: %s", async (code, end) => {
    endAtOnce({ status: "errored", retry_safe: true, ...end });
    const { status, body, headers } = await post({ code: "1" });
    expect(status).toBe(503);
    expect(body.code).toBe(code);
    expect(body.execution).toMatchObject({ status: "errored", outputs: [{ text: "hi" }] });
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    expect(headers.get("x-should-retry")).toBe("true");
  });

  test("an error without a known cause is `internal`, and no retry is advised when it is not safe", async () => {
    endAtOnce({ status: "errored", cause: null, retry_safe: false });
    const { status, body, headers } = await post({ code: "1" });
    expect([status, body.code, headers.get("x-should-retry")]).toEqual([500, "internal", "false"]);
  });

  test("`Prefer: respond-async` returns 202 at once", async () => {
    stayQueued();
    const { status, body, headers } = await post({ code: "1" }, { prefer: "respond-async" });
    expect(status).toBe(202);
    expect(body.status).toBe("queued");
    expect(headers.get("preference-applied")).toBe("respond-async");
    expect(headers.get("location")).toBe(`/v1/executions/${body.id}`);
  });

  test("`Prefer: wait=1` returns 202 after a second if it has not ended", async () => {
    stayQueued();
    const before = Date.now();
    const { status, headers } = await post({ code: "1" }, { prefer: "wait=1" });
    expect(status).toBe(202);
    expect(Date.now() - before).toBeGreaterThanOrEqual(990);
    expect(headers.get("preference-applied")).toBe("wait=1");
  });

  test("`Prefer: wait=5` returns 200 as soon as it has ended", async () => {
    endAtOnce();
    expect((await post({ code: "1" }, { prefer: "wait=5" })).status).toBe(200);
  });
});

describe("streaming", () => {
  test("`Accept: text/event-stream` streams every event with its id, and ends", async () => {
    endAtOnce();
    const { status, body, headers } = await post({ code: "1" }, { accept: "text/event-stream" });
    expect(status).toBe(200);
    expect(headers.get("content-type")).toMatch(/^text\/event-stream/);
    expect(headers.get("location")).toMatch(/^\/v1\/executions\/ci_/);
    const events = eventsOf(body);
    expect(events.map((one) => one.event)).toEqual(["execution.started", "execution.output", "execution.ended"]);
    expect(events.map((one) => one.data.type)).toEqual(events.map((one) => one.event));
    expect(new Set(events.map((one) => one.id)).size).toBe(3);
  });

  test("`Accept: */*` is answered with JSON", async () => {
    endAtOnce();
    expect((await post({ code: "1" }, { accept: "*/*" })).headers.get("content-type")).toMatch(/^application\/json/);
  });

  test("a failure before the first event is an ordinary error", async () => {
    const { status, body } = await post({ code: "" }, { accept: "text/event-stream" });
    expect([status, body.code]).toEqual([422, "invalid_field"]);
  });
});

describe("the body", () => {
  test.each([
    [{ code: "1", bogus: 1 }, "unknown_field", "bogus", /bogus/],
    [{ code: "1", files: [{ name: "a", text: "", mode: 1 }] }, "unknown_field", "files.0.mode", /files\.0\.mode/],
    [JSON.parse('{"code":"1","__proto__":{"admin":true}}'), "unknown_field", "__proto__", /__proto__/],
    [JSON.parse('{"code":"1","constructor":{"prototype":{}}}'), "unknown_field", "constructor", /constructor/],
    [{}, "invalid_field", "code", /code/],
    [{ code: 7 }, "invalid_field", "code", /code/],
    [{ code: "1", timeout_ms: 30_001 }, "invalid_field", "timeout_ms", /30000/],
    [{ code: "1", memory_mb: 63 }, "invalid_field", "memory_mb", /64/],
    [{ code: "1", files: [{ name: "../x", text: "" }] }, "invalid_field", "files.0.name", /relative path/],
    [{ code: "1", files: [{ name: "x" }] }, "invalid_field", "files.0", /exactly one/],
    [{ code: "1", files: [{ name: "x", text: "", base64: "" }] }, "invalid_field", "files.0", /exactly one/],
    [{ code: "1", files: [{ name: "x", base64: "?" }] }, "invalid_field", "files.0.base64", /base64/i],
    [
      {
        code: "1",
        files: [
          { name: "x", text: "" },
          { name: "x", text: "" },
        ],
      },
      "invalid_field",
      "files",
      /distinct/,
    ],
    [
      {
        code: "1",
        files: [
          { name: "a/b/c", text: "" },
          { name: "a", text: "" },
        ],
      },
      "invalid_field",
      "files",
      /must not hold both "a" and "a\/b\/c"/,
    ],
    [{ code: "1", files: [{ name: "x/.unfinished-input", text: "" }] }, "invalid_field", "files.0.name", /\.unfinished-input/],
    [{ code: "1", files: [{ name: "x", text: "y".repeat(1001) }] }, "invalid_field", "files", /1000/],
    [{ code: "1", metadata: { a: 1 } }, "invalid_field", "metadata.a", /metadata\.a/],
    [{ code: "\ud800" }, "invalid_field", "code", /Unicode/],
    [{ code: "1", webhook: { url: "ftp://x", secret: "s".repeat(16) } }, "invalid_field", "webhook.url", /webhook\.url/],
  ])("%j is refused with %s for %s", async (body, code, param, detail) => {
    const answer = await post(body);
    expect(answer.status).toBe(422);
    expect(answer.body).toMatchObject({ code, error: { code, param } });
    expect(answer.body.detail).toMatch(detail);
  });

  test.each([["[1]"], ['"x"'], ["null"], ["{"], [""]])("%j is not an object", async (body) => {
    const answer = await call(api.url, "POST /v1/executions", { key, body, headers: { "content-type": "application/json" } });
    expect([400, 422]).toContain(answer.status);
    expect(["malformed_json", "invalid_field"]).toContain(answer.body.code);
  });

  test("100,000 nested arrays are refused, and the next request is served", async () => {
    const deep = `{"code":"1","x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    const answer = await call(api.url, "POST /v1/executions", { key, body: deep, headers: { "content-type": "application/json" } });
    expect([answer.status, answer.body.code]).toEqual([400, "malformed_request"]);
    endAtOnce();
    expect((await post({ code: "1" })).status).toBe(200);
  });

  test("a million values are refused before they are parsed, and the next request is served", async () => {
    const headers = { "content-type": "application/json" };
    for (const wide of [`{"code":"1","args":[${"0,".repeat(1_000_000)}0]}`, `{"code":"1","env":{${'"a":0,'.repeat(1_000_000)}"b":0}}`]) {
      const answer = await call(api.url, "POST /v1/executions", { key, body: wide, headers });
      expect([answer.status, answer.body.code, answer.body.detail]).toEqual([
        400,
        "malformed_request",
        expect.stringContaining("50000 values"),
      ]);
    }
    endAtOnce();
    expect((await post({ code: "1" })).status).toBe(200);
  });

  test("a byte order mark is ignored", async () => {
    endAtOnce();
    const headers = { "content-type": "application/json" };
    expect((await call(api.url, "POST /v1/executions", { key, body: '\ufeff{"code":"1"}', headers })).status).toBe(200);
  });

  test("a body over the limit is 413, even when it is compressed to less", async () => {
    const huge = JSON.stringify({ code: "1", stdin: "x".repeat(17 * 1024 * 1024) });
    const plain = await call(api.url, "POST /v1/executions", { key, body: huge, headers: { "content-type": "application/json" } });
    expect([plain.status, plain.body.code]).toEqual([413, "body_too_large"]);
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    const bomb = await call(api.url, "POST /v1/executions", { key, body: gzipSync(huge), headers });
    expect([bomb.status, bomb.body.code]).toEqual([413, "body_too_large"]);
  });

  test.each([
    ["text/plain", {}],
    ["application/x-www-form-urlencoded", {}],
    ["application/json; charset=utf-16", {}],
    ["application/json", { "content-encoding": "snappy" }],
  ])("content type %s with %j is 415", async (type, more) => {
    const answer = await call(api.url, "POST /v1/executions", { key, body: '{"code":"1"}', headers: { "content-type": type, ...more } });
    expect([answer.status, answer.body.code]).toEqual([415, "unsupported_media_type"]);
  });

  test("keys like __proto__ change no prototype and reach no record", async () => {
    endAtOnce();
    const { body } = await post(JSON.parse('{"code":"1","metadata":{"__proto__":"x","a":"b"},"env":{"__proto__":"y"}}'));
    expect(body.metadata).toEqual({ a: "b" });
    expect(({} as Record<string, unknown>).x).toBeUndefined();
    expect(Object.getPrototypeOf(api.executions.stored.get(body.id)?.submission.request.env)).toBe(Object.prototype);
  });

  test("an unknown `container` is 404", async () => {
    const answer = await post({ code: "1", container: "cntr_1" });
    expect([answer.status, answer.body.code, answer.body.error.param]).toEqual([404, "container_not_found", "container"]);
  });

  test("error texts do not repeat the input", async () => {
    const answer = await post({ code: 5, stdin: "hunter2", env: { "bad name": "hunter2" }, [`hunter2${"x".repeat(500)}`]: 1 });
    expect(answer.status).toBe(422);
    expect(answer.body.detail.length).toBeLessThan(200);
  });
});

describe("files", () => {
  test("inline text and base64 are stored, and the job contains only references", async () => {
    endAtOnce();
    const { body } = await post({
      code: "1",
      files: [
        { name: "a.txt", text: "é" },
        { name: "d/b.bin", base64: "AP8=" },
      ],
    });
    const submission = api.executions.stored.get(body.id)?.submission;
    expect(submission?.request.files).toEqual([]);
    const stored = await Promise.all((submission?.files ?? []).map((file) => api.files.get("org_a", file.file_id)));
    expect(stored.map((record) => [record?.name, record?.bytes])).toEqual([
      ["a.txt", 2],
      ["d/b.bin", 2],
    ]);
    expect(submission?.files.map((file) => file.name)).toEqual(["a.txt", "d/b.bin"]);
    expect(submission?.files.every((file) => fileIdPattern.test(file.file_id))).toBe(true);
  });

  test("an uploaded file is passed by reference", async () => {
    endAtOnce();
    const record = await upload("org_a", "x");
    const { status, body } = await post({ code: "1", files: [{ name: "in.csv", file_id: record.id }] });
    expect(status).toBe(200);
    expect(api.executions.stored.get(body.id)?.submission.files).toEqual([{ name: "in.csv", file_id: record.id }]);
  });

  test("another organization's file is refused exactly like an unknown one", async () => {
    const record = await upload("org_b", "x");
    const foreign = await post({
      code: "1",
      files: [
        { name: "ok", text: "" },
        { name: "x", file_id: record.id },
      ],
    });
    const unknown = await post({
      code: "1",
      files: [
        { name: "ok", text: "" },
        { name: "x", file_id: `file_${"0".repeat(24)}` },
      ],
    });
    expect([foreign.status, foreign.body.code, foreign.body.error.param]).toEqual([422, "invalid_field", "files.1.file_id"]);
    expect({ ...foreign.body, instance: "" }).toEqual({ ...unknown.body, instance: "" });
  });

  test("referenced files count toward the total size limit", async () => {
    const record = await upload("org_a", "x".repeat(999));
    const answer = await post({
      code: "1",
      files: [
        { name: "a", file_id: record.id },
        { name: "b", text: "yy" },
      ],
    });
    expect([answer.status, answer.body.error.param]).toEqual([422, "files"]);
  });

  test("no inline file is left when the queue refuses", async () => {
    const before = (await api.files.list("org_a", { limit: 100, order: "desc" }))?.data.length;
    api.executions.failNext = new ServiceError("queue_full", { retryAfterSeconds: 7 });
    const { status, body, headers } = await post({ code: "1", files: [{ name: "a", text: "x" }] });
    expect([status, body.code, headers.get("retry-after")]).toEqual([503, "queue_full", "7"]);
    expect((await api.files.list("org_a", { limit: 100, order: "desc" }))?.data.length).toBe(before);
  });
});

describe("Idempotency-Key", () => {
  test("the same key and body return the stored execution, for any order of members", async () => {
    endAtOnce();
    const first = await post({ code: "1", metadata: { a: "1", b: "2" } }, { "idempotency-key": "k1" });
    const again = await post({ metadata: { b: "2", a: "1" }, code: "1" }, { "idempotency-key": "k1" });
    expect(first.headers.get("idempotency-replayed")).toBeNull();
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(again.body).toEqual(first.body);
  });

  test("a replay does not store inline files again", async () => {
    endAtOnce();
    const body = { code: "1", files: [{ name: "a", text: "x" }] };
    await post(body, { "idempotency-key": "k2" });
    const before = (await api.files.list("org_a", { limit: 100, order: "desc" }))?.data.length;
    await post(body, { "idempotency-key": "k2" });
    expect((await api.files.list("org_a", { limit: 100, order: "desc" }))?.data.length).toBe(before);
  });

  test("the same key with another body is 422, and no retry is advised", async () => {
    endAtOnce();
    await post({ code: "1" }, { "idempotency-key": "k3" });
    const { status, body, headers } = await post({ code: "2" }, { "idempotency-key": "k3" });
    expect([status, body.code, headers.get("x-should-retry")]).toEqual([422, "idempotency_mismatch", "false"]);
  });

  test("keys of different organizations are independent", async () => {
    endAtOnce();
    const mine = await post({ code: "1" }, { "idempotency-key": "k4" });
    const theirs = await call(api.url, "POST /v1/executions", {
      key: foreignKey,
      body: { code: "1" },
      headers: { "idempotency-key": "k4" },
    });
    expect(theirs.headers.get("idempotency-replayed")).toBeNull();
    expect(theirs.body.id).not.toBe(mine.body.id);
  });

  test("a stored failure of the service is replayed, so no retry with its key is advised", async () => {
    endAtOnce({ status: "errored", cause: "worker_lost", retry_safe: true });
    const { status, headers } = await post({ code: "1" }, { "idempotency-key": "k5" });
    expect([status, headers.get("x-should-retry")]).toEqual([503, "false"]);
  });

  test.each([["x".repeat(256)], ["ké"]])("%s is not a valid key", async (sent) => {
    const answer = await post({ code: "1" }, { "idempotency-key": sent });
    expect([answer.status, answer.body.code]).toEqual([400, "malformed_request"]);
  });
});

describe("a caller that disconnects", () => {
  const leave = async (headers: Record<string, string>) => {
    const accepted = new Promise<string>((resolve) => {
      api.executions.onSubmit = (id) => resolve(id);
    });
    const abort = new AbortController();
    const sent = fetch(`${api.url}/v1/executions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
      body: JSON.stringify({ code: "1" }),
      signal: abort.signal,
    });
    const disconnected = expect(sent.then((response) => response.text())).rejects.toThrow();
    const id = await accepted;
    if (headers.accept !== undefined) await sent.catch(() => {});
    abort.abort();
    await disconnected;
    return id;
  };
  const inFlightNone = () => expect.poll(async () => (await api.deps.metrics.httpInFlight.get()).values[0]?.value).toBe(0);
  const statusOf = (id: string) => api.executions.stored.get(id)?.execution.status;

  test("while waiting cancels the execution", async () => {
    const id = await leave({});
    await expect.poll(() => statusOf(id)).toBe("cancelled");
  });

  test("with an Idempotency-Key does not cancel it, as it can get the result later", async () => {
    const id = await leave({ "idempotency-key": "gone" });
    await inFlightNone();
    expect(statusOf(id)).toBe("queued");
  });

  test("from a stream does not cancel it, as it can resume", async () => {
    const id = await leave({ accept: "text/event-stream" });
    await inFlightNone();
    expect(statusOf(id)).toBe("queued");
  });
});
