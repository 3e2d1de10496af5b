import { afterAll, beforeAll, expect, test } from "vitest";
import { AnnouncedPackages } from "../../../src/queue/worker/packages.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";

let redis: TestRedis;
let api: Api;
beforeAll(async () => {
  redis = await startRedis();
  api = await startApi({ redisUrl: redis.url });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

const announced = {
  variant: "full",
  python: "3.13.5",
  packages: [{ name: "polars", version: "2.1.0", modules: ["polars"] }],
};

test("the packages are unknown until a worker announces them, then those it announced", async () => {
  const headers = { authorization: `Bearer ${await api.newKey("org_packages", ["read"])}` };
  const ask = () => fetch(`${api.url}/v1/packages`, { headers });
  const before = await ask();
  expect([before.status, before.headers.get("retry-after"), ((await before.json()) as { error: { code: string } }).error.code]).toEqual([
    503,
    "5",
    "packages_unknown",
  ]);
  await new AnnouncedPackages({ redis: api.redis, prefix: api.prefix }).announce(announced);
  expect(await (await ask()).json()).toEqual({ object: "packages", ...announced });
});

test("what is no list of packages counts as unknown", async () => {
  const list = new AnnouncedPackages({ redis: api.redis, prefix: api.prefix });
  await api.redis.set(`{${api.prefix}}:packages`, JSON.stringify({ packages: "many" }));
  expect(await list.read()).toBeNull();
});
