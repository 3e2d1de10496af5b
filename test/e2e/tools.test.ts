import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectMatchesOpenApi } from "../support/checks/openapi.ts";
import { type ModelServer, script, startModelServer } from "../support/servers/model-server.ts";
import { client, type Json, prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

/** Two api processes: any of them takes the answers to a program's calls. */
const env = { POOL_SIZE_MIN: "1", POOL_SIZE_MAX: "1", WORKER_MEMORY_MB: "4096", WEBHOOK_ALLOW_PRIVATE: "true" };
let service: TestService;
let apis: ServiceProcess[];
let key: string;
let model: ModelServer;
beforeAll(async () => {
  service = await prepareService();
  model = await startModelServer();
  const ofApi = { ...env, MODEL_BASE_URL: model.baseUrl, MODEL_DEFAULT: "scripted" };
  [apis] = await Promise.all([Promise.all([service.start("api", ofApi), service.start("api", ofApi)]), service.start("worker", env)]);
  key = await service.key("org_tools");
});
afterAll(async () => {
  await service.stop();
  await model.stop();
});

const tools = [
  {
    type: "function",
    name: "fetch_order",
    description: "One order.",
    parameters: { type: "object", properties: { order_id: { type: "integer" } }, required: ["order_id"] },
  },
];
const price = {
  type: "function",
  name: "price",
  parameters: { type: "object", properties: { sku: { type: "string" } }, required: ["sku"] },
};
let turn = 0;

/** One call, checked against the API document, at another api process in turn. */
async function call(path: string, body: unknown, headers: Record<string, string> = {}): Promise<{ status: number; json: Json }> {
  const api = apis[turn++ % apis.length] as ServiceProcess;
  const answer = await client(api.url, key).call("POST", path, body, headers);
  const template = path.replace(/ci_[0-9a-z]{24}/, "{id}");
  expectMatchesOpenApi("POST", template, answer.status, answer.headers.get("content-type"), answer.json);
  return answer;
}
const run = (code: string, more: object = {}) => call("/v1/executions", { code, tools, ...more });
const answer = (id: string, outputs: object[], headers?: Record<string, string>) =>
  call(`/v1/executions/${id}/tool_outputs`, { outputs }, headers);
const textOf = (execution: Json) => execution.outputs.map((output: Json) => output.text ?? output.name).join("");

describe("turns", () => {
  test("a program's calls wait for their answers, and it goes on with them", async () => {
    const first = await run("print('a')\nprint(fetch_order(7)['total'])\nprint(fetch_order(order_id=8)['total'])");
    expect([first.status, first.json.status]).toEqual([200, "requires_action"]);
    expect(first.json.pending_calls).toEqual([
      { call_id: expect.stringMatching(/^call_/), name: "fetch_order", arguments: { order_id: 7 } },
    ]);
    const second = await answer(first.json.id, [{ call_id: first.json.pending_calls[0].call_id, output: { total: 12.5 } }]);
    expect(second.json.pending_calls[0].arguments).toEqual({ order_id: 8 });
    const third = await answer(first.json.id, [{ call_id: second.json.pending_calls[0].call_id, output: { total: 3 } }]);
    expect([third.status, third.json.status, textOf(third.json)]).toEqual([200, "completed", "a\n12.5\n3\n"]);
    expect(third.json.tool_calls.map((made: Json) => [made.name, made.outcome])).toEqual([
      ["fetch_order", "output"],
      ["fetch_order", "output"],
    ]);
    expect(third.json.retry_safe).toBe(false);
    expect(JSON.stringify(third.json.tool_calls)).not.toContain("order_id");
  });

  test("calls of threads wait side by side, and some may be answered before others", async () => {
    const code =
      "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(3) as pool: print(list(pool.map(fetch_order, [1, 2, 3])))";
    let state = (await run(code)).json;
    for (let seen = 0; state.status === "requires_action" && seen < 10; seen++) {
      const [one] = state.pending_calls;
      state = (await answer(state.id, [{ call_id: one.call_id, output: one.arguments.order_id * 10 }])).json;
    }
    expect([state.status, textOf(state)]).toEqual(["completed", "[10, 20, 30]\n"]);
  });

  test("an error raises ToolError, an unanswered call ToolTimeout", async () => {
    const code =
      "try: fetch_order(1)\nexcept ToolError as e: print('error', e)\n" +
      "try: fetch_order(2)\nexcept ToolTimeout as e: print('timeout')\nprint('end')";
    const first = (await run(code, { tool_timeout_ms: 1500 })).json;
    const [one] = first.pending_calls;
    const second = (await answer(first.id, [{ call_id: one.call_id, error: "no such order" }])).json;
    const late = second.pending_calls[0].call_id;
    const ended = await client(apis[0]?.url ?? "", key).call("GET", `/v1/executions/${first.id}/events`);
    expect(ended.text).toContain('"outcome":"timeout"');
    const state = await client(apis[0]?.url ?? "", key).get(`/v1/executions/${first.id}`);
    expect([state.json.status, textOf(state.json)]).toEqual(["completed", "error no such order\ntimeout\nend\n"]);
    expect((await answer(first.id, [{ call_id: late, output: 1 }])).status).toBe(409);
  });

  test("an answer is taken again, another one is not, and an unknown call is named", async () => {
    const first = (await run("fetch_order(1); fetch_order(2)")).json;
    const call_id = first.pending_calls[0].call_id;
    const again = { prefer: "respond-async" };
    expect((await answer(first.id, [{ call_id, output: 1 }], again)).status).toBeLessThan(203);
    expect((await answer(first.id, [{ call_id, output: 1 }], again)).status).toBeLessThan(203);
    const other = await answer(first.id, [{ call_id, output: 2 }]);
    expect([other.status, other.json.code, other.json.error.param]).toEqual([409, "tool_call_not_waiting", "outputs.0.call_id"]);
    const unknown = await answer(first.id, [{ call_id: "call_000000000000000000000000", output: 2 }]);
    expect([unknown.status, unknown.json.code]).toEqual([409, "tool_call_not_waiting"]);
    const cancelled = await call(`/v1/executions/${first.id}/cancel`, {});
    expect(cancelled.json.status).toBe("cancelled");
    expect((await answer(first.id, [{ call_id, output: 1 }])).status).toBe(409);
  });

  test("another organization sees and answers nothing", async () => {
    const first = (await run("fetch_order(1)")).json;
    const other = client(apis[0]?.url ?? "", await service.key("org_other"));
    const outputs = [{ call_id: first.pending_calls[0].call_id, output: 1 }];
    expect((await other.call("POST", `/v1/executions/${first.id}/tool_outputs`, { outputs })).status).toBe(404);
    expect((await answer(first.id, outputs)).json.status).toBe("completed");
  });

  test("a cell of a session calls the tools of its own request", async () => {
    const made = await client(apis[0]?.url ?? "", key).call("POST", "/v1/containers", {});
    const container = made.json.id as string;
    const first = (await run("x = fetch_order(1)", { container })).json;
    const ended = (await answer(first.id, [{ call_id: first.pending_calls[0].call_id, output: 42 }])).json;
    expect(ended.status).toBe("completed");
    const next = await call("/v1/executions", { code: "print(x, 'fetch_order' in globals())", container });
    expect(textOf(next.json)).toBe("42 False\n");
  });

  test("the stream shows calls and answers in the order of the outputs, and can be resumed", async () => {
    const started = await call("/v1/executions", { code: "print(1)\nfetch_order(7)\nprint(2)", tools }, { prefer: "wait=10" });
    const { call_id } = started.json.pending_calls[0];
    const reading = client(apis[1]?.url ?? "", key).call("GET", `/v1/executions/${started.json.id}/events`);
    await answer(started.json.id, [{ call_id, output: null }]);
    const events = [...(await reading).text.matchAll(/^event: (.*)$/gm)].map((match) => match[1]);
    expect(events).toEqual([
      "execution.started",
      "execution.output",
      "execution.tool_call",
      "execution.tool_output",
      "execution.output",
      "execution.ended",
    ]);
  });

  test.each([
    [{ tools: [{ type: "function", name: "class" }] }, "tools.0.name"],
    [{ tools: [{ type: "function", name: "a-b" }] }, "tools.0.name"],
    [{ tools: [tools[0], tools[0]] }, "tools"],
    [{ tools_url: "http://127.0.0.1:1/", tools_secret: "0123456789abcdef", tools: undefined }, "tools_url"],
    [{ tools_url: "http://127.0.0.1:1/" }, "tools_secret"],
    [{ tool_timeout_ms: 600_001 }, "tool_timeout_ms"],
  ])("%j is refused by name", async (more, param) => {
    const refused = await run("1", more);
    expect([refused.status, refused.json.error.param]).toEqual([422, param]);
  });
});

test("a response's code calls functions, and the next response goes on with the same program at another api process", async () => {
  const tools = [{ type: "code_interpreter" }, { ...price, allowed_callers: ["programmatic"] }];
  const code = "known = 40\nprint(known + price(sku='a'))";
  const ask = async (body: object) => (await call("/v1/responses", { ...body, tools })).json;
  const first = await ask({ inputs: script({ code }, { text: "It is 42." }) });
  const [, { call_id, name, caller }] = first.output;
  expect([name, caller.type]).toEqual(["price", "program"]);
  const second = await ask({ inputs: [{ type: "function_call_output", call_id, output: "2" }], previous_response_id: first.id });
  const [program, answer] = second.output;
  expect([program.status, program.outputs[0].text, answer.content[0].text]).toEqual(["completed", "42", "It is 42."]);
});

test("the example of budgets finds who spent too much, in one program", async () => {
  const child = spawn(process.execPath, [fileURLToPath(new URL("../../examples/budgets-client/budgets.mjs", import.meta.url))], {
    env: { PATH: process.env.PATH, CODE_INTERPRETER_URL: apis[0]?.url, CODE_INTERPRETER_KEY: key },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  for await (const chunk of child.stdout) printed += chunk;
  const lines = printed.trimEnd().split("\n");
  expect(lines.slice(0, -2)).toEqual(overBudget());
  const counts = (line = "") => [...line.matchAll(/\d+/g)].map(Number);
  const [[calls, turns, context = 0, read = 0], [, fewTurns, less = 0, lessRead = 0]] = [counts(lines.at(-2)), counts(lines.at(-1))];
  expect([calls, turns, fewTurns]).toEqual([21, 22, 2]);
  expect(context).toBeGreaterThan(50 * less);
  expect(read).toBeGreaterThan(500 * lessRead);
});

/** The result, computed here. */
function overBudget(): string[] {
  return Array.from({ length: 20 }, (_, at) => {
    const spent = Array.from({ length: 100 }, (_, line) => 20 + (((line * 20 + at) * 37) % 80)).reduce((sum, one) => sum + one, 0);
    const budget = 5_000 + 100 * at;
    return spent > budget ? [`employee ${at + 1}: ${spent - budget} over ${budget}`] : [];
  }).flat();
}

describe("callback", () => {
  const secret = "0123456789abcdef0123";

  async function serve(listener: RequestListener): Promise<{ tools_url: string; tools_secret: string; close(): void }> {
    const server = createServer(listener).listen(0, "127.0.0.1");
    await once(server, "listening");
    const close = () => {
      server.close();
      server.closeAllConnections();
    };
    return { tools_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/tools`, tools_secret: secret, close };
  }
  async function bodyOf(request: IncomingMessage): Promise<string> {
    let body = "";
    for await (const chunk of request) body += chunk;
    return body;
  }

  test("each call is one signed request, and the result one answer", async () => {
    const seen: Json[] = [];
    const { close, ...at } = await serve(async (request, response) => {
      const body = await bodyOf(request);
      const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signature } = request.headers;
      expect(signature).toBe(`v1,${createHmac("sha256", secret).update(`${id}.${time}.${body}`).digest("base64")}`);
      const parsed = JSON.parse(body);
      seen.push(parsed);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ output: { total: parsed.arguments.order_id * 2 } }));
    });
    const { json } = await run("print(sum(fetch_order(i)['total'] for i in range(20)))", at);
    close();
    expect([json.status, textOf(json), json.tool_calls.length]).toEqual(["completed", "380\n", 20]);
    expect(seen[3]).toEqual({
      type: "tool_call",
      execution_id: json.id,
      call_id: json.tool_calls[3].call_id,
      name: "fetch_order",
      arguments: { order_id: 3 },
    });
  });

  test.each([
    ["error", (response: Parameters<RequestListener>[1]) => response.end('{"error":"closed"}'), "closed"],
    [
      "status",
      (response: Parameters<RequestListener>[1]) => response.writeHead(500).end("secret text"),
      "fetch_order(): its server answered 500",
    ],
    [
      "redirect",
      (response: Parameters<RequestListener>[1]) => response.writeHead(307, { location: "/x" }).end(),
      "fetch_order(): its server answered 307",
    ],
    [
      "garbage",
      (response: Parameters<RequestListener>[1]) => response.end("<html>"),
      'fetch_order(): its answer is not {"output": …} or {"error": "…"}',
    ],
    [
      "endless",
      (response: Parameters<RequestListener>[1]) => {
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(65536, 32))) {}
        };
        response.on("drain", more);
        more();
      },
      "fetch_order(): its answer is not whole, or has more than 1048576 bytes",
    ],
    [
      "cut",
      (response: Parameters<RequestListener>[1]) => void response.write('{"output":', () => response.destroy()),
      "fetch_order(): its answer is not whole, or has more than 1048576 bytes",
    ],
  ])("a server's %s becomes a ToolError that the code can catch", async (_name, respond, message) => {
    const { close, ...at } = await serve((_request, response) => void respond(response));
    const { json } = await run("try: fetch_order(1)\nexcept ToolError as e: print(e)", at);
    close();
    expect([json.status, textOf(json)]).toEqual(["completed", `${message}\n`]);
  });

  test("a server that does not answer in time is a ToolTimeout", async () => {
    const { close, ...at } = await serve(() => undefined);
    const { json } = await run("try: fetch_order(1)\nexcept ToolTimeout as e: print('late')", { ...at, tool_timeout_ms: 400 });
    close();
    expect([json.status, textOf(json), json.tool_calls[0].outcome]).toEqual(["completed", "late\n", "timeout"]);
    // The server has the call, and may have done what it asks for.
    expect(json.retry_safe).toBe(false);
  });

  test("arguments that the sandbox did not check are checked outside", async () => {
    let reached = 0;
    const { close, ...at } = await serve((_request, response) => {
      reached += 1;
      response.end('{"output":1}');
    });
    const forged =
      "import os, json, struct\n" +
      "def send(call, body):\n" +
      "    head = json.dumps({'call': call, 'name': 'fetch_order'}).encode()\n" +
      "    os.write(fd, struct.pack('>BII', 0x4e, len(head), len(body)) + head + body)\n" +
      "    size = struct.unpack('>BII', os.read(fd, 9))\n" +
      "    print(os.read(fd, size[1] + size[2]).decode())\n" +
      "fd = 4\n" +
      'send(1, b\'{"order_id": "x"}\')\nsend(2, b"[]")\nsend(3, b"{")';
    const { json } = await run(forged, at);
    close();
    expect([reached, json.retry_safe]).toEqual([0, true]);
    expect(textOf(json)).toContain("the arguments do not match the schema: order_id must be integer");
    expect(textOf(json)).toContain("the arguments are not a JSON object");
  });
});
