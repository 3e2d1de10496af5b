import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RedisResponseStore } from "../../../src/assistant/store/response-store.ts";
import { makeLimits } from "../../../src/domain/limits.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";

let server: TestRedis;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

test("responses are refused once an organization's stored bytes reach the bound, and their ends count", async () => {
  const store = new RedisResponseStore({ redis, prefix: "ci", limits: makeLimits({ recordsBytesPerOrganizationMax: 1_000 }) });
  const response = { organization: "org_a", id: "resp_1", status: "in_progress" } as Parameters<typeof store.create>[0];
  await store.create(response);
  await store.create({ ...response, id: "resp_2" });
  await store.finish({ ...response, status: "completed", instructions: "x".repeat(2_000) } as typeof response);
  await expect(store.create({ ...response, id: "resp_3" })).rejects.toMatchObject({ code: "organization_storage_full" });
  await store.create({ ...response, organization: "org_b" });
});

test("a deleted response no longer counts, including what its end added", async () => {
  const store = new RedisResponseStore({ redis, prefix: "deleted", limits: makeLimits() });
  const response = { organization: "org_a", id: "resp_1", status: "in_progress" } as Parameters<typeof store.create>[0];
  const kept = async () => Object.values(await redis.hgetall("{deleted}:kept:org_a")).reduce((sum, bytes) => sum + Number(bytes), 0);
  await store.create({ ...response, id: "resp_2" });
  const before = await kept();
  await store.create(response);
  await store.finish({ ...response, status: "completed", instructions: "é".repeat(500) } as typeof response);
  expect(await kept()).toBeGreaterThan(before + 1_000);
  expect(await store.delete("org_a", "resp_1")).toBe(true);
  expect(await kept()).toBe(before);
  expect(await store.delete("org_a", "resp_1")).toBe(false);
  expect(await kept()).toBe(before);
});
