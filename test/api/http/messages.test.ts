import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call } from "../../support/checks/call.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";

let redis: TestRedis;
let api: Api;
let key: string;
beforeAll(async () => {
  redis = await startRedis();
  api = await startApi({ redisUrl: redis.url });
  key = await api.newKey("org_a");
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

const run = (body: unknown) => call(api.url, "POST /v1/executions", { key, body });

describe("a wrong field is named in our words", () => {
  test.each<[object, string]>([
    [{ code: "1", timeout_ms: 99_000 }, "`timeout_ms` is 99000; at most 30000."],
    [{ code: "1", timeout_ms: 0 }, "`timeout_ms` is 0; at least 1."],
    [{ code: "1", timeout_ms: 1.5 }, "`timeout_ms` must be a whole number, not 1.5."],
    [{ code: "1", timeout_ms: "5" }, '`timeout_ms` must be a number, not "5".'],
    [{ code: "1", memory_mb: 100_000 }, "`memory_mb` is 100000; at most 512."],
    [{}, "`code` is required."],
    [{ code: null }, "`code` must be text, not null."],
    [{ code: ["1"] }, "`code` must be text, not a list."],
    [{ code: "" }, "`code` must not be empty."],
    [{ code: "1", priority: "urgent" }, '`priority` must be one of "normal", "high", not "urgent".'],
    [{ code: "1", files: {} }, "`files` must be a list, not an object."],
    [{ code: "1", files: [{ name: "a", base64: "*" }] }, "`files.0.base64` must be base64."],
    [{ code: "1", args: Array(65).fill("x") }, "`args` has 65 entries; at most 64."],
    [{ code: "1", webhook: { url: "nowhere", secret: "x".repeat(16) } }, "`webhook.url` must be a URL."],
    [{ code: "1", webhook: { url: "https://a.example", secret: "short" } }, "`webhook.secret` has 5 characters; at least 16."],
    [{ code: "1", timeout: 5 }, "There is no field `timeout`. Did you mean `timeout_ms`?"],
    [{ code: "1", timeoutMs: 5 }, "There is no field `timeoutMs`. Did you mean `timeout_ms`?"],
    [{ code: "1", file: [] }, "There is no field `file`. Did you mean `files`?"],
    [{ code: "1", files: [{ name: "a", txt: "x", text: "x" }] }, "There is no field `files.0.txt`. Did you mean `text`?"],
    [{ cod: "1" }, "There is no field `cod`. Did you mean `code`? `code` is required."],
  ])("%j: %s", async (body, detail) => {
    const answer = await run(body);
    expect([answer.status, answer.body.detail]).toEqual([422, detail]);
  });

  test("all faults are listed, and none repeats text that may be secret", async () => {
    const secret = "a secret, with spaces";
    const { body } = await run({ code: 7, timeout_ms: secret, env: { A: 5 }, colour: 1 });
    expect(body.errors.map((one: { param: string }) => one.param)).toEqual(["colour", "code", "env.A", "timeout_ms"]);
    expect(body.error.param).toBe("colour");
    expect(JSON.stringify(body)).not.toContain(secret);
  });
});

test.each([
  ["GET", "/v1/execution", "`/v1/executions`"],
  ["GET", "/v1/executons/ci_1", "`/v1/executions/{id}`"],
  ["POST", "/executions", "`/v1/executions`"],
  ["GET", "/v1/container", "`/v1/containers`"],
])("%s %s says which path was probably meant", async (method, path, meant) => {
  const { status, body } = await call(api.url, `${method} ${path}`, { key, as: null });
  expect([status, body.code]).toEqual([404, "route_not_found"]);
  expect(body.detail).toContain(`Did you mean ${meant}?`);
});
