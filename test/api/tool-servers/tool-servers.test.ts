import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import { makeLog } from "../../../src/observe/log.ts";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { parseServers } from "../../../src/tool-servers/settings.ts";
import { ToolServers } from "../../../src/tool-servers/tool-servers.ts";
import { serveMcpTools } from "../../support/servers/mcp-tools.mjs";

const program = fileURLToPath(new URL("../../support/servers/mcp-tools.mjs", import.meta.url));
const environment = { CRM_TOKEN: "secret-of-the-operator" };
const limits = makeLimits();
const never = new AbortController().signal;

const opened: Array<() => Promise<unknown>> = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

function open(file: object) {
  const metrics = makeMetrics();
  const servers = new ToolServers({ limits, metrics, log: makeLog("silent") }, parseServers(JSON.stringify(file), environment));
  opened.push(() => servers.close());
  const call = (tool: string, args: object = {}, signal = never) =>
    servers.call({ organization: "org_a", label: "crm", tool, name: `crm.${tool}`, args: args as Record<string, unknown> }, signal);
  return { servers, metrics, call };
}

async function listen(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  opened.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

const stdio = { crm: { command: process.execPath, args: [program], env: { TOOLS_TOKEN: { env: "CRM_TOKEN" } } } };

describe.each(["stdio", "http"])("a server over %s", (kind) => {
  let url = "";
  let forget: () => void;
  beforeEach(async () => {
    if (kind !== "http") return;
    const server = await serveMcpTools();
    ({ url, forget } = server);
    opened.push(() => server.stop());
  });
  const file = () => (kind === "stdio" ? stdio : { crm: { url, headers: { "x-token": { env: "CRM_TOKEN", prefix: "Bearer " } } } });

  test("offers its read-only tools under names of Python", async () => {
    const [crm] = await open(file()).servers.serversOf("org_a", ["crm"]);
    const names = crm?.tools.map((tool) => tool.name) ?? [];
    expect(names).toContain("crm.search");
    expect(names).toContain("crm.read_note");
    expect(names).toContain("crm.class_");
    expect(names).not.toContain("crm.add_note");
    expect(crm?.tools.find((tool) => tool.name === "crm.read_note")).toMatchObject({ tool: "read-note", readOnly: true });
  });

  test("answers with structured content, else with text", async () => {
    const { call } = open(file());
    const rows = [
      { id: 0, name: "Ann 0" },
      { id: 1, name: "Ann 1" },
    ];
    expect(await call("search", { query: "Ann" })).toEqual({ outcome: "output", json: JSON.stringify({ rows }) });
    expect(await call("read-note", { id: 3 })).toEqual({ outcome: "output", json: '"note 3"' });
    expect(await call("picture")).toEqual({ outcome: "output", json: JSON.stringify("Here:\n[image: image/png, 8 bytes]") });
  });

  test("gets its secrets from the settings", async () => {
    const { json } = await open(file()).call("secrets");
    const got = JSON.parse(JSON.parse(json)) as { variable: string | null; header: string | null };
    expect(kind === "stdio" ? got.variable : got.header).toBe(kind === "stdio" ? environment.CRM_TOKEN : `Bearer ${environment.CRM_TOKEN}`);
  });

  test("that answers with an error gives the code its text", async () => {
    const { call } = open(file());
    expect(await call("fail")).toEqual({ outcome: "error", json: '"no such customer"' });
    expect((await call("search", {})).outcome).toBe("error");
  });

  test("that hangs is given up, and its other calls go on", async () => {
    const { call } = open(file());
    await call("read-note", { id: 1 });
    const late = new AbortController();
    const hanging = call("hang", {}, late.signal);
    expect((await call("read-note", { id: 2 })).outcome).toBe("output");
    late.abort(new DOMException("late", "TimeoutError"));
    expect((await hanging).outcome).toBe("timeout");
    expect((await call("read-note", { id: 4 })).outcome).toBe("output");
  });

  test("whose answer is too large raises an error with the bound", async () => {
    const { call } = open(file());
    const answer = await call("large", { bytes: limits.toolValueBytesMax });
    expect(answer).toMatchObject({ outcome: "failed", json: expect.stringContaining(`at most ${limits.toolValueBytesMax}`) });
    expect((await call("large", { bytes: 32 * 1024 * 1024 })).outcome).toBe("failed");
    expect((await call("read-note", { id: 4 })).outcome).toBe("output");
  });

  test("that was restarted is connected to again", async () => {
    const { call } = open(file());
    await call("read-note", { id: 1 });
    if (kind === "http") forget();
    else expect((await call("die")).outcome).toBe("failed");
    expect(await call("read-note", { id: 2 })).toEqual({ outcome: "output", json: '"note 2"' });
  });
});

describe("settings", () => {
  test("name the tools that are allowed, and those with effects only when the operator says so", async () => {
    const { servers, call } = open({ crm: { ...stdio.crm, tools: ["add_note", "search"], read_only: false } });
    const [crm] = await servers.serversOf("org_a", ["crm"]);
    expect(crm?.tools.map((tool) => [tool.name, tool.readOnly])).toEqual([
      ["crm.search", true],
      ["crm.add_note", false],
    ]);
    expect(await call("read-note", { id: 1 })).toMatchObject({ outcome: "failed" });
    expect(await open(stdio).call("add_note", { note: "x" })).toMatchObject({ outcome: "failed" });
  });

  test("keep a server to its organizations", async () => {
    const { servers } = open({ crm: { ...stdio.crm, organizations: ["org_a"] } });
    expect(await servers.serversOf("org_a", ["crm"])).toHaveLength(1);
    await expect(servers.serversOf("org_b", ["crm"])).rejects.toMatchObject({ code: "invalid_field", param: "mcp_servers.0" });
    const excluded = { organization: "org_b", label: "crm", tool: "read_note", name: "crm.read_note", args: { id: 7 } };
    expect((await servers.call(excluded, never)).outcome, "also code that began before the settings changed").toBe("failed");
  });

  test("that are taken over keep a connection whose settings are the same", async () => {
    const { servers, call } = open({ crm: { ...stdio.crm, read_only: false } });
    expect(await call("add_note", { note: "a" })).toMatchObject({ json: '"note 1 added"' });
    servers.replace(parseServers(JSON.stringify({ crm: { ...stdio.crm, read_only: false }, other: stdio.crm }), environment));
    expect(await call("add_note", { note: "b" })).toMatchObject({ json: '"note 2 added"' });
    servers.replace(new Map());
    expect((await call("add_note", { note: "c" })).outcome).toBe("failed");
    await expect(servers.serversOf("org_a", ["crm"])).rejects.toMatchObject({
      detail: '`mcp_servers.0` must be a label of an MCP server, and there are none, not "crm".',
    });
  });
});

describe("a server that is not as it should be", () => {
  const cases: Array<[string, RequestListener]> = [
    ["closes connections", (request) => void request.socket.destroy()],
    ["answers 500", (_request, response) => void response.writeHead(500).end("oops")],
    ["redirects", (_request, response) => void response.writeHead(307, { location: "http://127.0.0.1:9/" }).end()],
    ["answers nonsense", (_request, response) => void response.writeHead(200, { "content-type": "application/json" }).end("{nonsense")],
    ["answers HTML", (_request, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<p>hello")],
    [
      "answers without an end",
      (_request, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        const piece = Buffer.alloc(256 * 1024, " ");
        const write = () => {
          while (response.write(piece));
        };
        response.on("drain", write);
        write();
      },
    ],
  ];
  test.each(cases)("and %s is a problem of its tools, not of the request", async (_name, listener) => {
    const { servers, call, metrics } = open({ crm: { url: await listen(listener) } });
    const [crm] = await servers.serversOf("org_a", ["crm"]);
    expect(crm).toMatchObject({ label: "crm", tools: [], problem: expect.stringMatching(/^the server/) });
    expect(await call("search", { query: "x" })).toMatchObject({ outcome: "failed" });
    expect((await metrics.toolServerCalls.get()).values).toContainEqual(
      expect.objectContaining({ labels: { server: "crm", outcome: "failed" }, value: 1 }),
    );
  });
});
