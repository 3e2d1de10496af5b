import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { LimitName } from "../../../src/domain/limits.ts";
import { call, eventsOf } from "../../support/checks/call.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";

let redis: TestRedis;
let api: Api;
const keys = { a: "", b: "" };
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
afterEach(() => api.close());

/** Reads of executions of org_a that have begun, and a way to let them end. */
const reads = { begun: 0, end: () => {} };

async function start(limits: Partial<Record<LimitName, number>> = {}): Promise<void> {
  reads.begun = 0;
  const held = new Promise<void>((resolve) => {
    reads.end = resolve;
  });
  api = await startApi({ redisUrl: redis.url, limits });
  const read = api.executions.get.bind(api.executions);
  api.executions.get = async (organization, id) => {
    if (organization === "org_a") {
      reads.begun += 1;
      await held;
    }
    return read(organization, id);
  };
  keys.a = await api.newKey("org_a");
  keys.b = await api.newKey("org_b");
}

const submit = async (key: string) =>
  (await call(api.url, "POST /v1/executions", { key, body: { code: "1" }, headers: { prefer: "respond-async" } })).body.id as string;
const get = (key: string, id: string, signal?: AbortSignal) =>
  fetch(`${api.url}/v1/executions/${id}`, { headers: { authorization: `Bearer ${key}` }, signal: signal ?? null });
const list = (key: string) => fetch(`${api.url}/v1/executions`, { headers: { authorization: `Bearer ${key}` } });
const statuses = async (answers: Array<Promise<Response>>) => (await Promise.all(answers)).map(({ status }) => status);

describe("an organization with many requests at once", () => {
  test("has a few of them worked on, while others' requests and probes are answered", async () => {
    await start({ requestTurnsPerOrganizationMax: 4 });
    const [mine, others] = [await submit(keys.a), await submit(keys.b)];
    const flood = Array.from({ length: 40 }, () => get(keys.a, mine));
    await expect.poll(() => reads.begun).toBe(4);
    expect((await get(keys.b, others)).status).toBe(200);
    expect((await fetch(`${api.url}/health/live`)).status).toBe(200);
    expect(reads.begun).toBe(4);
    reads.end();
    expect(await statuses(flood)).toEqual(Array(40).fill(200));
  });

  test("is told which bound its line has reached, and when to retry", async () => {
    await start({ requestTurnsPerOrganizationMax: 1, requestsInLinePerOrganizationMax: 2 });
    const [mine, others] = [await submit(keys.a), await submit(keys.b)];
    const flood = [get(keys.a, mine)];
    await expect.poll(() => reads.begun).toBe(1);
    flood.push(...Array.from({ length: 5 }, () => get(keys.a, mine)));
    const refused = await Promise.race(flood);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
    const problem = (await refused.json()) as { code: string; detail: string };
    expect(problem.code).toBe("organization_requests_full");
    expect(problem.detail).toContain("2 requests waiting");
    expect((await get(keys.b, others)).status).toBe(200);
    reads.end();
    expect((await statuses(flood)).sort()).toEqual([200, 200, 200, 429, 429, 429]);
  });

  test("loses no place to callers that have hung up", async () => {
    await start({ requestTurnsPerOrganizationMax: 1, requestsInLinePerOrganizationMax: 2 });
    const mine = await submit(keys.a);
    const first = get(keys.a, mine);
    await expect.poll(() => reads.begun).toBe(1);
    const gone = new AbortController();
    const hungUp = [get(keys.a, mine, gone.signal), get(keys.a, mine, gone.signal)].map((answer) => answer.catch(() => null));
    await expect.poll(async () => (await list(keys.a)).status).toBe(429);
    gone.abort();
    await Promise.all(hungUp);
    const inFlight = async () => (await api.deps.metrics.httpInFlight.get()).values[0]?.value;
    await expect.poll(inFlight).toBe(1);
    reads.end();
    expect((await first).status).toBe(200);
    await expect.poll(async () => (await list(keys.a)).status).toBe(200);
    expect(reads.begun).toBe(1);
  });
});

describe("a request that waits or is streamed", () => {
  test("holds no turn", async () => {
    await start({ requestTurnsPerOrganizationMax: 1 });
    const running = Array.from({ length: 3 }, () => call(api.url, "POST /v1/executions", { key: keys.b, body: { code: "1" } }));
    await expect.poll(() => api.executions.stored.size).toBe(3);
    const ids = [...api.executions.stored.keys()];
    const streams = ids.map((id) => call(api.url, `GET /v1/executions/${id}/events`, { key: keys.b }));
    expect((await list(keys.b)).status).toBe(200);
    for (const id of ids) {
      api.executions.start(id);
      api.executions.end(id);
    }
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200, 200]);
    for (const { body } of await Promise.all(streams)) expect(eventsOf(body).at(-1)?.event).toBe("execution.ended");
  });

  test("counts apart: beyond the bound on open requests, others are answered", async () => {
    await start({ requestsOpenPerOrganizationMax: 2, queuePerOrganizationMax: 2 });
    const id = await submit(keys.b);
    const open = () => {
      const gone = new AbortController();
      const headers = { authorization: `Bearer ${keys.b}` };
      return { gone, answer: fetch(`${api.url}/v1/executions/${id}/events`, { headers, signal: gone.signal }) };
    };
    const streams = [open(), open()];
    for (const { answer } of streams) expect((await answer).status).toBe(200);
    const refused = await call(api.url, `GET /v1/executions/${id}/events`, { key: keys.b });
    expect([refused.status, refused.body.code, refused.headers.get("retry-after")]).toEqual([429, "organization_requests_full", "1"]);
    expect(refused.body.detail).toContain("2 open requests");
    expect((await call(api.url, "POST /v1/executions", { key: keys.b, body: { code: "1" } })).status).toBe(429);
    expect((await get(keys.b, id)).status).toBe(200);
    streams[0]?.gone.abort();
    await streams[0]?.answer.then((response) => response.text()).catch(() => null);
    await expect.poll(async () => (await open().answer).status).toBe(200);
    streams[1]?.gone.abort();
  });
});
