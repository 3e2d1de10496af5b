import { once } from "node:events";
import net from "node:net";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Output } from "../../../src/domain/outputs.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, type ApiOptions, startApi } from "../../support/servers/api.ts";

let redis: TestRedis;
const opened: Array<{ close(): Promise<unknown> }> = [];

beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});
afterAll(async () => {
  await redis.stop();
});

async function start(options: Omit<ApiOptions, "redisUrl"> = {}): Promise<Api> {
  const api = await startApi({ redisUrl: redis.url, ...options });
  opened.push(api);
  return api;
}

const protocols = ["2025", "2026-07-28"] as const;
type Protocol = (typeof protocols)[number];

async function connect(api: Api, key: string, protocol: Protocol = "2025"): Promise<Client> {
  const mode = protocol === "2025" ? "legacy" : { pin: protocol };
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${api.url}/mcp`), { requestInit }));
  opened.push(client);
  return client;
}

const stdout = (text: string): Output => ({ type: "text", stream: "stdout", text });

describe.each(protocols)("protocol %s", (protocol) => {
  test("lists the tools with schemas and the operator's limits", async () => {
    const api = await start({ limits: { runTimeoutMsMax: 7_000 } });
    const client = await connect(api, await api.newKey("org_a"), protocol);
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name)).toEqual(["execute_python", "upload_file", "list_files", "read_file"]);
    const run = tools[0];
    expect(run?.description).toContain("7 s");
    expect(run?.inputSchema).toMatchObject({ required: ["code"], properties: { timeout_ms: { maximum: 7_000, default: 7_000 } } });
    expect(run?.inputSchema.additionalProperties).toBe(false);
  });

  test("runs code and returns what it printed and its result", async () => {
    const api = await start();
    api.executions.onSubmit = (id) => {
      api.executions.start(id);
      api.executions.output(id, stdout("hello"));
      api.executions.output(id, { type: "result", text: "42" });
      api.executions.end(id);
    };
    const client = await connect(api, await api.newKey("org_a"), protocol);
    const result = await client.callTool({ name: "execute_python", arguments: { code: "print('hello'); 42" } });
    expect(result).toMatchObject({ content: [{ type: "text", text: "hello\n42" }] });
    expect(result.isError ?? false).toBe(false);
  });

  test("an exception is an error with the traceback for the model", async () => {
    const api = await start();
    api.executions.onSubmit = (id) => {
      api.executions.output(id, stdout("before"));
      const traceback = ["Traceback (most recent call last):", "ZeroDivisionError: division by zero"];
      api.executions.output(id, { type: "error", name: "ZeroDivisionError", value: "division by zero", traceback, line: 1 });
      api.executions.end(id, { status: "failed", cause: "exception" });
    };
    const client = await connect(api, await api.newKey("org_a"), protocol);
    const result = await client.callTool({ name: "execute_python", arguments: { code: "1/0" } });
    expect(result.isError).toBe(true);
    expect(result.content).toEqual([
      { type: "text", text: expect.stringMatching(/^before\nTraceback[\s\S]*ZeroDivisionError: division by zero\n/) },
    ]);
  });

  test("sends what running code prints to a client that asks for progress", async () => {
    const api = await start();
    api.executions.onSubmit = (id) => {
      api.executions.start(id);
      api.executions.output(id, stdout("step 1\n"));
    };
    const client = await connect(api, await api.newKey("org_a"), protocol);
    const messages: string[] = [];
    const onprogress = ({ message = "" }: { message?: string }) => {
      messages.push(message);
      const [id] = api.executions.stored.keys();
      if (messages.join("").includes("step 1") && id !== undefined) api.executions.end(id);
    };
    await client.callTool({ name: "execute_python", arguments: { code: "..." } }, { onprogress });
    expect(messages.join("")).toMatch(/^Started\.\nstep 1\n/);
  });

  test("a cancelled call cancels its execution", async () => {
    const api = await start();
    api.executions.onSubmit = (id) => api.executions.start(id);
    const client = await connect(api, await api.newKey("org_a"), protocol);
    const stop = new AbortController();
    const call = client.callTool(
      { name: "execute_python", arguments: { code: "while True: pass" } },
      { signal: stop.signal, onprogress: () => stop.abort() },
    );
    await expect(call).rejects.toThrow();
    const [stored] = api.executions.stored.values();
    await vi.waitFor(() => expect(stored && api.executions.stored.get(stored.execution.id)?.execution.status).toBe("cancelled"));
  });
});

describe("files", () => {
  test("are stored, listed, read and linked", async () => {
    const api = await start();
    const client = await connect(api, await api.newKey("org_a"));
    const stored = await client.callTool({ name: "upload_file", arguments: { name: "a/data.csv", text: "x,y\n1,2\n" } });
    const [said, link] = stored.content as unknown as [{ text: string }, { uri: string }];
    const id = /file_[0-9a-z]{24}/.exec(said.text)?.[0];
    const list = await client.callTool({ name: "list_files", arguments: {} });
    expect(list.content).toEqual([{ type: "text", text: expect.stringContaining(`| ${id} | a/data.csv | text/csv | 8 |`) }]);
    const read = await client.callTool({ name: "read_file", arguments: { file_id: id } });
    expect(read.content).toEqual([{ type: "text", text: "x,y\n1,2\n" }]);
    const resource = await client.readResource({ uri: link.uri });
    expect(resource.contents).toEqual([{ uri: link.uri, mimeType: "text/csv", text: "x,y\n1,2\n" }]);
  });

  test("of long text are read in parts that join without loss", async () => {
    const api = await start({ limits: { toolTextCharsMax: 1_000 } });
    const client = await connect(api, await api.newKey("org_a"));
    const whole = "größer ".repeat(400);
    const stored = await client.callTool({
      name: "upload_file",
      arguments: { name: "a.txt", base64: Buffer.from(whole).toString("base64") },
    });
    const id = /file_[0-9a-z]{24}/.exec(JSON.stringify(stored))?.[0];
    let joined = "";
    for (let offset: number | undefined = 0; offset !== undefined; ) {
      const part = await client.callTool({ name: "read_file", arguments: { file_id: id, offset } });
      const [text, note] = part.content as Array<{ text: string }>;
      joined += text?.text;
      offset = Number(/offset (\d+)/.exec(note?.text ?? "")?.[1]) || undefined;
    }
    expect(joined).toBe(whole);
  });

  test("that are images are returned as images, other bytes described and linked", async () => {
    const api = await start();
    const client = await connect(api, await api.newKey("org_a"));
    const put = async (name: string, bytes: Buffer) => {
      const stored = await client.callTool({ name: "upload_file", arguments: { name, base64: bytes.toString("base64") } });
      return /file_[0-9a-z]{24}/.exec(JSON.stringify(stored))?.[0];
    };
    const bytes = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1]);
    const image = await client.callTool({ name: "read_file", arguments: { file_id: await put("a.png", bytes) } });
    expect(image.content).toEqual([{ type: "image", mimeType: "image/png", data: bytes.toString("base64") }]);
    const other = await client.callTool({ name: "read_file", arguments: { file_id: await put("a.zip", bytes) } });
    expect(other.content).toMatchObject([{ type: "text", text: expect.stringContaining("is not a text") }, { type: "resource_link" }]);
  });
});

describe("access", () => {
  test("another organization's files do not exist", async () => {
    const api = await start();
    const mine = await connect(api, await api.newKey("org_a"));
    const theirs = await connect(api, await api.newKey("org_b"));
    const stored = await mine.callTool({ name: "upload_file", arguments: { name: "a.txt", text: "secret" } });
    const id = /file_[0-9a-z]{24}/.exec(JSON.stringify(stored))?.[0];
    const read = await theirs.callTool({ name: "read_file", arguments: { file_id: id } });
    expect(read).toMatchObject({ isError: true, content: [{ text: expect.stringContaining("file_not_found") }] });
    await expect(theirs.readResource({ uri: `code-interpreter://files/${id}` })).rejects.toThrow(/not found/i);
    expect(JSON.stringify(await theirs.callTool({ name: "list_files", arguments: {} }))).toContain("There are no files");
    const used = await theirs.callTool({ name: "execute_python", arguments: { code: "1", files: [{ name: "a.txt", file_id: id }] } });
    expect(used).toMatchObject({ isError: true, content: [{ text: expect.stringContaining("files.0.file_id") }] });
  });

  test("calls of another organization or session cannot be cancelled", async () => {
    const api = await start();
    api.executions.onSubmit = (id) => api.executions.start(id);
    const post = async (key: string, session: string, body: object) => {
      const headers = {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-session-id": session,
      };
      return fetch(`${api.url}/mcp`, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", ...body }) });
    };
    const [a, b] = [await api.newKey("org_a"), await api.newKey("org_b")];
    const call = await post(a, "one", { id: 1, method: "tools/call", params: { name: "execute_python", arguments: { code: "1" } } });
    await vi.waitFor(() => expect(api.executions.stored.size).toBe(1));
    const status = () => [...api.executions.stored.values()][0]?.execution.status;
    const cancel = { method: "notifications/cancelled", params: { requestId: 1 } };
    await post(b, "one", cancel);
    await post(a, "two", cancel);
    expect(status()).toBe("in_progress");
    await post(a, "one", cancel);
    await vi.waitFor(() => expect(status()).toBe("cancelled"));
    await call.body?.cancel();
  });

  test("a call can be cancelled through another process", async () => {
    const first = await start();
    const second = await start({ deps: () => ({ executions: first.executions, keys: first.deps.keys }) });
    first.executions.onSubmit = (id) => first.executions.start(id);
    const headers = {
      authorization: `Bearer ${await first.newKey("org_a")}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-session-id": "one",
    };
    const post = (api: Api, body: object) =>
      fetch(`${api.url}/mcp`, { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", ...body }) });
    const call = post(first, { id: "x", method: "tools/call", params: { name: "execute_python", arguments: { code: "1" } } });
    await vi.waitFor(() => expect(first.executions.stored.size).toBe(1));
    await post(second, { method: "notifications/cancelled", params: { requestId: "x" } });
    expect([...first.executions.stored.values()][0]?.execution.status).toBe("cancelled");
    await (await call).body?.cancel();
  });

  test("a call is cancelled even if it is not on the first page of executions", async () => {
    const api = await start();
    api.executions.onSubmit = (id) => api.executions.start(id);
    const list = api.executions.list.bind(api.executions);
    api.executions.list = (organization, page) => list(organization, { ...page, limit: 1 });
    const headers = {
      authorization: `Bearer ${await api.newKey("org_a")}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    };
    const post = (session: string, body: object) => {
      const init = {
        method: "POST",
        headers: { ...headers, "mcp-session-id": session },
        body: JSON.stringify({ jsonrpc: "2.0", ...body }),
      };
      return fetch(`${api.url}/mcp`, init);
    };
    const calls: Array<Promise<Response>> = [];
    for (const id of [1, 2, 3]) {
      calls.push(post("one", { id, method: "tools/call", params: { name: "execute_python", arguments: { code: "1" } } }));
      await vi.waitFor(() => expect(api.executions.stored.size).toBe(id));
    }
    // Like a process that does not serve the call itself.
    const other = await start({ deps: () => ({ executions: api.executions, keys: api.deps.keys }) });
    const cancel = { method: "notifications/cancelled", params: { requestId: 1 } };
    await fetch(`${other.url}/mcp`, {
      method: "POST",
      headers: { ...headers, "mcp-session-id": "one" },
      body: JSON.stringify({ jsonrpc: "2.0", ...cancel }),
    });
    expect([...api.executions.stored.values()].map(({ execution }) => execution.status)).toEqual([
      "cancelled",
      "in_progress",
      "in_progress",
    ]);
    for (const call of calls.slice(1)) await (await call).body?.cancel();
    await (await calls[0])?.body?.cancel();
  });

  test("a key sees only the tools of its scopes", async () => {
    const api = await start();
    const names = async (scope: "execute" | "read") =>
      (await (await connect(api, await api.newKey("org_a", [scope]))).listTools()).tools.map((tool) => tool.name);
    expect(await names("execute")).toEqual(["execute_python", "upload_file"]);
    expect(await names("read")).toEqual(["list_files", "read_file"]);
    const reader = await connect(api, await api.newKey("org_a", ["read"]));
    await expect(reader.callTool({ name: "execute_python", arguments: { code: "1" } })).rejects.toThrow(/execute_python/);
  });

  test("keys are required as on the API, and requests are counted", async () => {
    const taken: string[] = [];
    const api = await start({ deps: () => ({ rateLimit: { take: async ({ keyId }) => void taken.push(keyId) } }) });
    const post = (headers: Record<string, string>) => fetch(`${api.url}/mcp`, { method: "POST", headers, body: "{}" });
    expect((await post({})).status).toBe(401);
    expect((await post({ authorization: "Bearer ci_sk_x" })).headers.get("www-authenticate")).toMatch(/^Bearer/);
    expect(taken).toEqual([]);
    await post({ authorization: `Bearer ${await api.newKey("org_a")}`, "content-type": "application/json" });
    expect(taken).toHaveLength(1);
  });

  test.each([
    ["http://evil.example", 403],
    ["null", 403],
    ["http://localhost:3000", 400],
    ["https://ci.example", 400],
  ])("a page of %s gets %i", async (origin, status) => {
    const api = await start({ deps: () => ({ publicUrl: "https://ci.example" }) });
    const headers = { authorization: `Bearer ${await api.newKey("org_a")}`, "content-type": "application/json", origin };
    expect((await fetch(`${api.url}/mcp`, { method: "POST", headers, body: "{}" })).status).toBe(status);
  });

  test("other methods are 405, other content types 415, several messages at once 400", async () => {
    const api = await start();
    const authorization = `Bearer ${await api.newKey("org_a")}`;
    const ask = (init: RequestInit) => fetch(`${api.url}/mcp`, { ...init, headers: { authorization, ...(init.headers as object) } });
    expect((await ask({})).status).toBe(405);
    expect((await ask({ method: "DELETE" })).headers.get("allow")).toBe("POST");
    expect((await ask({ method: "POST", body: "{}", headers: { "content-type": "text/plain" } })).status).toBe(415);
    for (const body of ["[]", "{}", '{"params":null}', '{"params":"x"}'])
      expect((await ask({ method: "POST", body, headers: { "content-type": "application/json" } })).status).toBe(400);
  });

  test("a request without a body is a caller's error", async () => {
    const api = await start();
    const { hostname, port } = new URL(api.url);
    const client = net.connect(Number(port), hostname);
    // Neither a content length nor chunks; no HTTP library sends that.
    client.write(
      `POST /mcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${await api.newKey("org_a")}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\r\n`,
    );
    const [answer] = await once(client, "data");
    client.destroy();
    expect(String(answer)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("a message with thousands of values, or an address with thousands of characters, is refused, with the bound", async () => {
    const api = await start();
    const headers = { authorization: `Bearer ${await api.newKey("org_a")}`, "content-type": "application/json" };
    const ask = async (params: object) => {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "resources/read", params });
      const answer = await fetch(`${api.url}/mcp`, { method: "POST", headers, body });
      return [answer.status, ((await answer.json()) as { detail?: string }).detail];
    };
    expect(await ask({ uri: "x".repeat(2_049) })).toEqual([400, "`params.uri` must have at most 2048 characters."]);
    expect(await ask({ uri: "x", more: Array(2_000).fill(0) })).toEqual([400, expect.stringContaining("2000 values")]);
  });
});

