import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeLog } from "../../../src/observe/log.ts";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { ExecutionService } from "../../../src/queue/executions/execution-service.ts";
import { Heartbeat } from "../../../src/queue/worker/heartbeat.ts";
import { WorkerLoop } from "../../../src/queue/worker/worker-loop.ts";
import { connectFailFast, untilReady } from "../../../src/redis/connection.ts";
import { call as callApi } from "../../support/checks/call.ts";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import { FakeSessionEngine } from "../../support/fakes/fake-session-engine.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";

const PREFIX = "containers";
const log = makeLog("silent");
let redis: TestRedis;
let api: Api;
let key: string;
let foreignKey: string;
const engine = new FakeSessionEngine();
const closers: Array<() => Promise<unknown>> = [];

/** The real API with real sessions in fake sandboxes. */
beforeAll(async () => {
  redis = await startRedis();
  const connection = connectFailFast(redis.url, log);
  await untilReady(connection, 5_000);
  const limits = { sessionsPerOrganizationMax: 50, sessionStartTimeoutMsMax: 5_000 };
  api = await startApi({
    redisUrl: redis.url,
    limits,
    deps: ({ limits, files }) => {
      const executionService = new ExecutionService({ redis: connection, prefix: PREFIX, limits, metrics: makeMetrics(), log });
      closers.push(() => executionService.close());
      return { executions: executionService, containers: executionService.sessionsWith(files) };
    },
  });
  const heartbeat = new Heartbeat({ redis: connection, prefix: PREFIX, log });
  await heartbeat.start("w1");
  const workerLoop = new WorkerLoop({
    redisUrl: redis.url,
    prefix: PREFIX,
    limits: api.deps.limits,
    metrics: makeMetrics(),
    log,
    engine: new FakeEngine({ immediate: true }),
    ports: (input, emit) => ({ ...api.files.portsOf(input), emit }),
    concurrency: 4,
    workerId: "w1",
    sessions: { engine, sessionsMax: 50, sandboxesMax: 60 },
  });
  await workerLoop.start();
  closers.push(
    () => workerLoop.drain(0),
    () => heartbeat.stop("w1"),
    async () => connection.disconnect(),
  );
  key = await api.newKey("org_a");
  foreignKey = await api.newKey("org_b");
});
afterAll(async () => {
  await api.close();
  for (const close of closers) await close();
  await redis.stop();
});

const call = (line: string, body?: unknown, as = key) => {
  const path = (line.split(" ")[1] ?? "").split("?")[0] ?? "";
  const template = path.replace(/^(\/v1\/containers)\/[^/]+/, "$1/{id}").replace(/\/files\/[^/]+/, "/files/{file_id}");
  return callApi(api.url, line, {
    key: as,
    as: path.startsWith("/v1/containers") ? template : path,
    ...(body === undefined ? {} : { body }),
  });
};
const make = async (body: object = {}) => (await call("POST /v1/containers", body)).body.id as string;
const upload = async (name = "a.csv", content = "a,b") => {
  const form = new FormData();
  form.append("file", new Blob([content]), name);
  return (await callApi(api.url, "POST /v1/files", { key, body: form })).body.id as string;
};

