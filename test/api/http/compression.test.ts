import { get, type IncomingMessage } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventsOf } from "../../support/checks/call.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";

let redis: TestRedis;
let api: Api;
let key: string;
beforeAll(async () => {
  redis = await startRedis();
  api = await startApi({ redisUrl: redis.url });
  key = await api.newKey("org_a");
  api.executions.onSubmit = (id) =>
    setImmediate(() => {
      api.executions.start(id);
      api.executions.output(id, { type: "text", stream: "stdout", text: "x".repeat(id.length * 100) });
      api.executions.end(id);
    });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

/** One call without decompression. */
async function raw(path: string, headers: Record<string, string>): Promise<{ headers: IncomingMessage["headers"]; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    const request = get(api.url + path, { headers: { authorization: `Bearer ${key}`, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve({ headers: response.headers, bytes: Buffer.concat(chunks) }));
    });
    request.on("error", reject);
  });
}

async function ended(): Promise<string> {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const response = await fetch(`${api.url}/v1/executions`, { method: "POST", headers, body: JSON.stringify({ code: "1" }) });
  return ((await response.json()) as { id: string }).id;
}

describe("a result above 1 KiB", () => {
  test.each([
    ["gzip", gunzipSync],
    ["br", brotliDecompressSync],
  ])("is compressed with %s for a client that accepts it", async (encoding, decompress) => {
    const path = `/v1/executions/${await ended()}`;
    const plain = await raw(path, {});
    const small = await raw(path, { "accept-encoding": encoding });
    expect([plain.headers["content-encoding"], small.headers["content-encoding"]]).toEqual([undefined, encoding]);
    expect(decompress(small.bytes)).toEqual(plain.bytes);
    expect(small.bytes.length).toBeLessThan(plain.bytes.length / 3);
    expect(small.headers.vary).toContain("Accept-Encoding");
  });
});

test("a small answer, an event stream and the bytes of a file are not compressed", async () => {
  const accepted = { "accept-encoding": "gzip, br" };
  const form = new FormData();
  form.set("file", new Blob(["text ".repeat(1_000)]), "long.txt");
  const upload = await fetch(`${api.url}/v1/files`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body: form });
  const { id } = (await upload.json()) as { id: string };
  const answers = await Promise.all([
    raw("/health/live", accepted),
    raw(`/v1/executions/${await ended()}/events`, accepted),
    raw(`/v1/files/${id}/content`, accepted),
  ]);
  expect(answers.map(({ headers }) => headers["content-encoding"])).toEqual([undefined, undefined, undefined]);
  expect(eventsOf(answers[1].bytes.toString()).map(({ event }) => event)).toContain("execution.ended");
  expect(answers[2].headers["content-length"]).toBe("5000");
});