describe("errors", () => {
  test("a wrong field is named in an error for the model", async () => {
    const api = await start();
    const client = await connect(api, await api.newKey("org_a"));
    for (const [args, field] of [
      [{ code: "1", timeout_ms: 10 ** 9 }, "timeout_ms"],
      [{ code: "1", files: [{ name: "../x", text: "" }] }, "files"],
      [{ code: "1", shell: true }, "shell"],
    ] as const) {
      const result = await client.callTool({ name: "execute_python", arguments: args });
      expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining(field) }] });
    }
    expect(api.executions.stored.size).toBe(0);
  });

  test("a failure of the service is an error without its cause", async () => {
    const api = await start();
    const client = await connect(api, await api.newKey("org_a"));
    api.executions.failNext = new Error("password of the database");
    const result = await client.callTool({ name: "execute_python", arguments: { code: "1" } });
    expect(result.isError).toBe(true);
    expect(JSON.stringify(result)).not.toContain("password");
  });

  test("output before the time limit is returned, with the reason for the end", async () => {
    const api = await start();
    api.executions.onSubmit = (id) => {
      api.executions.output(id, stdout("half"));
      const evidence = { limit: "runTimeoutMsMax", limit_value: 2_000 };
      api.executions.end(id, { status: "incomplete", cause: "timeout", evidence, outcome: "ran_partly" });
    };
    const client = await connect(api, await api.newKey("org_a"));
    const result = await client.callTool({ name: "execute_python", arguments: { code: "..." } });
    const text = (result.content as Array<{ text: string }>)[0]?.text ?? "";
    expect(result.isError).toBe(true);
    expect(text).toMatch(/^half\nStopped: the time limit of 2 s was reached\. .*incomplete/);
  });
});
