import { get, type IncomingMessage } from "node:http";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Output } from "../../../src/domain/outputs.ts";
import { call, eventsOf } from "../../support/checks/call.ts";
import { completedEnd, FakeEngine } from "../../support/fakes/fake-engine.ts";
import { type Api, startApi } from "../../support/servers/api.ts";
import { makeRig, newExecution, type Rig } from "../queue/rig.ts";

let rig: Rig;
let api: Api;
let key: string;
let foreignKey: string;
beforeAll(async () => {
  rig = await makeRig();
  api = await startApi({ redisUrl: rig.server.url, deps: () => ({ executions: rig.executionService }) });
  key = await api.newKey("org_a");
  foreignKey = await api.newKey("org_b");
});
afterAll(async () => {
  await api.close();
  await rig.close();
});

/** Eight megabytes, with text that must be escaped and characters of several bytes. */
const large: Output[] = Array.from({ length: 10 }, (_, at) => ({
  type: "text",
  stream: "stdout",
  text: `${at} "ä\u{1F600}\n`.repeat(60_000),
}));

async function ended(outputs = large): Promise<string> {
  const engine = new FakeEngine();
  const worker = await rig.worker(engine);
  const { execution } = await rig.executionService.submit(newExecution());
  (await engine.started(0)).finish({ ...completedEnd(), outputs });
  // A busy machine may be too slow for one of these calls.
  const ensureEnded = async () => expect((await rig.executionService.get("org_a", execution.id))?.status).toBe("completed");
  await vi.waitFor(ensureEnded, { timeout: 20_000, interval: 50 });
  await worker.drain(0);
  return execution.id;
}

async function raw(path: string, headers: Record<string, string>): Promise<{ headers: IncomingMessage["headers"]; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    const request = get(api.url + path, { headers: { authorization: `Bearer ${key}`, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve({ headers: response.headers, bytes: Buffer.concat(chunks) }));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}

describe("a large result", () => {
  let id: string;
  beforeAll(async () => {
    id = await ended();
  });

  test("is complete in the answer, in a list, in the event stream and in the answer to a cancel", async () => {
    const { body } = await call(api.url, `GET /v1/executions/${id}`, { key });
    expect(body.outputs).toEqual(large);
    expect(body).toMatchObject({ id, status: "completed", usage: { run_ms: 2 } });
    expect((await call(api.url, "GET /v1/executions", { key })).body).toEqual({
      object: "list",
      data: [body],
      has_more: false,
      first_id: id,
      last_id: id,
    });
    const events = eventsOf((await call(api.url, `GET /v1/executions/${id}/events`, { key })).body);
    expect(events.at(-1)?.data).toEqual({ type: "execution.ended", execution: body });
    expect((await call(api.url, `POST /v1/executions/${id}/cancel`, { key })).body).toEqual(body);
  });

  test("has its length when it is plain, and is compressed for a client that accepts it", async () => {
    const path = `/v1/executions/${id}`;
    const plain = await raw(path, {});
    expect(Number(plain.headers["content-length"])).toBe(plain.bytes.length);
    const small = await raw(path, { "accept-encoding": "gzip" });
    expect(small.headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(small.bytes).equals(plain.bytes)).toBe(true);
    const head = await fetch(api.url + path, {
      method: "HEAD",
      headers: { authorization: `Bearer ${key}`, "accept-encoding": "identity" },
    });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(plain.bytes.length)]);
  });

  test("that is read many times at once does not delay another organization's requests", { timeout: 60_000 }, async () => {
    const foreign = (await rig.executionService.submit(newExecution({ organization: "org_b" }))).execution.id;
    let answered = 0;
    const flood = Array.from({ length: 40 }, async () => {
      const { bytes } = await raw(`/v1/executions/${id}`, {});
      answered += 1;
      return bytes.length;
    });
    for (let turn = 0; turn < 5; turn++) {
      expect((await call(api.url, `GET /v1/executions/${foreign}`, { key: foreignKey })).status).toBe(200);
      expect((await fetch(`${api.url}/health/live`)).status).toBe(200);
    }
    expect(answered).toBeLessThan(20);
    const lengths = await Promise.all(flood);
    expect(new Set(lengths).size).toBe(1);
    await rig.executionService.cancel("org_b", foreign);
  });

  test("that is deleted while it is read cuts the connection, so that the reader notices", async () => {
    // More than the buffers of both ends hold.
    const other = await ended([...large, ...large, ...large]);
    const cut = new Promise((resolve, reject) => {
      get(`${api.url}/v1/executions/${other}`, { headers: { authorization: `Bearer ${key}` } }, (response) => {
        response.once("data", async () => {
          response.pause();
          await rig.executionService.delete("org_a", other);
          response.resume();
        });
        response.on("end", () => reject(new Error("complete")));
        response.on("error", resolve);
      }).on("error", reject);
    });
    expect(await cut).toMatchObject({ code: "ECONNRESET" });
  });

  test("of an execution that the service lost is in the error", async () => {
    const idempotency = { "idempotency-key": "lost" };
    const submitted = { key, body: { code: "1" }, headers: { ...idempotency, prefer: "respond-async" } };
    const engine = new FakeEngine();
    const worker = await rig.worker(engine);
    await call(api.url, "POST /v1/executions", submitted);
    (await engine.started(0)).finish({ ...completedEnd(), status: "errored", cause: "sandbox_lost", outputs: large });
    const { body } = await call(api.url, "POST /v1/executions", { key, body: { code: "1" }, headers: idempotency });
    await worker.drain(0);
    expect(body).toMatchObject({ code: "sandbox_lost", execution: { status: "errored" } });
    expect(body.execution.outputs).toEqual(large);
  });
});
