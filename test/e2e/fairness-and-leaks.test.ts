import { readdir } from "node:fs/promises";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { madeBy } from "../support/sandboxes/made-by.ts";
import { client, prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

let world: TestService;
let service: ServiceProcess;

beforeAll(async () => {
  world = await prepareService();
  service = await world.start("all", { WORKER_CONCURRENCY: "2" });
});
afterAll(() => world.stop());

test("with 500 executions of one organization waiting, another organization's next starts within a few", async () => {
  const greedy = client(service.url, await world.key("org_greedy"));
  const modest = client(service.url, await world.key("org_modest"));
  const ids: string[] = [];
  for (let batch = 0; batch < 10; batch++) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => greedy.run({ code: "print(1)" }, { prefer: "respond-async" })));
    for (const { json } of answers) ids.push(json.id);
  }
  const { json } = await modest.run({ code: "print('here')" });
  expect(json.status).toBe("completed");
  const all = await Promise.all(ids.map(async (id) => (await greedy.get(`/v1/executions/${id}`)).json));
  const startedMeanwhile = all.filter(
    ({ started_at }) => started_at !== null && started_at >= json.created_at && started_at <= json.started_at,
  );
  expect(all.filter(({ status }) => status === "queued").length).toBeGreaterThan(200);
  expect(startedMeanwhile.length).toBeLessThanOrEqual(6);
  await Promise.all(ids.map((id) => greedy.call("POST", `/v1/executions/${id}/cancel`)));
});

test("a full queue refuses with Retry-After", async () => {
  const limited = await world.start("all", { LIMIT_QUEUE_PER_ORGANIZATION_MAX: "3", REDIS_PREFIX: "limited", WORKER_CONCURRENCY: "1" });
  const { run, call } = client(limited.url, await world.key("org_a"));
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => run({ code: "import time; time.sleep(1)" }, { prefer: "respond-async" })),
  );
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThan(0);
  for (const { json, headers } of refused) {
    expect(json.error.code).toBe("organization_queue_full");
    expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  }
  for (const { status, json } of answers) if (status === 202) await call("POST", `/v1/executions/${json.id}/cancel`);
  expect(await limited.stop()).toBe(0);
});

test("nothing is left: no key without expiry, no temporary file, no container beyond the pool", async () => {
  const redis = new Redis({ path: world.redis.url });
  const endless: string[] = [];
  for await (const keys of redis.scanStream({ count: 1000 })) {
    for (const key of keys as string[]) if ((await redis.ttl(key)) === -1) endless.push(key);
  }
  redis.disconnect();
  // BullMQ keeps one record about each queue itself; everything about executions expires.
  expect(endless.filter((key) => !/\}:(executions|webhooks):(meta|id|events|marker|stalled-check|pc)$/.test(key))).toEqual([]);
  expect(await readdir(`${world.dataFolder}/blobs/incoming`).catch(() => [])).toEqual([]);
  await vi.waitFor(
    async () => {
      const alive = Number(
        (await (await fetch(`${service.operationsUrl}/metrics`)).text()).match(/^code_interpreter_sandboxes_alive (\d+)/m)?.[1],
      );
      expect((await madeBy(service)).length).toBe(alive);
      expect(alive).toBeLessThanOrEqual(6);
    },
    { timeout: 30_000, interval: 500 },
  );
  expect(await service.stop()).toBe(0);
  expect(await madeBy(service)).toEqual([]);
});
