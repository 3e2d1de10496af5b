import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectMatchesOpenApi } from "../support/checks/openapi.ts";
import { serveMcpTools } from "../support/servers/mcp-tools.mjs";
import { type ModelServer, script, startModelServer } from "../support/servers/model-server.ts";
import { client, type Json, prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

const program = fileURLToPath(new URL("../support/servers/mcp-tools.mjs", import.meta.url));
const env = { POOL_SIZE_MIN: "1", POOL_SIZE_MAX: "1", WORKER_MEMORY_MB: "4096" };
let service: TestService;
let apis: ServiceProcess[];
let key: string;
let folder: string;
let model: ModelServer;
let crm: Awaited<ReturnType<typeof serveMcpTools>>;
beforeAll(async () => {
  [service, model, crm] = await Promise.all([prepareService(), startModelServer(), serveMcpTools()]);
  folder = await mkdtemp(join(tmpdir(), "ci-mcp-servers-"));
  const file = join(folder, "servers.json");
  const servers = {
    crm: { url: crm.url, headers: { "x-token": { env: "CRM_TOKEN" } } },
    notes: { command: process.execPath, args: [program], tools: ["add_note", "read-note"], read_only: false },
    away: { url: "http://127.0.0.1:9/mcp" },
    usual: { url: crm.url, tools: ["search"], in_responses: true },
  };
  await writeFile(file, JSON.stringify(servers));
  const ofApi = {
    ...env,
    MCP_SERVERS: file,
    CRM_TOKEN: "secret-of-the-operator",
    MODEL_BASE_URL: model.baseUrl,
    MODEL_DEFAULT: "scripted",
  };
  [apis] = await Promise.all([Promise.all([service.start("api", ofApi), service.start("api", ofApi)]), service.start("worker", env)]);
  key = await service.key("org_tools");
});
afterAll(async () => {
  await service.stop();
  await model.stop();
  await crm.stop();
  await rm(folder, { recursive: true, force: true });
});

let turn = 0;
async function call(path: string, body: unknown): Promise<{ status: number; json: Json }> {
  const api = apis[turn++ % apis.length] as ServiceProcess;
  const answer = await client(api.url, key).call("POST", path, body);
  const template = path.replace(/ci_[0-9a-z]{24}/, "{id}");
  expectMatchesOpenApi("POST", template, answer.status, answer.headers.get("content-type"), answer.json);
  return answer;
}
const run = async (code: string, more: object = {}) => (await call("/v1/executions", { code, mcp_servers: ["crm"], ...more })).json;
const textOf = (execution: Json) => execution.outputs.map((output: Json) => output.text ?? `${output.name}: ${output.value}`).join("");

describe("tools of MCP servers in code", () => {
  test("are functions of an object, and one request brings the result", async () => {
    const code = "for row in crm.search('Ann', limit=2)['rows']: print(row['name'])\nprint(crm.read_note(id=7))";
    const ended = await run(code);
    expect([ended.status, textOf(ended)]).toEqual(["completed", "Ann 0\nAnn 1\nnote 7\n"]);
    expect(ended.tool_calls.map((made: Json) => [made.name, made.outcome])).toEqual([
      ["crm.search", "output"],
      ["crm.read_note", "output"],
    ]);
  });

  test("are called side by side by threads, and awaited", async () => {
    const code = [
      "from concurrent.futures import ThreadPoolExecutor",
      "import asyncio",
      "with ThreadPoolExecutor(8) as pool: print(list(pool.map(crm.read_note, range(8))) == [f'note {i}' for i in range(8)])",
    ].join("\n");
    expect(textOf(await run(code))).toBe("True\n");
    expect(textOf(await run("import asyncio\nprint(await asyncio.gather(*(crm.read_note(i) for i in range(2))))"))).toBe(
      "['note 0', 'note 1']\n",
    );
    expect(textOf(await run("print(await crm.read_note(1))"))).toBe("note 1\n");
  });

  test("are listed and described in the code", async () => {
    const listed = textOf(
      await run("print('crm.search' in list(tools), 'search' in dir(crm), 'add_note' in dir(crm))\nprint(crm)\nhelp(crm.search)"),
    );
    expect(listed).toContain("True True False");
    expect(listed).toContain("crm.search(query: str, limit: int = Ellipsis): Finds customers.");
    expect(listed).toContain("query: part of the name");
  });

  test("raise ToolError with the server's text, and a wrong argument names the parameter", async () => {
    const code = [
      "for call in (lambda: crm.fail(), lambda: crm.search(), lambda: crm.nothing()):",
      "    try: call()",
      "    except Exception as error: print(type(error).__name__, error)",
    ].join("\n");
    const text = textOf(await run(code));
    expect(text).toContain("ToolError no such customer\n");
    expect(text).toContain("TypeError crm.search() is missing required argument: query\n");
    expect(text).toContain("AttributeError 'crm' has no tool 'nothing'; it has search,");
  });

  test("of a server that is away raise ToolError, and one that hangs ToolTimeout", async () => {
    const away = await run("try: away.search('x')\nexcept ToolError as error: print(error)", { mcp_servers: ["away"] });
    expect(textOf(away)).toBe("away.search(): the server cannot be reached\n");
    const slow = await run("try: crm.hang()\nexcept ToolTimeout as error: print(error)", { tool_timeout_ms: 500 });
    expect(textOf(slow)).toBe("crm.hang() was not answered in time\n");
    expect(slow.tool_calls[0].outcome).toBe("timeout");
  });

  test("can have effects where the operator says so, and a retry is then not safe", async () => {
    const ended = await run("print(notes.add_note('x'))\nraise SystemExit(1)", { mcp_servers: ["notes"] });
    expect(textOf(ended)).toContain("note 1 added\n");
    expect(ended.retry_safe).toBe(false);
    expect((await run("crm.read_note(1)\nraise SystemExit(1)")).retry_safe).toBe(true);
  });

  test("work beside the caller's own functions, of which alone the caller hears", async () => {
    const tools = [{ type: "function", name: "ask" }];
    const first = await run("print(crm.read_note(1), ask(), crm.read_note(2))", { tools });
    expect([first.status, first.pending_calls.map((one: Json) => one.name)]).toEqual(["requires_action", ["ask"]]);
    const outputs = [{ call_id: first.pending_calls[0].call_id, output: "me" }];
    const ended = (await call(`/v1/executions/${first.id}/tool_outputs`, { outputs })).json;
    expect(textOf(ended)).toBe("note 1 me note 2\n");
  });

  test("are those of the request's servers, in sessions too", async () => {
    const made = await client(apis[0]?.url ?? "", key).call("POST", "/v1/containers", {});
    const container = made.json.id as string;
    expect(textOf(await run("x = crm.read_note(5)\nprint(x)", { container }))).toBe("note 5\n");
    const next = await call("/v1/executions", { code: "print(x, 'crm' in globals())", container });
    expect(textOf(next.json)).toBe("note 5 False\n");
  });

  test("show the code neither addresses nor secrets", async () => {
    const code = [
      "import gc, os",
      "seen = repr([o for o in gc.get_objects() if isinstance(o, (dict, list, tuple))]) + repr(dict(os.environ))",
      "print(''.join(['secret-of', '-the-operator']) in seen, ':'.join(['127.0.0.1', '']) in seen)",
    ].join("\n");
    expect(textOf(await run(code))).toBe("False False\n");
  });

  test.each([
    [{ mcp_servers: ["crn"] }, "mcp_servers.0", '`mcp_servers.0` must be one of crm, notes, away, usual, not "crn".'],
    [{ mcp_servers: ["crm", "crm"] }, "mcp_servers", "distinct"],
    [{ mcp_servers: ["a-b"] }, "mcp_servers.0", "Python name"],
    [{ tools: [{ type: "function", name: "crm" }] }, "mcp_servers.0", "name of a tool"],
  ])("%j is refused by name", async (more, param, rule) => {
    const { status, json } = await call("/v1/executions", { code: "1", mcp_servers: ["crm"], ...more });
    expect([status, json.error.param]).toEqual([422, param]);
    expect(json.detail).toContain(rule);
  });
});

describe("responses", () => {
  const ask = async (body: object) => (await call("/v1/responses", body)).json;

  test("have code call the servers that their tool names, and the model is told of the tools", async () => {
    const code = "print(crm.read_note(3))";
    const tools = [{ type: "code_interpreter", mcp_servers: ["crm"] }];
    const { output } = await ask({ inputs: script({ code }, { text: "It says note 3." }), tools });
    expect([output[0].outputs[0].text, output[1].content[0].text]).toEqual(["note 3", "It says note 3."]);
    const described = JSON.stringify((await model.asked()).at(-1));
    expect(described).toContain("crm.search(query: string, limit: integer = ...): Finds customers.");
    expect(described).not.toContain("usual.search");
  });

  test("may call the operator's choice without naming it", async () => {
    const tools = [{ type: "code_interpreter" }];
    const { output } = await ask({ inputs: script({ code: "print(usual.search('Ann', 1)['rows'][0]['name'])" }, { text: "Ann." }), tools });
    expect(output[0].outputs[0].text).toBe("Ann 0");
    expect(JSON.stringify((await model.asked()).at(-1))).toContain("usual.search(");
  });

  test("refuse a label that is unknown, by its path", async () => {
    const { status, json } = await call("/v1/responses", { inputs: "Hello", tools: [{ type: "code_interpreter", mcp_servers: ["crn"] }] });
    expect([status, json.error.param]).toEqual([422, "tools.0.mcp_servers.0"]);
  });
});

test("execute_python of our own MCP server has code call them", async () => {
  const url = new URL(`${apis[0]?.url}/mcp`);
  const mcp = new Client({ name: "test", version: "1" });
  await mcp.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: { authorization: `Bearer ${key}` } } }));
  const { tools } = await mcp.listTools();
  expect(tools.find(({ name }) => name === "execute_python")?.description).toContain("these servers: crm, notes, away, usual.");
  const result = await mcp.callTool({ name: "execute_python", arguments: { code: "print(crm.read_note(3))", mcp_servers: ["crm"] } });
  expect(JSON.stringify(result.content)).toContain("note 3");
  await mcp.close();
});
