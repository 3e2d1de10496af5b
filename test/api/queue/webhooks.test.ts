import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { expectSeconds } from "../../support/checks/times.ts";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig, request } from "./rig.ts";

const secret = "a secret of sixteen characters and more";

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

let rig: Rig;
let server: Server;
let url: string;
let received: Received[];
let answer: (count: number) => { status: number; headers?: Record<string, string> };

beforeEach(async () => {
  rig = await makeRig({ webhookAttemptsMax: 4 });
  received = [];
  answer = () => ({ status: 204 });
  server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      received.push({ headers: incoming.headers, body: Buffer.concat(chunks).toString("utf8") });
      const { status, headers } = answer(received.length);
      response.writeHead(status, headers).end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
});
afterEach(async () => {
  await rig.close();
  server.close();
});

const fast = { webhookBackoffMs: 10, sweepMs: 20 };

async function runOne(options: { allow?: boolean; to?: string } = {}) {
  const metrics = makeMetrics();
  await rig.worker(new FakeEngine({ immediate: true }), { timing: fast, webhookAllowPrivate: options.allow ?? true, metrics });
  const asked = request({ webhook: { url: options.to ?? url, secret } });
  const { execution } = await rig.executionService.submit(newExecution({ request: asked }));
  await rig.executionService.waitForEnd("org_a", execution.id, 5_000);
  const results = async () => {
    const values = await rig.metric("webhook_deliveries_total", metrics);
    return Object.fromEntries(values.map(({ labels, value }) => [(labels as { result: string }).result, value]));
  };
  const settled = () =>
    expect.poll(() => rig.plain.exists("{ci}:webhooks-due", `{ci}:webhooks:${execution.id}`), { timeout: 5_000 }).toBe(0);
  return { execution, results, settled };
}

describe("a webhook", { timeout: 30_000 }, () => {
  test("reports the end with a signature that the receiver can verify", async () => {
    const { execution, results, settled } = await runOne();
    await expect.poll(() => received.length, { timeout: 15_000 }).toBe(1);
    await settled();
    const [{ headers, body } = { headers: {} as IncomingHttpHeaders, body: "" }] = received;
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    expect(headers["webhook-signature"]).toBe(`v1,${createHmac("sha256", secret).update(signed).digest("base64")}`);
    expect(headers["webhook-id"]).toMatch(/^whd_[0-9a-z]{24}$/);
    expect(Math.abs(Number(headers["webhook-timestamp"]) - Date.now() / 1000)).toBeLessThan(10);
    expectSeconds(JSON.parse(body));
    expect(JSON.parse(body)).toEqual({
      id: headers["webhook-id"],
      type: "execution.ended",
      created_at: expect.any(Number),
      execution: await rig.executionService.get("org_a", execution.id),
    });
    expect(await results()).toEqual({ delivered: 1 });
  });

  test("is retried with the same id and body until it is accepted", async () => {
    answer = (count) => ({ status: count < 3 ? 500 : 200 });
    const { results, settled } = await runOne();
    await expect.poll(() => received.length, { timeout: 15_000 }).toBe(3);
    await settled();
    expect(new Set(received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(new Set(received.map(({ body }) => body)).size).toBe(1);
    expect(await results()).toEqual({ rejected: 2, delivered: 1 });
  });

  test("is given up after the configured number of attempts", async () => {
    answer = () => ({ status: 503 });
    const { results, settled } = await runOne();
    await expect.poll(() => received.length, { timeout: 15_000 }).toBe(4);
    await settled();
    expect(await results()).toEqual({ rejected: 4 });
  });

  test("is not retried after 410 Gone", async () => {
    answer = () => ({ status: 410 });
    const { results, settled } = await runOne();
    await expect.poll(() => received.length, { timeout: 15_000 }).toBe(1);
    await settled();
    expect(await results()).toEqual({ gone: 1 });
  });

  test("follows no redirect", async () => {
    answer = (count) => (count === 1 ? { status: 302, headers: { location: url } } : { status: 410 });
    const { results, settled } = await runOne();
    await expect.poll(() => received.length, { timeout: 15_000 }).toBe(2);
    await settled();
    expect(received.every(({ body }) => body.length > 0)).toBe(true);
    expect(await results()).toEqual({ rejected: 1, gone: 1 });
  });

  test("is not sent to private addresses, numeric or by name, unless allowed", async () => {
    const { port } = server.address() as AddressInfo;
    for (const to of [url, `http://localhost:${port}/hook`]) {
      const { results, settled } = await runOne({ allow: false, to });
      await settled();
      await expect.poll(results).toEqual({ refused: 1 });
      await rig.close();
      rig = await makeRig();
    }
    expect(received).toEqual([]);
  });

  test("is sent for a cancelled execution too", async () => {
    const asked = request({ webhook: { url, secret } });
    const { execution } = await rig.executionService.submit(newExecution({ request: asked }));
    await rig.executionService.cancel("org_a", execution.id);
    await rig.worker(new FakeEngine(), { timing: fast, webhookAllowPrivate: true });
    await expect.poll(() => received.length, { timeout: 15_000 }).toBe(1);
    expect(JSON.parse(received[0]?.body ?? "")).toMatchObject({ execution: { status: "cancelled" } });
  });
});
