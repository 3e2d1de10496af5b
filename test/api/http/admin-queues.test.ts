import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Heartbeat } from "../../../src/queue/worker/heartbeat.ts";
import { call } from "../../support/checks/call.ts";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import { FakeSessionEngine } from "../../support/fakes/fake-session-engine.ts";
import { type Api, startApi } from "../../support/servers/api.ts";
import { log, makeRig, newExecution, type Rig, request } from "../queue/rig.ts";

let rig: Rig;
let api: Api;
let written: Array<Record<string, unknown>>;
let admin: string;

beforeEach(async () => {
  rig = await makeRig();
  written = [];
  api = await startApi({
    redisUrl: rig.server.url,
    deps: (deps) => ({ boardQueues: () => rig.executionService.boardQueues(), log: logInto(written, deps.log) }),
  });
  admin = await api.newKey("org_ops", ["admin"]);
});
afterEach(async () => {
  await api.close();
  await rig.close();
});

/** A log that collects its audit lines. */
function logInto(lines: Array<Record<string, unknown>>, log: Api["deps"]["log"]): Api["deps"]["log"] {
  return Object.assign(Object.create(log) as typeof log, {
    child: (bindings: object) => ({ info: (fields: object) => lines.push({ ...bindings, ...fields }) }),
  });
}

const basic = (key: string) => ({ authorization: `Basic ${Buffer.from(`me:${key}`).toString("base64")}` });
const open = (path: string, headers: Record<string, string>, method = "GET") =>
  call(api.url, `${method} /admin/queues${path}`, { headers, as: null });

