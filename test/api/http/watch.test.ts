import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ReceiptSource } from "../../../src/domain/receipt-source.ts";
import { type DayRange, dateOfDay, dayNumber } from "../../../src/domain/usage.ts";
import type { AnsweredRequest } from "../../../src/http/core/measure.ts";
import { executionExample } from "../../../src/http/executions/openapi-examples.ts";
import { verifyReceipt } from "../../../src/receipts/verify.ts";
import { call } from "../../support/checks/call.ts";
import { expectSeconds } from "../../support/checks/times.ts";
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

describe("usage", () => {
  const withUsage = (asked: Array<[string, DayRange]>) => ({
    deps: () => ({
      usage: async (organization: string, range: DayRange) => {
        asked.push([organization, range]);
        const executions = { completed: 2, failed: 1, incomplete: 0, cancelled: 0, errored: 0 };
        const used = { executions, cpu_seconds: 0.1, bytes_in: 10, bytes_out: 20 };
        return Array.from({ length: range.to - range.from + 1 }, (_, at) => ({ date: dateOfDay(range.from + at), ...used }));
      },
    }),
  });
  const usageAs = { as: "/v1/usage" };

  test("is that of the caller's organization, also for administrators, by day with the total", async () => {
    const asked: Array<[string, DayRange]> = [];
    const api = await start(withUsage(asked));
    for (const scope of ["read", "admin"] as const) {
      const key = await api.newKey(`org_${scope}`, [scope]);
      const { status, body } = await call(api.url, "GET /v1/usage?from=2026-02-27&to=2026-03-01", { key, ...usageAs });
      expect(status).toBe(200);
      expect(body).toMatchObject({ organization: `org_${scope}`, from: "2026-02-27", to: "2026-03-01" });
      expect(body.data.map((day: { date: string }) => day.date)).toEqual(["2026-02-27", "2026-02-28", "2026-03-01"]);
      expect(body.total).toMatchObject({ executions: { completed: 6, failed: 3 }, cpu_seconds: 0.3, bytes_in: 30, bytes_out: 60 });
    }
    expect(asked.map(([organization]) => organization)).toEqual(["org_read", "org_admin"]);
  });

  test("covers the last 30 days by default", async () => {
    const asked: Array<[string, DayRange]> = [];
    const api = await start(withUsage(asked));
    await call(api.url, "GET /v1/usage", { key: await api.newKey("org_a"), ...usageAs });
    const today = dayNumber(Date.now());
    expect(asked[0]?.[1]).toEqual({ from: today - 29, to: today });
  });

  test.each([
    ["from=2026-01-01&to=2026-04-03", "from", /92 days/],
    ["from=2026-01-02&to=2026-01-01", "from", /after/],
    ["from=yesterday", "from", /date/i],
    ["to=2026-02-30", "to", /date/i],
    ["organization=org_b", "organization", /no field/],
  ])("refuses %s and names the field", async (query, param, words) => {
    const api = await start();
    const { status, body } = await call(api.url, `GET /v1/usage?${query}`, { key: await api.newKey("org_a"), ...usageAs });
    expect([status, body.error.param]).toEqual([422, param]);
    expect(body.detail).toMatch(words);
  });
});

describe("a receipt", () => {
  const source = (organization: string, changes: Partial<ReceiptSource["execution"]> = {}): ReceiptSource => ({
    organization,
    execution: { ...executionExample, ...changes } as ReceiptSource["execution"],
    args: [],
    stdin: "",
    provenance: null,
  });
  const id = executionExample.id;
  const receiptAs = { as: "/v1/executions/{id}/receipt" };

  test("can be verified with the published keys alone, which need no API key", async () => {
    const api = await start({ deps: (deps) => ({ receipts: { ...deps.receipts, source: async (org) => source(org) } }) });
    const answer = await call(api.url, `GET /v1/executions/${id}/receipt`, { key: await api.newKey("org_a"), ...receiptAs });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/jose"]);
    const keys = await call(api.url, "GET /v1/receipt-keys", { as: "/v1/receipt-keys" });
    expect(keys.status).toBe(200);
    const verified = await verifyReceipt(answer.body, keys.body);
    expectSeconds(verified);
    expect(verified).toMatchObject({ execution: id, organization: "org_a", sandbox: null, inputs: [] });
  });

  test("is 409 before the end, 404 for an unknown execution, 403 without the scope", async () => {
    const running = { status: "in_progress" } as const;
    const api = await start({
      deps: (deps) => ({ receipts: { ...deps.receipts, source: async (org) => (org === "org_a" ? source(org, running) : null) } }),
    });
    const path = `GET /v1/executions/${id}/receipt`;
    expect((await call(api.url, path, { key: await api.newKey("org_a"), ...receiptAs })).body.code).toBe("execution_running");
    expect((await call(api.url, path, { key: await api.newKey("org_b"), ...receiptAs })).body.code).toBe("execution_not_found");
    expect((await call(api.url, path, { key: await api.newKey("org_a", ["execute"]), ...receiptAs })).status).toBe(403);
  });
});

describe("the usage of all organizations", () => {
  test("is for administrators, of today and by executions unless asked otherwise", async () => {
    const asked: unknown[] = [];
    const row = { organization: "org_a", executions: 1, cpu_seconds: 0.1, bytes: 10, refused: 0 };
    const topUsage = async (wanted: unknown) => {
      asked.push(wanted);
      return [row];
    };
    const api = await start({ deps: () => ({ topUsage }) });
    const path = { as: "/v1/admin/usage" };
    expect((await call(api.url, "GET /v1/admin/usage", { key: await api.newKey("org_a", ["read", "execute"]), ...path })).status).toBe(403);
    const key = await api.newKey("org_ops", ["admin"]);
    const { status, body } = await call(api.url, "GET /v1/admin/usage", { key, ...path });
    expect([status, body]).toMatchObject([200, { object: "admin.usage", by: "executions", data: [row] }]);
    await call(api.url, "GET /v1/admin/usage?date=2026-02-01&by=bytes&limit=3", { key, ...path });
    expect(asked).toEqual([
      { day: dayNumber(Date.now()), by: "executions", limit: 20 },
      { day: dayNumber(Date.parse("2026-02-01")), by: "bytes", limit: 3 },
    ]);
    expect((await call(api.url, "GET /v1/admin/usage?by=name", { key, ...path })).status).toBe(422);
  });
});

describe("an answered request", () => {
  test("is one line with route, status, time, organization and bytes, and nothing that the caller wrote", async () => {
    const answered: AnsweredRequest[] = [];
    const api = await start({ deps: () => ({ onAnswered: (each: AnsweredRequest) => void answered.push(each) }) });
    const key = await api.newKey("org_a");
    const post = (body: unknown) =>
      fetch(`${api.url}/v1/executions?hidden=1`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    expect((await post({ code: "print('hidden')", filename: "hidden" })).status).toBe(422);
    await fetch(`${api.url}/v1/files/hidden`, { headers: { authorization: "Bearer hidden" } });
    await expect.poll(() => answered.length).toBe(2);
    const refused = { method: "POST", route: "/v1/executions", status: 422, organization: "org_a", ms: expect.any(Number) };
    expect(answered).toMatchObject([refused, { status: 401, organization: undefined }]);
    for (const { bytes_in, bytes_out } of answered.slice(0, 1)) expect(Math.min(bytes_in, bytes_out)).toBeGreaterThan(40);
    expect(JSON.stringify(answered)).not.toContain("hidden");
  });
});
