import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openS3Store } from "../../../src/files/s3-store.ts";
import { call } from "../../support/checks/call.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";
import { startS3, type TestS3 } from "../../support/servers/s3.ts";

let redis: TestRedis;
let s3: TestS3;
const apis: Api[] = [];

const apiWith = async (changes: { linkSeconds?: number }) => {
  const store = await openS3Store({ ...s3.settings, prefix: "blobs/", ...changes });
  const api = await startApi({ redisUrl: redis.url, store: () => store });
  apis.push(api);
  return { api, key: await api.newKey("org_a") };
};
const upload = (api: Api, key: string, bytes: Uint8Array<ArrayBuffer>, name: string) => {
  const body = new FormData();
  body.append("file", new Blob([bytes]), name);
  return call(api.url, "POST /v1/files", { key, body });
};

beforeAll(async () => {
  [redis, s3] = await Promise.all([startRedis(), startS3()]);
});
afterAll(async () => {
  for (const api of apis) await api.close();
  await redis.stop();
});

describe("files in S3", () => {
  test("are served by the api, whole and in ranges, with headers that stop browsers from running them", async () => {
    const { api, key } = await apiWith({});
    const bytes = randomBytes(6_000_000);
    const { body } = await upload(api, key, bytes, "page.html");
    const read = (headers: Record<string, string> = {}) =>
      fetch(`${api.url}/v1/files/${body.id}/content`, { headers: { authorization: `Bearer ${key}`, ...headers } });
    const whole = await read();
    expect(whole.headers.get("content-security-policy")).toContain("sandbox");
    expect(whole.headers.get("x-content-type-options")).toBe("nosniff");
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    const part = await read({ range: "bytes=5999990-" });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(-10))).toBe(true);
  });

  test("are served by S3 as attachments through signed links, when links are enabled", async () => {
    const { api, key } = await apiWith({ linkSeconds: 30 });
    const { body } = await upload(api, key, randomBytes(100), "page.html");
    const address = `${api.url}/v1/files/${body.id}/content`;
    const sent = await fetch(address, { headers: { authorization: `Bearer ${key}` }, redirect: "manual" });
    expect(sent.status).toBe(302);
    expect(sent.headers.get("cache-control")).toBe("no-store");
    const given = await fetch(sent.headers.get("location") ?? "");
    expect(given.headers.get("content-disposition")).toMatch(/^attachment; filename=page\.html/);
    expect((await given.arrayBuffer()).byteLength).toBe(100);
    const foreign = await api.newKey("org_b");
    expect((await fetch(address, { headers: { authorization: `Bearer ${foreign}` }, redirect: "manual" })).status).toBe(404);
  });

  test("are unavailable with 503 and Retry-After while S3 is down", async () => {
    const { api, key } = await apiWith({});
    const { body } = await upload(api, key, randomBytes(10), "a.csv");
    await s3.stop();
    const answers = [await upload(api, key, randomBytes(10), "b.csv"), await call(api.url, `GET /v1/files/${body.id}/content`, { key })];
    for (const { status, headers } of answers) {
      expect(status).toBe(503);
      expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    }
  });
});
