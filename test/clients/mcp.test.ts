import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { prepareService, client as restClient, type ServiceProcess, type TestService } from "../support/servers/service.ts";

const launcher = fileURLToPath(new URL("../../bin/code-interpreter.mjs", import.meta.url));
const example = fileURLToPath(new URL("../../examples/mcp-client/client.mjs", import.meta.url));

let prepared: TestService;
let service: ServiceProcess;
let key: string;
const opened: Client[] = [];

beforeAll(async () => {
  prepared = await prepareService();
  service = await prepared.start("all");
  key = await prepared.key("org_mcp");
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});
afterAll(async () => {
  await prepared.stop();
});

const transports = {
  "streamable HTTP": () =>
    new StreamableHTTPClientTransport(new URL(`${service.url}/mcp`), { requestInit: { headers: { authorization: `Bearer ${key}` } } }),
  stdio: () =>
    new StdioClientTransport({
      command: process.execPath,
      args: [launcher, "mcp"],
      env: { PATH: process.env.PATH ?? "", CODE_INTERPRETER_URL: service.url, CODE_INTERPRETER_KEY: key },
    }),
};
const ways = (Object.keys(transports) as Array<keyof typeof transports>).flatMap((transport) =>
  (["2025", "2026-07-28"] as const).map((protocol) => ({ transport, protocol })),
);

type Blocks = Array<{ type: string; text: string; mimeType: string; data: string; uri: string; name: string }>;

describe.each(ways)("$transport, protocol $protocol", ({ transport, protocol }) => {
  async function connect() {
    const mode = protocol === "2025" ? "legacy" : { pin: protocol };
    const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
    await client.connect(transports[transport]());
    opened.push(client);
    const run = async (args: Record<string, unknown>) => {
      const result = await client.callTool({ name: "execute_python", arguments: args });
      const content = result.content as unknown as Blocks;
      return { content, failed: result.isError ?? false, text: content.find((block) => block.type === "text")?.text ?? "" };
    };
    return { client, run };
  }

  test("lists the tools and runs the compound interest example", async () => {
    const { client, run } = await connect();
    expect((await client.listTools()).tools.map((tool) => tool.name)).toContain("execute_python");
    const { text, failed } = await run({ code: 'print(f"${10_000 * 1.07 ** 20:,.2f}")' });
    expect({ text, failed }).toEqual({ text: "$38,696.84", failed: false });
  });

  test("returns figures as images, tables as text, files as working links", async () => {
    const { client, run } = await connect();
    const { content } = await run({
      code: [
        "import pandas as pd, matplotlib.pyplot as plt",
        "frame = pd.read_csv('in.csv')",
        "plt.plot(frame.x, frame.y)",
        "frame.to_csv('out.csv', index=False)",
        "frame",
      ].join("\n"),
      files: [{ name: "in.csv", text: "x,y\n1,2\n3,4\n" }],
    });
    const image = content.find((block) => block.type === "image");
    expect(
      Buffer.from(image?.data ?? "", "base64")
        .subarray(1, 4)
        .toString(),
    ).toBe("PNG");
    expect(content.map((block) => block.text).join("\n")).toContain("| 3 | 4 |");
    const link = content.find((block) => block.type === "resource_link");
    expect(link).toMatchObject({ name: "out.csv", mimeType: "text/csv" });
    expect((await client.readResource({ uri: link?.uri ?? "" })).contents).toMatchObject([{ text: "x,y\n1,2\n3,4\n" }]);
  });

  test("an exception and a time limit are errors that keep what was printed", async () => {
    const { run } = await connect();
    const raised = await run({ code: "print('before')\n1/0" });
    expect(raised).toMatchObject({ failed: true, text: expect.stringMatching(/^before\n[\s\S]*ZeroDivisionError/) });
    const late = await run({ code: "print('before', flush=True)\nwhile True: pass", timeout_ms: 500 });
    expect(late).toMatchObject({ failed: true, text: expect.stringMatching(/^before\nStopped: the time limit of 0\.5 s/) });
  });

  test("variables and files persist in a session and nowhere else", async () => {
    const { client, run } = await connect();
    const first = await run({ code: "x = 41\nopen('kept.txt', 'w').write('kept')\nprint(x)", session: "new" });
    const session = /cntr_[0-9a-z]{24}/.exec(JSON.stringify(first.content))?.[0] ?? "";
    expect((await run({ code: "x += 1\nprint(x, open('kept.txt').read())", session })).text).toMatch(/^42 kept/);
    expect(await run({ code: "x" })).toMatchObject({ failed: true, text: expect.stringContaining("NameError") });
    const listed = await client.callTool({ name: "list_files", arguments: { session } });
    expect(JSON.stringify(listed)).toContain("kept.txt");
    const read = await client.callTool({ name: "read_file", arguments: { session, path: "kept.txt" } });
    expect(read.content).toEqual([{ type: "text", text: "kept" }]);
    const gone = await run({ code: "1", session: `cntr_${"0".repeat(24)}` });
    expect(gone).toMatchObject({ failed: true, text: expect.stringContaining("container_not_found") });
  });

  test("reports progress while code prints, and a cancelled call stops the code", async () => {
    const { client } = await connect();
    const stop = new AbortController();
    let log = "";
    const call = client.callTool(
      { name: "execute_python", arguments: { code: "import time\nprint('first', flush=True)\ntime.sleep(25)" } },
      {
        signal: stop.signal,
        onprogress: ({ message = "" }) => {
          log += message;
          if (log.includes("first")) stop.abort();
        },
      },
    );
    await expect(call).rejects.toThrow();
    const rest = restClient(service.url, key);
    await expect.poll(async () => (await rest.get("/v1/executions?limit=1")).json.data[0].status, { timeout: 10_000 }).toBe("cancelled");
    const [last] = (await rest.get("/v1/executions?limit=1")).json.data;
    expect(last.outputs[0]).toMatchObject({ type: "text", text: "first\n" });
  });
});

test("the example prints the result", async () => {
  const env = { ...process.env, CODE_INTERPRETER_URL: service.url, CODE_INTERPRETER_KEY: key };
  const { stdout } = await promisify(execFile)(process.execPath, [example], { env });
  expect(stdout).toBe("$38,696.84\n");
});

test("stdio reports in one sentence that no service answers or that the key is wrong", async () => {
  const connectWith = (env: Record<string, string>) =>
    new Client({ name: "test", version: "1" }).connect(
      new StdioClientTransport({ command: process.execPath, args: [launcher, "mcp"], env: { PATH: process.env.PATH ?? "", ...env } }),
    );
  await expect(connectWith({ CODE_INTERPRETER_URL: "http://127.0.0.1:9", CODE_INTERPRETER_KEY: key })).rejects.toThrow(
    /No service answers/,
  );
  await expect(connectWith({ CODE_INTERPRETER_URL: service.url, CODE_INTERPRETER_KEY: "wrong" })).rejects.toThrow(/refuses \(401\)/);
});

test("a message that is too large is refused over stdio, and the connection stays open", async () => {
  const client = new Client({ name: "test", version: "1" });
  opened.push(client);
  await client.connect(transports.stdio());
  const arguments_ = { name: "big.bin", base64: Buffer.alloc(14 * 1024 * 1024).toString("base64") };
  await expect(client.callTool({ name: "upload_file", arguments: arguments_ })).rejects.toThrow(/refuses \(413\): .*16777216 bytes/);
  expect((await client.listTools()).tools.length).toBeGreaterThan(0);
});