describe("the queue page", () => {
  test("prompts browsers for a key and accepts it as the password of HTTP Basic", async () => {
    const asked = await open("/", {});
    expect(asked.status).toBe(401);
    expect(asked.headers.get("www-authenticate")).toMatch(/^Basic realm=/);
    const page = await open("/", basic(admin));
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect((await open("/", { authorization: `Bearer ${admin}` })).status).toBe(200);
    expect((await open("/", basic("ci_sk_x"))).status).toBe(401);
    expect((await open("/", { ...basic(admin), "x-api-key": admin })).status).toBe(400);
  });

  test("requires the scope admin on every path", async () => {
    const key = await api.newKey("org_a", ["execute", "read"]);
    for (const path of ["", "/", "/api/queues", "/queue/executions", "/static/css/x.css"]) {
      expect({ path, status: (await open(path, basic(key))).status }).toEqual({ path, status: 403 });
      expect({ path, status: (await open(path, {})).status }).toEqual({ path, status: 401 });
    }
    expect(written.every((line) => line.audit === true && line.outcome === "refused")).toBe(true);
    expect(written).toHaveLength(5);
  });

  test("loads only its own resources, under a policy that allows no others", async () => {
    const page = await open("/", basic(admin));
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/https?:/);
    expect(page.body).not.toMatch(/(src|href)="(https?:)?\/\//);
    const loaded = [...(page.body as string).matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, path]) => path as string);
    expect(loaded.length).toBeGreaterThan(2);
    for (const path of loaded) expect({ path, status: (await open(`/${path}`, basic(admin))).status }).toEqual({ path, status: 200 });
    expect(page.headers.get("x-powered-by")).toBeNull();
  });

  test("shows waiting jobs without their code or data", async () => {
    const { execution } = await rig.executionService.submit(
      newExecution({ organization: "org_canary", request: request({ code: "print('canary')" }) }),
    );
    const list = await open("/api/queues?activeQueue=executions&status=latest", basic(admin));
    const queues = (list.body as { queues: Array<{ name: string; jobs: Array<{ id: string; data: unknown }> }> }).queues;
    expect(queues.map((queue) => queue.name)).toEqual(["executions", "webhooks"]);
    expect(queues[0]?.jobs).toMatchObject([{ id: execution.id, data: "hidden", returnValue: "hidden" }]);
    const job = await open(`/api/queues/executions/${execution.id}`, basic(admin));
    expect((job.body as { job: object }).job).toMatchObject({ id: execution.id, data: "hidden" });
    for (const { body } of [list, job]) expect(JSON.stringify(body)).not.toContain("canary");
  });

  test("shows the session queue of a worker, read-only, while it has sessions", async () => {
    const names = async () =>
      ((await open("/api/queues", basic(admin))).body as { queues: Array<{ name: string }> }).queues.map(({ name }) => name);
    const engine = new FakeSessionEngine();
    engine.immediate = false;
    const heartbeat = new Heartbeat({ redis: rig.plain, prefix: "ci", log });
    await heartbeat.start("worker_1");
    const worker = await rig.worker(new FakeEngine({ immediate: true }), { sessions: { engine, sessionsMax: 4, sandboxesMax: 4 } });
    expect(await names()).toEqual(["executions", "webhooks"]);
    const files = { getMany: async () => [], deleteOwnedBy: async () => undefined, handOver: async () => undefined };
    const { id } = await rig.executionService.sessionsWith(files).create("org_canary");
    const { execution } = await rig.executionService.submit(
      newExecution({ organization: "org_canary", request: request({ code: "print('canary')", container: id }) }),
    );
    await engine.until(() => engine.of(id).cells.length === 1);
    expect(await names()).toEqual(["executions", "webhooks", "sessions-worker_1"]);
    const list = await open("/api/queues?activeQueue=sessions-worker_1&status=latest", basic(admin));
    const queues = (list.body as { queues: Array<{ jobs: Array<{ id: string; data: unknown }> }> }).queues;
    expect(queues[2]?.jobs).toMatchObject([{ id: execution.id, name: "cell", data: "hidden" }]);
    expect(JSON.stringify(list.body)).not.toContain("canary");

    expect((await open("/api/queues/sessions-worker_1/pause", basic(admin), "PUT")).status).toBe(405);
    expect((await open("/api/queues/pause", basic(admin), "PUT")).status).toBe(200);
    const paused = async (queue: string) => (await rig.plain.hexists(`{ci}:${queue}:meta`, "paused")) === 1;
    expect([await paused("executions"), await paused("sessions-worker_1")]).toEqual([true, false]);
    await worker.drain(0);
    await heartbeat.stop("worker_1");
    expect(await names()).toEqual(["executions", "webhooks"]);
  });

  test("pauses and resumes queues for an administrator and writes the audit log", async () => {
    expect((await open("/api/queues/executions/pause", basic(admin), "PUT")).status).toBe(200);
    expect(await rig.plain.hexists("{ci}:executions:meta", "paused")).toBe(1);
    expect((await open("/api/queues/executions/resume", basic(admin), "PUT")).status).toBe(200);
    expect(await rig.plain.hexists("{ci}:executions:meta", "paused")).toBe(0);
    const actor = { key: `key_${admin.split("_")[2]}`, organization: "org_ops" };
    expect(written).toEqual([
      { audit: true, action: "queues.changed", outcome: "done", actor, target: "executions:pause" },
      { audit: true, action: "queues.changed", outcome: "done", actor, target: "executions:resume" },
    ]);
  });

  test.each([
    ["POST", "/api/queues/executions/add"],
    ["PUT", "/api/queues/executions/obliterate"],
    ["PUT", "/api/queues/executions/empty"],
    ["PUT", "/api/queues/executions/x/clean"],
    ["PUT", "/api/queues/executions/%70ause"],
    ["PATCH", "/api/queues/executions/x/update-data"],
    ["DELETE", "/"],
  ])("refuses %s %s, even from an administrator", async (method, path) => {
    const { execution } = await rig.executionService.submit(newExecution());
    expect((await open(path.replace("/x/", `/${execution.id}/`), basic(admin), method)).status).toBe(405);
    expect(await rig.executionService.depth()).toEqual({ waiting: 1, active: 0 });
    expect(written).toMatchObject([{ action: "queues.changed", outcome: "refused" }]);
  });

  test.each([
    ["another site's page", { origin: "https://evil.example" }],
    ["a page without an origin", { origin: "null" }],
    ["another port of this machine", { origin: "http://127.0.0.1:1" }],
    ["a cross-site page", { "sec-fetch-site": "cross-site" }],
    ["a same-site page of another origin", { "sec-fetch-site": "same-site" }],
  ])("refuses changes from %s, although the browser sends the password", async (_, headers) => {
    const refused = await open("/api/queues/executions/pause", { ...basic(admin), ...headers } as Record<string, string>, "PUT");
    expect([refused.status, refused.body.code]).toEqual([403, "origin_not_allowed"]);
    const own = { ...basic(admin), origin: api.url, "sec-fetch-site": "same-origin" };
    expect((await open("/api/queues/executions/pause", own, "PUT")).status).toBe(200);
  });
});
