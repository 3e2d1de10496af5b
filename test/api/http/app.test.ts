import { once } from "node:events";
import { readdir } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import { makeOperationsApp } from "../../../src/http/admin/operations.ts";
import { routesOf } from "../../../src/http/app.ts";
import { makeRateLimit } from "../../../src/http/core/rate-limit.ts";
import { executionExample, fileExample } from "../../../src/http/executions/openapi-examples.ts";
import { revokeKey } from "../../../src/keys/change-keys.ts";
import { call, callRaw } from "../../support/checks/call.ts";
import { expectMatchesOpenApi, openApi } from "../../support/checks/openapi.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, type ApiOptions, startApi } from "../../support/servers/api.ts";

let redis: TestRedis;
const opened: Api[] = [];
const start = async (options: Omit<ApiOptions, "redisUrl"> = {}) => {
  const api = await startApi({ redisUrl: redis.url, ...options });
  opened.push(api);
  return api;
};

beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  for (const api of opened.splice(0)) await api.close();
});
afterAll(async () => {
  await redis.stop();
});

describe("keys", () => {
  test("are accepted in Authorization and in X-API-Key", async () => {
    const api = await start();
    const key = await api.newKey("org_a");
    expect((await call(api.url, "GET /v1/files", { headers: { authorization: `Bearer ${key}` } })).status).toBe(200);
    expect((await call(api.url, "GET /v1/files", { headers: { authorization: `bearer ${key}` } })).status).toBe(200);
    expect((await call(api.url, "GET /v1/files", { headers: { "x-api-key": key } })).status).toBe(200);
  });

  test.each([
    ["no key", {}, "missing_key"],
    ["an unknown key", { "x-api-key": `ci_sk_${"0".repeat(24)}_${"0".repeat(64)}` }, "invalid_key"],
    ["a malformed key", { authorization: "Bearer x" }, "invalid_key"],
    ["another scheme", { authorization: "Basic eDp4" }, "invalid_key"],
    ["an empty key", { authorization: "Bearer " }, "invalid_key"],
  ])("%s is 401 and says how to authenticate", async (_, headers, code) => {
    const api = await start();
    const answer = await call(api.url, "GET /v1/files", { headers: headers as Record<string, string> });
    expect([answer.status, answer.body.code]).toEqual([401, code]);
    expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer /);
  });

  test("a known id with a wrong secret is 401", async () => {
    const api = await start();
    const key = await api.newKey("org_a");
    const wrong = key.slice(0, -1) + (key.endsWith("0") ? "1" : "0");
    expect((await call(api.url, "GET /v1/files", { key: wrong })).status).toBe(401);
  });

  test("two keys in one request are refused, even when both are valid", async () => {
    const api = await start();
    const key = await api.newKey("org_a");
    const answer = await call(api.url, "GET /v1/files", { key, headers: { "x-api-key": key } });
    expect([answer.status, answer.body.code]).toEqual([400, "malformed_request"]);
    const lines = `Authorization: Bearer x\r\nAuthorization: Bearer ${key}\r\n`;
    expect(await callRaw(api.url, `GET /v1/files HTTP/1.1\r\nHost: x\r\n${lines}Connection: close\r\n\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("a revoked key is refused in the next request", async () => {
    const api = await start();
    const key = await api.newKey("org_a");
    expect((await call(api.url, "GET /v1/files", { key })).status).toBe(200);
    await revokeKey(api.keysFile, `key_${key.split("_")[2]}`);
    expect((await call(api.url, "GET /v1/files", { key })).status).toBe(401);
  });

  const calls = [
    ["POST /v1/executions", "execute"],
    ["GET /v1/executions", "read"],
    ["GET /v1/executions/x", "read"],
    ["GET /v1/executions/x/events", "read"],
    ["POST /v1/executions/x/cancel", "execute"],
    ["DELETE /v1/executions/x", "execute"],
    ["POST /v1/files", "execute"],
    ["GET /v1/files", "read"],
    ["GET /v1/files/x", "read"],
    ["GET /v1/files/x/content", "read"],
    ["DELETE /v1/files/x", "execute"],
  ] as const;
  test.each(calls)("%s needs the scope %s or admin", async (line, scope) => {
    const api = await start();
    const other = await call(api.url, line, { key: await api.newKey("org_a", [scope === "read" ? "execute" : "read"]) });
    expect([other.status, other.body.code]).toEqual([403, "missing_scope"]);
    expect(other.body.detail).toContain(scope);
    for (const enough of [scope, "admin"] as const) {
      expect((await call(api.url, line, { key: await api.newKey("org_a", [enough]) })).status).not.toBe(403);
    }
  });
});

describe("every HTTP response", () => {
  test("has a request id: the caller's if it is safe", async () => {
    const api = await start();
    const echoed = await call(api.url, "GET /v1/files", { headers: { "x-request-id": "trace-1.A_b" } });
    expect(echoed.headers.get("x-request-id")).toBe("trace-1.A_b");
    expect(echoed.body.instance).toBe("trace-1.A_b");
    for (const sent of ["x".repeat(129), "a b", "<script>", "é"]) {
      const made = await call(api.url, "GET /v1/files", { headers: { "x-request-id": sent } });
      expect(made.headers.get("x-request-id")).toMatch(/^req_[0-9a-f]{24}$/);
    }
  });

  test("names no software and forbids browsers to sniff, frame or cache it", async () => {
    const { headers } = await call((await start()).url, "GET /v1/files");
    expect(headers.get("x-powered-by")).toBeNull();
    expect(headers.get("server")).toBeNull();
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  test.each(["/nowhere", "/v2/executions", "/.env"])("%s does not exist", async (path) => {
    const { status, body } = await call((await start()).url, `GET ${path}`);
    expect([status, body.code]).toEqual([404, "route_not_found"]);
  });

  test("below /v1, requests without a key do not reveal which paths exist", async () => {
    const api = await start();
    expect((await call(api.url, "GET /v1/nowhere")).status).toBe(401);
    expect((await call(api.url, "GET /v1/nowhere", { key: await api.newKey("org_a") })).status).toBe(404);
  });

  test.each([
    ["PUT /v1/executions", "POST, GET"],
    ["PATCH /v1/executions/x", "GET, DELETE"],
    ["DELETE /v1/executions", "POST, GET"],
    ["POST /v1/files/x", "GET, DELETE"],
    ["GET /v1/executions/x/cancel", "POST"],
  ])("%s is 405 and lists the supported methods: %s", async (line, allow) => {
    const api = await start();
    const { status, body, headers } = await call(api.url, line, { key: await api.newKey("org_a"), as: null });
    expect([status, body.code, headers.get("allow")]).toEqual([405, "method_not_allowed", allow]);
  });
});

describe("failures", () => {
  test("a bug is `internal` and reveals nothing to the caller", async () => {
    const api = await start();
    const key = await api.newKey("org_a");
    api.executions.failNext = new TypeError("secret of /srv/path");
    const { status, body } = await call(api.url, "GET /v1/executions", { key });
    expect([status, body.code]).toEqual([500, "internal"]);
    expect(JSON.stringify(body)).not.toMatch(/secret|srv|TypeError| at /);
  });

  test("requests get 503 within two seconds while Redis is down, and are served again afterwards", async () => {
    const own = await startRedis();
    try {
      const api = await startApi({ redisUrl: own.url });
      opened.push(api);
      const key = await api.newKey("org_a");
      expect((await call(api.url, "GET /v1/files", { key })).status).toBe(200);
      await own.kill();
      const before = Date.now();
      const away = await call(api.url, "GET /v1/files", { key });
      expect([away.status, away.body.code]).toEqual([503, "queue_unavailable"]);
      expect(away.headers.get("retry-after")).not.toBeNull();
      expect(Date.now() - before).toBeLessThan(2000);
      await own.restart();
      await expect.poll(async () => (await call(api.url, "GET /v1/files", { key })).status, { timeout: 5000 }).toBe(200);
    } finally {
      await own.stop();
    }
  });

  test("an upload that Redis cannot record leaves no bytes behind", async () => {
    const own = await startRedis();
    try {
      const api = await startApi({ redisUrl: own.url });
      opened.push(api);
      const key = await api.newKey("org_a");
      await own.kill();
      const form = new FormData();
      form.append("file", new Blob(["x"]), "a");
      const { status, body } = await call(api.url, "POST /v1/files", { key, body: form });
      expect([status, body.code]).toEqual([503, "queue_unavailable"]);
      const left = (await readdir(api.blobs, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
      expect(left).toEqual([]);
    } finally {
      await own.stop();
    }
  });
});

describe("rate limit", () => {
  test("a key over its limit gets 429 with Retry-After; other keys are not affected", async () => {
    const limits = makeLimits({ requestsPerMinutePerKeyMax: 10 });
    const api = await start({
      deps: ({ metrics }, client) => ({ rateLimit: makeRateLimit({ redis: client, prefix: "rl", limits, metrics }) }),
    });
    const [key, other] = [await api.newKey("org_a"), await api.newKey("org_a")];
    for (let i = 0; i < 10; i += 1) expect((await call(api.url, "GET /v1/files", { key })).status).toBe(200);
    const { status, body, headers } = await call(api.url, "GET /v1/files", { key });
    expect([status, body.code]).toEqual([429, "rate_limited"]);
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    expect(Number(headers.get("retry-after"))).toBeLessThanOrEqual(60);
    expect((await call(api.url, "GET /v1/files", { key: other })).status).toBe(200);
  });

  test("a burst exceeds the limit by at most half", async () => {
    const limits = makeLimits({ requestsPerMinutePerKeyMax: 10 });
    const api = await start({
      deps: ({ metrics }, client) => ({ rateLimit: makeRateLimit({ redis: client, prefix: "rl", limits, metrics }) }),
    });
    const key = await api.newKey("org_a");
    const ask = async () => (await call(api.url, "GET /v1/files", { key })).status;
    expect(await ask()).toBe(200);
    const statuses = await Promise.all(Array.from({ length: 40 }, ask));
    const passed = statuses.filter((status) => status === 200).length;
    expect(passed).toBeGreaterThanOrEqual(9);
    expect(passed).toBeLessThanOrEqual(14);
    expect(await ask()).toBe(429);
  });

  test("is counted in the process while Redis is down", async () => {
    const own = await startRedis();
    const client = new Redis(own.url, { maxRetriesPerRequest: 0, enableOfflineQueue: false });
    client.on("error", () => {});
    try {
      await own.kill();
      const limits = makeLimits({ requestsPerMinutePerKeyMax: 2 });
      const api = await start({ deps: ({ metrics }) => ({ rateLimit: makeRateLimit({ redis: client, prefix: "rl", limits, metrics }) }) });
      const key = await api.newKey("org_a");
      const statuses = [];
      for (let i = 0; i < 3; i += 1) statuses.push((await call(api.url, "GET /v1/files", { key })).status);
      expect(statuses).toEqual([200, 200, 429]);
    } finally {
      client.disconnect();
      await own.stop();
    }
  });
});

describe("without a key", () => {
  test.each(["", "/v1"])("%s/health/live and /health/ready are served", async (prefix) => {
    let redisIsThere = true;
    const api = await start({ deps: () => ({ readiness: async () => ({ redis: redisIsThere }) }) });
    expect((await call(api.url, `GET ${prefix}/health/live`, { as: `${prefix}/health/live` })).body).toEqual({ status: "ok" });
    const ready = await call(api.url, `GET ${prefix}/health/ready`, { as: `${prefix}/health/ready` });
    expect([ready.status, ready.body]).toEqual([200, { status: "ready", checks: { redis: true, accepting: true } }]);
    redisIsThere = false;
    const away = await call(api.url, `GET ${prefix}/health/ready`, { as: `${prefix}/health/ready` });
    expect([away.status, away.body.status, away.body.checks.redis]).toEqual([503, "not_ready", false]);
  });

  test("/openapi.json describes every route with its errors", async () => {
    const api = await start();
    const { body } = await call(api.url, "GET /openapi.json", { as: "/openapi.json" });
    expect(body.openapi).toBe("3.1.0");
    for (const route of routesOf(api.deps)) {
      const operation = body.paths[route.path.replaceAll(/:(\w+)/g, "{$1}")]?.[route.method];
      expect(Object.keys(operation?.responses ?? {}), `${route.method} ${route.path}`).toEqual(
        expect.arrayContaining(["200", "401", "403", "429", "500", "503"]),
      );
      expect(operation.security).toEqual([{ bearer: [] }, { apiKey: [] }]);
    }
  });

  test("the examples of the document match its schemas", () => {
    expectMatchesOpenApi("get", "/v1/executions/{id}", 200, "application/json", executionExample);
    expectMatchesOpenApi("get", "/v1/files/{id}", 200, "application/json", fileExample);
    for (const operation of Object.values(openApi.paths ?? {}).flatMap((path) => Object.values(path))) {
      expect(operation.summary).toMatch(/\w/);
    }
  });

  test("/docs loads no external resources and runs no inline script", async () => {
    const api = await start();
    const page = await call(api.url, "GET /docs");
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toMatch(/script-src 'self';/);
    const loads = [...String(page.body).matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] as string);
    expect(loads.length).toBeGreaterThan(3);
    for (const path of loads) {
      expect(path).toMatch(/^\/docs\//);
      const asset = await call(api.url, `GET ${path}`);
      expect([path, asset.status]).toEqual([path, 200]);
      expect(asset.headers.get("content-type")).toMatch(/^(text\/(css|javascript)|image\/png)/);
    }
    expect(String(page.body)).not.toMatch(/<script(?![^>]*src=)/);
  });
});

describe("during shutdown", () => {
  test("new work gets 503, existing objects can be read, and connections close", async () => {
    const api = await start();
    const key = await api.newKey("org_a");
    api.stop.abort();
    for (const [line, body] of [
      ["POST /v1/executions", { code: "1" }],
      ["POST /v1/files", "x"],
    ] as const) {
      const answer = await call(api.url, line, { key, body });
      expect([answer.status, answer.body.code, answer.headers.get("connection")]).toEqual([503, "shutting_down", "close"]);
    }
    const read = await call(api.url, "GET /v1/executions", { key });
    expect([read.status, read.headers.get("connection")]).toEqual([200, "close"]);
    expect((await call(api.url, "GET /health/ready")).status).toBe(503);
    expect((await call(api.url, "GET /health/live")).status).toBe(200);
  });

  test("event streams end, so that callers can resume at another process", async () => {
    const api = await start();
    const key = await api.newKey("org_a");
    const accepted = new Promise<string>((resolve) => {
      api.executions.onSubmit = resolve;
    });
    const streaming = call(api.url, "POST /v1/executions", { key, body: { code: "1" }, headers: { accept: "text/event-stream" } });
    await accepted;
    api.stop.abort();
    expect((await streaming).status).toBe(200);
  });
});

describe("the operators' app", () => {
  test("serves only metrics and health", async () => {
    const api = await start();
    await call(api.url, "GET /v1/files");
    await call(api.url, "GET /v1/executions/ci_secret%20id", { key: await api.newKey("org_a") });
    const server = makeOperationsApp(api.deps).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const metrics = await call(url, "GET /metrics");
      expect(metrics.headers.get("content-type")).toMatch(/^text\/plain/);
      expect(metrics.body).toContain('route="/v1/executions/:id",status="404"');
      expect(metrics.body).toContain('route="none",status="401"');
      expect(metrics.body).not.toContain("secret");
      expect(metrics.body.endsWith("\n")).toBe(true);
      expect((await call(url, "GET /health/live")).status).toBe(200);
      expect((await call(url, "GET /health/ready")).status).toBe(200);
      expect((await call(url, "POST /v1/executions", { as: null })).status).toBe(404);
    } finally {
      server.close();
    }
  });
});