describe("POST /v1/containers", () => {
  test("returns the container object of the OpenAI API once it accepts cells", async () => {
    const file = await upload();
    const { status, body, headers } = await call("POST /v1/containers", {
      name: "analysis",
      file_ids: [file],
      expires_after: { anchor: "last_active_at", minutes: 5 },
      memory_limit: "256m",
      network_policy: { type: "disabled" },
    });
    expect([status, headers.get("location")]).toEqual([200, `/v1/containers/${body.id}`]);
    expect(body).toMatchObject({
      object: "container",
      name: "analysis",
      status: "active",
      expires_after: { anchor: "last_active_at", minutes: 5 },
      memory_limit: "256m",
      network_policy: { type: "disabled" },
      on_killed_cell: "restore",
      restored_from: null,
    });
    expect(body.id).toMatch(/^cntr_[0-9a-z]{24}$/);
    expect(body.created_at).toBeCloseTo(Date.now() / 1000, -1);
    expect(engine.of(body.id)).toMatchObject({ memoryMb: 256, files: ["a.csv"] });
  });

  test.each([
    [{ nam: "x" }, "unknown_field", "nam"],
    [{ name: "x".repeat(200) }, "invalid_field", "name"],
    [{ memory_limit: "lots" }, "invalid_field", "memory_limit"],
    [{ expires_after: { anchor: "created_at", minutes: 5 } }, "invalid_field", "expires_after.anchor"],
    [{ expires_after: { anchor: "last_active_at", minutes: 0 } }, "invalid_field", "expires_after.minutes"],
    [{ network_policy: { type: "allowlist", allowed_domains: ["a.example"] } }, "unknown_field", "network_policy.allowed_domains"],
    [{ file_ids: [`file_${"0".repeat(24)}`] }, "invalid_field", "file_ids.0"],
    [{ restore_from: "cntr_1" }, "invalid_field", "restore_from"],
  ])("refuses %j and names the field", async (body, code, param) => {
    const answer = await call("POST /v1/containers", body);
    expect([answer.status, answer.body.code, answer.body.error.param]).toEqual([400, code, param]);
  });

  test("lowers sizes above the operator's bounds, and says so", async () => {
    const { status, body } = await call("POST /v1/containers", {
      memory_limit: "64g",
      expires_after: { anchor: "last_active_at", minutes: 600 },
    });
    expect([status, body.memory_limit, body.expires_after.minutes]).toEqual([200, "1g", 60]);
    const page = await call("GET /v1/containers?limit=1000");
    expect(page.status).toBe(200);
  });

  test("restores only ended containers, and says that variables are not restored", async () => {
    const id = await make();
    expect((await call("POST /v1/containers", { restore_from: id })).body.code).toBe("invalid_field");
    engine.of(id).die();
    await expect.poll(async () => (await call(`GET /v1/containers/${id}`)).body.status).toBe("lost");
    expect((await call("POST /v1/containers", { restore_from: id })).body).toMatchObject({ restored_from: id, variables_restored: false });
    expect((await call("POST /v1/containers", { restore_from: `cntr_${"0".repeat(24)}` })).status).toBe(404);
  });
});

describe("containers", () => {
  test("are listed in pages, optionally of one name, even while others are deleted", async () => {
    const own = await api.newKey("org_list");
    const ids: string[] = [];
    for (const name of ["a", "b", "a", "b"]) ids.push((await call("POST /v1/containers", { name }, own)).body.id);
    const page = async (query: string) => (await call(`GET /v1/containers?${query}`, undefined, own)).body;
    expect((await page("order=asc&limit=3")).data.map((one: { id: string }) => one.id)).toEqual(ids.slice(0, 3));
    const rest = await page(`order=asc&limit=3&after=${ids[2]}`);
    expect([rest.data.map((one: { id: string }) => one.id), rest.has_more]).toEqual([[ids[3]], false]);
    const named = await page("name=a&limit=1&order=asc");
    expect([named.data[0].id, named.has_more]).toEqual([ids[0], true]);
    expect((await page(`name=a&order=asc&after=${ids[0]}`)).data.map((one: { id: string }) => one.id)).toEqual([ids[2]]);
    await call(`DELETE /v1/containers/${ids[0]}`, undefined, own);
    expect((await page("order=asc")).data).toHaveLength(3);
    expect((await call(`GET /v1/containers?after=cntr_${"0".repeat(24)}`, undefined, own)).body.code).toBe("container_not_found");
  });

  test("are not found by malformed ids", async () => {
    for (const id of ["cntr_1", "..", "file_000000000000000000000000", "%00"]) {
      expect((await callApi(api.url, `GET /v1/containers/${id}`, { key, as: null })).status).toBeGreaterThanOrEqual(400);
    }
  });

  test("and their files do not exist for another organization", async () => {
    const id = await make();
    const file = await upload();
    await call(`POST /v1/containers/${id}/files`, { file_id: file });
    for (const line of [
      `GET /v1/containers/${id}`,
      `DELETE /v1/containers/${id}`,
      `GET /v1/containers/${id}/files`,
      `GET /v1/containers/${id}/files/${file}`,
      `GET /v1/containers/${id}/files/${file}/content`,
      `DELETE /v1/containers/${id}/files/${file}`,
    ]) {
      const answer = await call(line, undefined, foreignKey);
      expect([line, answer.status, answer.body.code]).toEqual([line, 404, "container_not_found"]);
    }
    const form = new FormData();
    form.append("file", new Blob(["x"]), "x.txt");
    expect((await call(`POST /v1/containers/${id}/files`, form, foreignKey)).status).toBe(404);
    const foreign = await callApi(api.url, "POST /v1/executions", { key: foreignKey, body: { code: "1", container: id } });
    expect([foreign.status, foreign.body.code, foreign.body.error.param]).toEqual([404, "container_not_found", "container"]);
    expect(engine.of(id).cells).toEqual([]);
  });
});

