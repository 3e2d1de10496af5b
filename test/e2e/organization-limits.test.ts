import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { OrganizationLimits } from "../../src/domain/organization-limits.ts";
import { createKey } from "../../src/keys/change-keys.ts";
import { client, prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

/** An api and a worker as two processes. Each organization here has limits of its own, in the record of its key. */
let service: TestService;
let api: ServiceProcess;
let worker: ServiceProcess;
beforeAll(async () => {
  service = await prepareService();
  api = await service.start("api");
  worker = await service.start("worker", { WORKER_CONCURRENCY: "1", POOL_SIZE_MIN: "1", POOL_SIZE_MAX: "1" });
}, 120_000);
afterAll(() => service.stop());

let made = 0;
async function limited(limits: OrganizationLimits) {
  const organization = `org_limited${made++}`;
  const key = await createKey(join(service.dataFolder, "keys.json"), { organization, scopes: ["execute", "read"], limits });
  return { organization, key, ...client(api.url, key) };
}

test("the time of an execution: a longer one is refused with the limit, and without a wish it is the limit", async () => {
  const { run } = await limited({ timeout_ms: 1_500 });
  expect((await run({ code: "1", timeout_ms: 1_501 })).json).toMatchObject({
    code: "invalid_field",
    detail: expect.stringMatching(/timeout_ms.*1500/),
  });
  const { json } = await run({ code: "while True: pass" });
  expect(json).toMatchObject({ status: "incomplete", cause: "timeout", evidence: { limit_value: 1_500 } });
});

test("memory: more is refused with the limit, without a wish it is the limit, and a session gets no more either", async () => {
  const { run, call } = await limited({ memory_mb: 300 });
  expect((await run({ code: "1", memory_mb: 301 })).json).toMatchObject({
    code: "invalid_field",
    detail: expect.stringMatching(/memory_mb.*300/),
  });
  expect((await run({ code: "x = b'x' * (400 << 20)" })).json).toMatchObject({ status: "incomplete", cause: "memory" });
  expect((await call("POST", "/v1/containers", { memory_limit: "1g" })).json).toMatchObject({ memory_limit: "300m" });
});

test("sessions: the next is refused with the limit", async () => {
  const { call } = await limited({ sessions: 1 });
  expect((await call("POST", "/v1/containers", {})).status).toBe(200);
  expect((await call("POST", "/v1/containers", {})).json.error).toMatchObject({
    code: "organization_containers_full",
    message: expect.stringMatching(/limit of 1 /),
  });
});

test("the rate of a key: further requests are refused with the limit, and another organization's are not", async () => {
  const { call } = await limited({ requests_per_minute: 3 });
  const other = await limited({ sessions: 9 });
  const answers = [];
  for (let time = 0; time < 8; time++) answers.push(await call("GET", "/v1/executions", undefined));
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThanOrEqual(3);
  expect(refused[0]?.json).toMatchObject({ code: "rate_limited", detail: expect.stringContaining("3 requests per minute") });
  expect((await other.call("GET", "/v1/executions", undefined)).status).toBe(200);
});

test("the share of the queue: what exceeds it is refused with the limit", async () => {
  const { run, call } = await limited({ waiting_executions: 2 });
  const answers = [];
  for (let time = 0; time < 8; time++) answers.push(await run({ code: "import time; time.sleep(3)" }, { prefer: "respond-async" }));
  const refused = answers.find(({ status }) => status === 429);
  expect(refused?.json).toMatchObject({
    code: "organization_queue_full",
    detail: expect.stringContaining("limit of 2 waiting executions"),
  });
  // The rest would delay the tests below.
  for (const { json } of answers) if (json.status === "queued") await call("POST", `/v1/executions/${json.id}/cancel`);
});

test("records: when the stored results reach the limit, the next execution is refused with it", async () => {
  const { run } = await limited({ records_bytes: 20_000 });
  expect((await run({ code: "print('x' * 50_000)" })).json).toMatchObject({ status: "completed" });
  expect((await run({ code: "1" })).json).toMatchObject({
    code: "organization_storage_full",
    detail: expect.stringContaining("20000 bytes"),
  });
});

test("files: uploads and what the code writes end at the limit, in the api and in the worker", async () => {
  const { run, organization, key } = await limited({ files_bytes: 1_000 });
  const redis = new Redis(service.redis.url);
  const known = () => redis.hget("ci:files-bytes-max", organization);
  await vi.waitFor(async () => expect(await known()).toBe("1000"), { timeout: 10_000 });
  redis.disconnect();
  const upload = async () => {
    const body = new FormData();
    body.set("purpose", "user_data");
    body.set("file", new Blob(["x".repeat(2_000)]), "a.txt");
    return fetch(`${api.url}/v1/files`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body });
  };
  expect((await upload()).status).toBe(200);
  const second = await upload();
  expect(second.status).toBe(429);
  expect(await second.text()).toContain("1000 bytes");
  const { json } = await run({ code: "open('b.txt', 'w').write('b')" });
  expect(json.outputs.filter(({ type }: { type: string }) => type === "file")).toEqual([]);
  expect(json.skipped_files).toEqual([{ name: "b.txt", reason: "the organization has stored as much as it may" }]);
});

test("a key that expires is refused, and its last use is listed for operators until it is rotated", async () => {
  const admin = client(api.url, await service.key("org_ops"));
  const user = await limited({ sessions: 2 });
  expect((await user.call("GET", "/v1/usage", undefined)).status).toBe(200);
  const find = async () =>
    (await admin.call("GET", "/v1/admin/keys", undefined)).json.data.find(
      (one: { organization: string }) => one.organization === user.organization,
    );
  await vi.waitFor(async () => expect((await find()).last_used_at).toBeGreaterThan(Date.now() / 1000 - 60), { timeout: 10_000 });
  const { id, limits } = await find();
  expect(limits).toEqual({ sessions: 2 });
  const { json: next } = await admin.call("POST", `/v1/admin/keys/${id}/rotate`, { overlap_seconds: 0 });
  expect((await user.call("GET", "/v1/usage", undefined)).status).toBe(401);
  const renewed = client(api.url, next.key);
  expect((await renewed.call("GET", "/v1/usage", undefined)).status).toBe(200);
  await admin.call("POST", `/v1/admin/keys/${next.id}/expire`, {});
  expect((await renewed.call("GET", "/v1/usage", undefined)).status).toBe(401);
  expect((await admin.call("POST", `/v1/admin/keys/key_${"0".repeat(24)}/rotate`, {})).json.code).toBe("key_not_found");
  expect(worker.child.exitCode).toBeNull();
});
