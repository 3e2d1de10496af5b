import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, rm, truncate } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { parse } from "content-disposition";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FolderStore } from "../../../src/files/folder-store.ts";
import { BlobStoreFailed } from "../../../src/files/store.ts";
import { call, callRaw } from "../../support/checks/call.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";

const BYTES_MAX = 2 * 1024 * 1024;
let redis: TestRedis;
let api: Api;
let key: string;
let foreignKey: string;
let storeFails = false;

class SometimesFull extends FolderStore {
  override async put(...args: Parameters<FolderStore["put"]>) {
    if (storeFails)
      throw new BlobStoreFailed("the blob folder cannot be used", { cause: Object.assign(new Error("ENOSPC"), { code: "ENOSPC" }) });
    return super.put(...args);
  }
}

beforeAll(async () => {
  redis = await startRedis();
  api = await startApi({ redisUrl: redis.url, limits: { fileUploadBytesMax: BYTES_MAX }, store: (folder) => new SometimesFull(folder) });
  key = await api.newKey("org_a");
  foreignKey = await api.newKey("org_b");
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

const form = (content: string | Uint8Array<ArrayBuffer>, name = "a.csv", more: Record<string, string> = {}) => {
  const data = new FormData();
  for (const [field, value] of Object.entries(more)) data.append(field, value);
  data.append("file", new Blob([content], { type: "text/html" }), name);
  return data;
};
const upload = (content: string | Uint8Array<ArrayBuffer>, name?: string, more?: Record<string, string>) =>
  call(api.url, "POST /v1/files", { key, body: form(content, name, more) });
/** Names of all blobs and of unfinished uploads. */
const onDisk = async () =>
  (await readdir(api.blobs, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map((entry) => entry.name);
const multipart = (parts: string) => `--b\r\n${parts}\r\n--b--\r\n`;
const postRawForm = (body: string, headers: Record<string, string> = {}) =>
  call(api.url, "POST /v1/files", { key, body, headers: { "content-type": "multipart/form-data; boundary=b", ...headers } });

describe("POST /v1/files", () => {
  test("returns the file object with the SHA-256 of the bytes", async () => {
    const bytes = randomBytes(1_500_000);
    const { status, body } = await upload(bytes, "data.bin");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      object: "file",
      bytes: 1_500_000,
      filename: "data.bin",
      purpose: "user_data",
      status: "processed",
      execution_id: null,
    });
    expect(body.sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
    expect(body.expires_at - body.created_at).toBe(86_400);
  });

  test("keeps a file for `expires_after`, but no longer than the retention", async () => {
    const keptFor = async (seconds: string) => {
      const { status, body } = await upload("x", "a", { "expires_after[anchor]": "created_at", "expires_after[seconds]": seconds });
      expect(status).toBe(200);
      return body.expires_at - body.created_at;
    };
    expect(await keptFor("3600")).toBe(3_600);
    expect(await keptFor("2592000")).toBe(86_400);
  });

  test.each([
    [{ "expires_after[anchor]": "created_at" }, "expires_after"],
    [{ "expires_after[seconds]": "3600" }, "expires_after"],
    [{ "expires_after[anchor]": "now", "expires_after[seconds]": "3600" }, "expires_after[anchor]"],
    [{ "expires_after[anchor]": "created_at", "expires_after[seconds]": "3599" }, "expires_after[seconds]"],
    [{ "expires_after[anchor]": "created_at", "expires_after[seconds]": "1e4" }, "expires_after[seconds]"],
  ])("%j is refused for %s, and nothing of a large file is left", async (fields, param) => {
    const before = await onDisk();
    const { status, body } = await upload(Buffer.alloc(1_000_000), "a", fields);
    expect([status, body.code, body.error.param]).toEqual([400, "invalid_field", param]);
    expect(await onDisk()).toEqual(before);
  });

  test("accepts an empty file", async () => {
    expect((await upload("", "empty.txt")).body).toMatchObject({ bytes: 0, mime_type: "text/plain" });
  });

  test("derives the type from the name, not from the content type of the upload", async () => {
    expect((await upload("x", "a.csv")).body.mime_type).toBe("text/csv");
    expect((await upload("x", "a.unheard")).body.mime_type).toBe("application/octet-stream");
    expect((await upload("x", "constructor")).body.mime_type).toBe("application/octet-stream");
  });

  test("accepts the purpose before or after the file", async () => {
    expect((await upload("x", "a", { purpose: "vision" })).body.purpose).toBe("vision");
    const after = new FormData();
    after.append("file", new Blob(["x"]), "a");
    after.append("purpose", "assistants");
    expect((await call(api.url, "POST /v1/files", { key, body: after })).body.purpose).toBe("assistants");
  });

  test("a file at the limit is accepted", async () => {
    expect((await upload(Buffer.alloc(BYTES_MAX))).body.bytes).toBe(BYTES_MAX);
  });

  test.each([1, 200_000])("a file %i bytes over the limit is 413, and nothing of it is left", async (over) => {
    const before = await onDisk();
    const { status, body } = await upload(Buffer.alloc(BYTES_MAX + over));
    expect([status, body.code, body.error.param]).toEqual([413, "file_too_large", "file"]);
    expect(body.detail).toContain(String(BYTES_MAX));
    expect(await onDisk()).toEqual(before);
  });

  test("a file over the limit without Content-Length is 413 too", async () => {
    const before = await onDisk();
    const body = new Blob([
      `--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n`,
      Buffer.alloc(BYTES_MAX + 1),
      "\r\n--b--\r\n",
    ]);
    const response = await fetch(`${api.url}/v1/files`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "multipart/form-data; boundary=b" },
      body: body.stream(),
      duplex: "half",
    } as RequestInit);
    expect(response.status).toBe(413);
    await response.text();
    expect(await onDisk()).toEqual(before);
  });

  test.each([
    ["no file", multipart('Content-Disposition: form-data; name="purpose"\r\n\r\nvision'), 400, "invalid_field"],
    ["an unknown field", multipart('Content-Disposition: form-data; name="mode"\r\n\r\nx'), 400, "unknown_field"],
    ["an unknown purpose", multipart('Content-Disposition: form-data; name="purpose"\r\n\r\nx'), 400, "invalid_field"],
    [
      "the purpose of output files",
      multipart('Content-Disposition: form-data; name="purpose"\r\n\r\nassistants_output'),
      400,
      "invalid_field",
    ],
    ["a file without a name", multipart('Content-Disposition: form-data; name="file"\r\n\r\nx'), 400, "invalid_field"],
    ["a file under another field", multipart('Content-Disposition: form-data; name="upload"; filename="a"\r\n\r\nx'), 400, "unknown_field"],
    [
      "two files",
      multipart(
        'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="b"\r\n\r\ny',
      ),
      400,
      "invalid_field",
    ],
    ["a name of dots", multipart('Content-Disposition: form-data; name="file"; filename=".."\r\n\r\nx'), 400, "invalid_field"],
    [
      "a name with a control character",
      multipart('Content-Disposition: form-data; name="file"; filename="a\u0001b"\r\n\r\nx'),
      400,
      "malformed_request",
    ],
    [
      "a name with an encoded line break",
      multipart("Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''a%0d%0ab\r\n\r\nx"),
      400,
      "invalid_field",
    ],
    ["no end", '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx', 400, "malformed_request"],
    ["no part", "hello", 400, "malformed_request"],
    [
      "many fields",
      multipart(Array(20).fill('Content-Disposition: form-data; name="purpose"\r\n\r\nvision').join("\r\n--b\r\n")),
      400,
      "malformed_request",
    ],
  ])("a form with %s is refused, and nothing of it is left", async (_, body, status, code) => {
    const before = await onDisk();
    const answer = await postRawForm(body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(await onDisk()).toEqual(before);
  });

  test.each(["application/json", "multipart/mixed; boundary=b", "text/plain"])("content type %s is 415", async (type) => {
    const { status, body } = await postRawForm("{}", { "content-type": type });
    expect([status, body.code]).toEqual([415, "unsupported_media_type"]);
  });

  test("a form without a boundary is a malformed request", async () => {
    const { status, body } = await postRawForm("x", { "content-type": "multipart/form-data; charset=utf-8" });
    expect([status, body.code]).toEqual([400, "malformed_request"]);
  });

  test("a path in the name is cut to its last part", async () => {
    const { body } = await postRawForm(multipart('Content-Disposition: form-data; name="file"; filename="../../etc/passwd"\r\n\r\nx'));
    expect(body.filename).toBe("passwd");
  });

  test("a caller that disconnects during an upload leaves nothing behind", async () => {
    const before = await onDisk();
    const { hostname, port } = new URL(api.url);
    const sending = httpRequest({
      host: hostname,
      port,
      method: "POST",
      path: "/v1/files",
      headers: { authorization: `Bearer ${key}`, "content-type": "multipart/form-data; boundary=b", "content-length": "1000000" },
    });
    sending.on("error", () => {});
    sending.write('--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nsome of it');
    await expect.poll(async () => (await onDisk()).length).toBe(before.length + 1);
    sending.destroy();
    await expect.poll(onDisk).toEqual(before);
  });

  test("a full store is 503, and the next file is accepted once it has room", async () => {
    storeFails = true;
    const { status, body, headers } = await upload("x");
    storeFails = false;
    expect([status, body.code]).toEqual([503, "storage_unavailable"]);
    expect(headers.get("retry-after")).not.toBeNull();
    expect(JSON.stringify(body)).not.toMatch(/ENOSPC|folder/);
    expect((await upload("x")).status).toBe(200);
  });
});

describe("GET /v1/files/:id/content", () => {
  const content = "0123456789";
  let id: string;
  beforeAll(async () => {
    id = (await upload(content, "n.txt")).body.id;
  });
  const get = (headers: Record<string, string> = {}, of = id) => call(api.url, `GET /v1/files/${of}/content`, { key, headers });

  test("returns all bytes as an attachment that browsers do not run", async () => {
    const { status, body, headers } = await get();
    expect([status, body]).toEqual([200, content]);
    expect(headers.get("content-length")).toBe("10");
    expect(headers.get("content-type")).toBe("text/plain");
    expect(headers.get("content-disposition")).toMatch(/^attachment;/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-security-policy")).toMatch(/^sandbox;/);
    expect(headers.get("etag")).toBe(`"${createHash("sha256").update(content).digest("hex")}"`);
    expect(headers.get("accept-ranges")).toBe("bytes");
  });

  test("returns binary data unchanged", async () => {
    const bytes = randomBytes(700_001);
    const { id: of, sha256 } = (await upload(bytes, "r.bin")).body;
    const response = await fetch(`${api.url}/v1/files/${of}/content`, { headers: { authorization: `Bearer ${key}` } });
    const back = Buffer.from(await response.arrayBuffer());
    expect(createHash("sha256").update(back).digest("hex")).toBe(sha256);
  });

  test.each<[string, (path: string) => Promise<void>]>([
    ["became shorter", (path) => truncate(path, 400_000)],
    // A folder opens like a file and fails at the first read.
    ["cannot be read", (path) => rm(path).then(() => mkdir(path))],
  ])("a blob that %s cuts the connection, because its length was sent; other requests are not affected", async (_, harm) => {
    const { id: of } = (await upload(randomBytes(700_001), "r.bin")).body;
    const path = `${api.blobs}/${of.slice(-2)}/${of}`;
    await harm(path);
    const read = async () =>
      (await fetch(`${api.url}/v1/files/${of}/content`, { headers: { authorization: `Bearer ${key}` } })).arrayBuffer();
    await expect(read()).rejects.toThrow();
    await rm(path, { recursive: true });
    expect((await get()).body).toBe(content);
  });

  test.each([
    ["bytes=2-4", 206, "234", "bytes 2-4/10"],
    ["bytes=7-", 206, "789", "bytes 7-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=8-100", 206, "89", "bytes 8-9/10"],
    ["bytes=-100", 206, content, "bytes 0-9/10"],
    ["bytes=0-1,3-4", 200, content, null],
    ["bytes=4-2", 200, content, null],
    ["lines=1-2", 200, content, null],
  ])("Range %s is %i", async (range, status, body, contentRange) => {
    const answer = await get({ range });
    expect([answer.status, answer.body, answer.headers.get("content-range")]).toEqual([status, body, contentRange]);
  });

  test.each(["bytes=10-", "bytes=-0", "bytes=999-1000"])("Range %s is outside the file: 416", async (range) => {
    const answer = await get({ range });
    expect([answer.status, answer.body.code, answer.headers.get("content-range")]).toEqual([416, "range_not_satisfiable", "bytes */10"]);
  });

  test("a current copy is 304, and a range of a changed file returns the whole file", async () => {
    const tag = (await get()).headers.get("etag") ?? "";
    for (const sent of [tag, `W/${tag}`, `"x", ${tag}`, "*"]) {
      const answer = await get({ "if-none-match": sent });
      expect([answer.status, answer.body]).toEqual([304, ""]);
    }
    expect((await get({ "if-none-match": '"other"' })).status).toBe(200);
    expect((await get({ range: "bytes=0-0", "if-range": tag })).status).toBe(206);
    expect((await get({ range: "bytes=0-0", "if-range": '"other"' })).status).toBe(200);
  });

  test("HEAD returns only headers", async () => {
    const response = await fetch(`${api.url}/v1/files/${id}/content`, { method: "HEAD", headers: { authorization: `Bearer ${key}` } });
    expect([response.status, response.headers.get("content-length"), await response.text()]).toEqual([200, "10", ""]);
  });

  test.each(['q"uote.txt', "semi;colon.txt", "ünïcode-日本.csv", "per%cent.txt", "apo'strophe*.txt"])(
    "the name %s is preserved and breaks no header",
    async (name) => {
      const record = await api.files.save(
        "org_a",
        { name, purpose: "user_data", executionId: null, bytesMax: 10 },
        (async function* () {
          yield Buffer.from("x");
        })(),
      );
      const header = (await get({}, record.id)).headers.get("content-disposition") ?? "";
      const { type, parameters } = parse(header);
      expect([type, parameters.filename]).toEqual(["attachment", name]);
    },
  );

  test("a caller that disconnects during a download leaves nothing open", async () => {
    const { id: of } = (await upload(Buffer.alloc(BYTES_MAX), "big.bin")).body;
    const { hostname, port } = new URL(api.url);
    const reading = httpRequest({ host: hostname, port, path: `/v1/files/${of}/content`, headers: { authorization: `Bearer ${key}` } });
    reading.on("error", () => {});
    reading.end();
    const [response] = await once(reading, "response");
    response.on("error", () => {});
    response.destroy();
    await expect.poll(async () => (await api.deps.metrics.httpInFlight.get()).values[0]?.value).toBe(0);
    expect((await get({}, of)).status).toBe(200);
  });
});

describe("records", () => {
  test("can be read, listed by purpose in pages, and deleted with their bytes", async () => {
    const own = await api.newKey("org_list");
    const made = [];
    for (let i = 0; i < 5; i += 1) {
      const more: Record<string, string> = i % 2 === 0 ? { purpose: "batch" } : {};
      made.push((await call(api.url, "POST /v1/files", { key: own, body: form(String(i), `${i}.txt`, more) })).body);
    }
    expect((await call(api.url, `GET /v1/files/${made[0].id}`, { key: own })).body).toEqual(made[0]);

    const seen: string[] = [];
    let after = "";
    for (;;) {
      const { body } = await call(api.url, `GET /v1/files?limit=2&order=asc${after}`, { key: own });
      seen.push(...body.data.map((file: { filename: string }) => file.filename));
      if (!body.has_more) break;
      after = `&after=${body.last_id}`;
    }
    expect(new Set(seen)).toEqual(new Set(made.map((file) => file.filename)));
    expect(seen).toHaveLength(5);
    const batch = await call(api.url, "GET /v1/files?purpose=batch&limit=2", { key: own });
    expect(batch.body.data.every((file: { purpose: string }) => file.purpose === "batch")).toBe(true);
    expect(batch.body.has_more).toBe(true);

    const deleted = await call(api.url, `DELETE /v1/files/${made[0].id}`, { key: own });
    expect(deleted.body).toEqual({ id: made[0].id, object: "file", deleted: true });
    expect((await call(api.url, `GET /v1/files/${made[0].id}`, { key: own })).status).toBe(404);
    expect((await call(api.url, `DELETE /v1/files/${made[0].id}`, { key: own })).status).toBe(404);
    expect(await onDisk()).not.toContain(made[0].id);
  });

  test.each(["GET /v1/files/ID", "GET /v1/files/ID/content", "DELETE /v1/files/ID"])(
    "%s of another organization's file gets the same response as for an unknown id",
    async (line) => {
      const { id } = (await upload("secret")).body;
      const foreign = await call(api.url, line.replace("ID", id), { key: foreignKey });
      const unknown = await call(api.url, line.replace("ID", `file_${"0".repeat(24)}`), { key: foreignKey });
      expect([foreign.status, foreign.body.code]).toEqual([404, "file_not_found"]);
      expect({ ...foreign.body, instance: "" }).toEqual({ ...unknown.body, instance: "" });
      expect((await call(api.url, `GET /v1/files/${id}`, { key })).status).toBe(200);
    },
  );

  test("another organization's files are not listed", async () => {
    await upload("x");
    expect((await call(api.url, "GET /v1/files", { key: foreignKey })).body.data).toEqual([]);
  });

  test.each(["..%2f..%2fetc%2fpasswd", "file_", "FILE_x", "%00"])("the malformed id %s is not found", async (id) => {
    const { status, body } = await call(api.url, `GET /v1/files/${id}/content`, { key });
    expect([status, body.code]).toEqual([404, "file_not_found"]);
  });

  test("a list with an unknown `after` is 404", async () => {
    const { status, body } = await call(api.url, `GET /v1/files?after=file_${"0".repeat(24)}`, { key });
    expect([status, body.error.param]).toEqual([404, "after"]);
  });
});

test("a folded request header does not inject a response header", async () => {
  const answer = await callRaw(
    api.url,
    `GET /v1/files HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n Set-Cookie: b\r\nConnection: close\r\n\r\n`,
  );
  expect(answer).not.toMatch(/^set-cookie/im);
});