describe("files of a container", () => {
  test("are added by upload and by id, listed, read whole and in ranges, and removed", async () => {
    const id = await make();
    const form = new FormData();
    form.append("file", new Blob(["hello"]), "up.txt");
    const { body: uploaded } = await call(`POST /v1/containers/${id}/files`, form);
    expect(uploaded).toMatchObject({ object: "container.file", container_id: id, path: "/mnt/data/up.txt", bytes: 5, source: "user" });
    const stored = await upload("st.csv");
    await call(`POST /v1/containers/${id}/files`, { file_id: stored });
    const list = (await call(`GET /v1/containers/${id}/files?order=asc`)).body;
    expect(list.data.map((file: { id: string }) => file.id)).toEqual([uploaded.id, stored]);
    expect((await call(`GET /v1/containers/${id}/files?order=asc&limit=1&after=${uploaded.id}`)).body.data).toHaveLength(1);
    const whole = await call(`GET /v1/containers/${id}/files/${uploaded.id}/content`);
    expect([whole.body, whole.headers.get("content-disposition")]).toEqual(["hello", expect.stringContaining("up.txt")]);
    await engine.until(() => engine.of(id).files.length === 2);
    for (const file of [uploaded.id, stored]) {
      expect((await call(`DELETE /v1/containers/${id}/files/${file}`)).body).toEqual({
        id: file,
        object: "container.file.deleted",
        deleted: true,
      });
      expect((await call(`DELETE /v1/containers/${id}/files/${file}`)).body.code).toBe("file_not_found");
    }
    await engine.until(() => engine.of(id).files.length === 0);
    // The uploaded file was deleted. The file that was added by its id stays.
    expect(await api.files.get("org_a", uploaded.id)).toBeNull();
    expect(await api.files.get("org_a", stored)).not.toBeNull();
  });

  test("are deleted with their container, except those that were added by id", async () => {
    const id = await make();
    const form = new FormData();
    form.append("file", new Blob(["hello"]), "up.txt");
    const { body: uploaded } = await call(`POST /v1/containers/${id}/files`, form);
    const stored = await upload();
    await call(`POST /v1/containers/${id}/files`, { file_id: stored });
    await call(`DELETE /v1/containers/${id}`);
    expect([await api.files.get("org_a", uploaded.id), (await api.files.get("org_a", stored))?.id]).toEqual([null, stored]);
  });

  test("are refused when one would be both a file and a folder", async () => {
    const save = async (name: string) => {
      const file = { name, purpose: "user_data", executionId: null, bytesMax: 1 };
      return (await api.files.save("org_a", file, (async function* () {})())).id;
    };
    const [outer, inner] = [await save("a"), await save("a/b")];
    const rule = /must not hold both "a" and "a\/b"/;
    const made = await call("POST /v1/containers", { file_ids: [inner, outer] });
    expect([made.status, made.body.error.param, made.body.detail]).toEqual([400, "file_ids", expect.stringMatching(rule)]);
    const id = await make();
    await call(`POST /v1/containers/${id}/files`, { file_id: outer });
    const added = await call(`POST /v1/containers/${id}/files`, { file_id: inner });
    expect([added.status, added.body.code, added.body.detail]).toEqual([400, "invalid_field", expect.stringMatching(rule)]);
  });

  test("are refused by an ended container, and nothing of the upload is left", async () => {
    const id = await make();
    engine.of(id).die();
    await expect.poll(async () => (await call(`GET /v1/containers/${id}`)).body.status).toBe("lost");
    const before = (await api.files.list("org_a", { limit: 100, order: "asc" }))?.data.length;
    const form = new FormData();
    form.append("file", new Blob(["hello"]), "up.txt");
    for (const body of [form, { file_id: await upload() }]) {
      const answer = await call(`POST /v1/containers/${id}/files`, body);
      expect([answer.status, answer.body.code]).toEqual([410, "container_lost"]);
    }
    expect((await api.files.list("org_a", { limit: 100, order: "asc" }))?.data.length).toBe((before ?? 0) + 1);
  });
});

describe("executions in a container", () => {
  test("return its id, and must not set their own memory", async () => {
    const id = await make();
    const { status, body } = await callApi(api.url, "POST /v1/executions", { key, body: { code: "1", container: id } });
    expect([status, body.container_id, body.status]).toEqual([200, id, "completed"]);
    const both = await callApi(api.url, "POST /v1/executions", { key, body: { code: "1", container: id, memory_mb: 128 } });
    expect([both.status, both.body.error.param]).toEqual([422, "memory_mb"]);
  });

  test("get 410 and the reason when it has ended", async () => {
    const id = await make();
    engine.of(id).die();
    await expect.poll(async () => (await call(`GET /v1/containers/${id}`)).body.status).toBe("lost");
    const { status, body } = await callApi(api.url, "POST /v1/executions", { key, body: { code: "1", container: id } });
    expect([status, body.code, body.error.param]).toEqual([410, "container_lost", "container"]);
    expect(body.detail).toContain("restore_from");
  });
});
