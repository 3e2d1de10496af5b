import { createMCPClient } from "@ai-sdk/mcp";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runPython } from "../../support/clients/python.ts";
import { prepareService, client as restClient, type ServiceProcess, type TestService } from "../../support/servers/service.ts";

let prepared: TestService;
let service: ServiceProcess;
let key: string;
beforeAll(async () => {
  prepared = await prepareService();
  // Every client has a long run and a run to cancel at the same time as the others.
  service = await prepared.start("all", { WORKER_CONCURRENCY: "20" });
  key = await prepared.key("org_mcp");
});
afterAll(() => prepared.stop());

const TOOLS = ["execute_python", "list_files", "read_file", "upload_file"];
const RAISED = expect.stringMatching(/^before\nTraceback[\s\S]*ZeroDivisionError/);
const asExpected = (progress: boolean, { raises = true, asksAlways = false } = {}) => ({
  tools: TOOLS,
  printed: [["42"], [], false],
  image: [[], [expect.any(Number)], false],
  session: "42",
  error: [[RAISED], [], raises],
  // An image of 3 MB, with progress and without. In an event it is a link, as clients in Python refuse one above 1 MiB.
  large: [progress || asksAlways ? [] : [expect.any(Number)], asksAlways ? [] : [expect.any(Number)]],
  long: [["begun\nended"], progress, false],
  cancelled: "cancelled",
});

/** The first imports of a new virtual environment take a minute on a busy machine. */
const PYTHON_MS = 300_000;

describe.concurrent("tools, text, images, a session, an error, 20 silent seconds and a cancel work with", () => {
  test("mcp, fastmcp, openai-agents, pydantic-ai and agent-framework in Python", { timeout: PYTHON_MS }, async () => {
    const clients = ["mcp", "fastmcp", "agents", "pydantic_ai", "agent_framework"];
    // The last three show no progress.
    expect(await runPython("mcp_clients.py", { url: service.url, key }, { clients })).toEqual({
      mcp: asExpected(true),
      fastmcp: asExpected(true, { asksAlways: true }),
      agents: asExpected(false),
      pydantic_ai: asExpected(false, { asksAlways: true }),
      agent_framework: asExpected(false),
    });
  });

  test("release 1 of the official JavaScript client", async () => {
    const client = new Client({ name: "test", version: "1" });
    const transport = new StreamableHTTPClientTransport(new URL(`${service.url}/mcp`), { requestInit: { headers: headers() } });
    // Its own types disagree with exactOptionalPropertyTypes.
    await client.connect(transport as unknown as Transport);
    const tools = (await client.listTools()).tools.map((tool) => tool.name);
    const seen = await drive("sdk 1", tools, (args, { progress, signal }) =>
      client.callTool({ name: "execute_python", arguments: args }, undefined, {
        signal,
        ...(progress === undefined ? {} : { onprogress: ({ message = "" }) => progress(message) }),
      }),
    );
    await client.close();
    expect(seen).toEqual(asExpected(true));
  });

  test("the AI SDK of Vercel", async () => {
    const client = await createMCPClient({ transport: { type: "http", url: `${service.url}/mcp`, headers: headers() } });
    const tools = (await client.listTools()).tools.map((tool) => tool.name);
    const seen = await drive("ai", tools, (args, { signal }) =>
      client.callTool({ name: "execute_python", arguments: args, options: { signal } }),
    );
    await client.close();
    expect(seen).toEqual(asExpected(false));
  });
});

// Not beside the others in Python: their imports compete for the processors.
test("they work with langchain-mcp-adapters, and release 1 of mcp, in Python", { timeout: PYTHON_MS }, async () => {
  const clients = ["langchain", "mcp_1"];
  expect(await runPython("mcp_clients.py", { url: service.url, key }, { clients }, "clients-behind")).toEqual({
    langchain: asExpected(true, { raises: false, asksAlways: true }),
    mcp_1: asExpected(true),
  });
});

const headers = () => ({ authorization: `Bearer ${key}` });

interface CallOptions {
  progress: ((text: string) => void) | undefined;
  signal: AbortSignal;
}
type Call = (args: Record<string, unknown>, options: CallOptions) => Promise<Record<string, unknown>>;

/** The same as `drive` of mcp_clients.py. */
async function drive(name: string, tools: string[], call: Call) {
  const run = async (args: Record<string, unknown>, progress?: (text: string) => void, signal = new AbortController().signal) => {
    const { content, isError = false } = await call(args, { progress, signal });
    const blocks = content as Array<{ type: string; text: string; data: string }>;
    const texts = blocks.filter((block) => block.type === "text").map((block) => block.text);
    const images = blocks.filter((block) => block.type === "image").map((block) => Buffer.from(block.data, "base64").length);
    return [texts, images, isError] as const;
  };
  const long = async () => {
    let notes = "";
    const code = "import time\nprint('begun', flush=True)\ntime.sleep(20)\nprint('ended')";
    const [texts, , failed] = await run({ code, timeout_ms: 25_000 }, (text) => (notes += text));
    return [texts, notes.includes("begun"), failed];
  };
  const cancelled = async () => {
    const marker = `# cancelled by ${name}`;
    const stop = new AbortController();
    const ended = run({ code: `import time ${marker}\ntime.sleep(24)`, timeout_ms: 25_000 }, undefined, stop.signal).catch(() => {});
    await expect.poll(() => statusOf(marker), { timeout: 20_000 }).toBe("in_progress");
    stop.abort();
    await ended;
    await expect.poll(() => statusOf(marker), { timeout: 20_000 }).toBe("cancelled");
    return "cancelled";
  };
  const short = async () => {
    const opened = await run({ code: "x = 41\nprint('set')", session: "new" });
    const session = /cntr_[0-9a-z]{24}/.exec(opened[0].join())?.[0];
    const noise = "from PIL import Image\nimport os\nImage.frombytes('RGB', (1_000, 1_000), os.urandom(3_000_000))";
    return {
      printed: await run({ code: "print(6 * 7)" }),
      image: await run({ code: "from PIL import Image\nImage.new('RGB', (9, 9))" }),
      session: (await run({ code: "print(x + 1)", session }))[0][0]?.split("\n")[0],
      error: await run({ code: "print('before')\n1/0" }),
      large: [(await run({ code: noise }, () => {}))[1], (await run({ code: noise }))[1]],
    };
  };
  const [answers, silent, stopped] = await Promise.all([short(), long(), cancelled()]);
  return { tools: tools.sort(), long: silent, cancelled: stopped, ...answers };
}

async function statusOf(marker: string): Promise<string | undefined> {
  const { json } = await restClient(service.url, key).get("/v1/executions?limit=50");
  return json.data.find((one: { code: string }) => one.code.includes(marker))?.status;
}
