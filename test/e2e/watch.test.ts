import { spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCollector, treeOf } from "../support/servers/otlp.ts";
import { client, prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

/** Stand for everything of a caller's that no log and no trace may hold. */
const canary = () => `canary${randomUUID().replaceAll("-", "")}`;
const secrets = {
  code: canary(),
  printed: canary(),
  input: canary(),
  inputName: canary(),
  outputName: canary(),
  metadata: canary(),
  env: canary(),
};
const code = `
import os
print("${secrets.printed}", os.environ["CHOSEN"])
text = open("${secrets.inputName}.txt").read()
open("${secrets.outputName}.txt", "w").write(text)
raise ValueError("${secrets.code}")
`;

let collector: Awaited<ReturnType<typeof startCollector>>;
let world: TestService;
let service: ServiceProcess;
let api: ReturnType<typeof client>;

beforeAll(async () => {
  collector = await startCollector();
  world = await prepareService();
  service = await world.start("all", { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, LOG_LEVEL: "debug" });
  api = client(service.url, await world.key("org_watch"));
});
afterAll(async () => {
  await world.stop();
  await collector.stop();
});

const runIt = (headers?: Record<string, string>) =>
  api.run(
    {
      code,
      files: [{ name: `${secrets.inputName}.txt`, text: secrets.input }],
      env: { CHOSEN: secrets.env },
      metadata: { note: secrets.metadata },
    },
    headers,
  );

describe("one execution", () => {
  const callers = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };

  test("is one trace from the caller's own span to each phase of its sandbox", async () => {
    const { json } = await runIt({ traceparent: `00-${callers.traceId}-${callers.spanId}-01` });
    expect(json).toMatchObject({ status: "failed", cause: "exception", trace_id: callers.traceId });
    const ofTrace = () => collector.spans.filter((span) => span.traceId === callers.traceId);
    await expect.poll(() => ofTrace().length, { timeout: 15_000 }).toBe(9);
    const phases = ["queue", "acquire", "send", "run", "collect", "store"].map((name) => [`execution.${name}`, []]);
    expect(treeOf(ofTrace(), callers.spanId)).toEqual([["POST /v1/executions", [["execution.submit", [["execution", phases]]]]]]);
    const execution = ofTrace().find((span) => span.name === "execution");
    const attributes = Object.fromEntries((execution?.attributes ?? []).map(({ key, value }) => [key, Object.values(value)[0]]));
    expect(attributes).toMatchObject({
      "code_interpreter.execution": json.id,
      "code_interpreter.organization": "org_watch",
      "code_interpreter.status": "failed",
      "code_interpreter.cause": "exception",
    });
  });

  test("has its trace id in an error's body and in the log", async () => {
    const refused = await api.run({ code: 1 }, { traceparent: `00-${callers.traceId}-${callers.spanId}-01` });
    expect([refused.status, refused.json.trace_id]).toEqual([422, callers.traceId]);
    const { json } = await api.run({ code: "1" });
    expect(json.trace_id).toMatch(/^[0-9a-f]{32}$/);
    await expect.poll(() => endLine(json.id)?.trace_id).toBe(json.trace_id);
  });

  test("an invalid traceparent begins a new trace", async () => {
    const { json } = await api.run({ code: "1" }, { traceparent: "00-not-a-trace" });
    expect(json.trace_id).toMatch(/^[0-9a-f]{32}$/);
    expect(json.trace_id).not.toBe(callers.traceId);
  });

  test("is one line of the log with ids, status, cause, phases, engine and image, and no content", async () => {
    const { json } = await runIt();
    await expect.poll(() => endLine(json.id)).toBeDefined();
    expect(endLine(json.id)).toMatchObject({
      organization: "org_watch",
      status: "failed",
      cause: "exception",
      outcome: "ran",
      attempt: 1,
      image: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      usage: {
        engine: json.usage.engine,
        queue_ms: expect.any(Number),
        acquire_ms: expect.any(Number),
        run_ms: expect.any(Number),
        collect_ms: expect.any(Number),
      },
    });
    expect(service.log.filter((line) => line.includes(json.id) && line.includes("execution ended"))).toHaveLength(1);
    expect(JSON.stringify(json)).toContain(secrets.printed);
  });

  test("leaves nothing of its code, output, files or names in log or traces", async () => {
    await expect.poll(() => collector.bodies.length).toBeGreaterThan(0);
    const everything = [...service.log, ...collector.bodies].join("\n");
    for (const [what, secret] of Object.entries(secrets))
      expect({ what, found: everything.includes(secret) }).toEqual({ what, found: false });
  });

  function endLine(id: string) {
    const lines = service.log.filter((line) => line.includes(id)).map((line) => JSON.parse(line) as Record<string, unknown>);
    return lines.find((line) => line.msg === "execution ended");
  }
});

describe("a receipt", () => {
  const cli = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, "bin/code-interpreter.mjs"), ...args], { encoding: "utf8", env: {} });

  test("verifies offline against code and keys, and names the image, runner and seccomp profile", async () => {
    const { json } = await runIt();
    const receipt = await api.get(`/v1/executions/${json.id}/receipt`);
    const keys = await (await fetch(`${service.url}/v1/receipt-keys`)).text();
    const at = (name: string) => join(world.dataFolder, name);
    await writeFile(at("receipt.jws"), receipt.text);
    await writeFile(at("published.json"), keys);
    await writeFile(at("analysis.py"), code);
    await writeFile(at("other.py"), `${code} `);

    const verified = cli("verify", at("receipt.jws"), "--key", at("published.json"), "--code", at("analysis.py"));
    expect(verified.stderr).toContain("genuine");
    expect(verified.status).toBe(0);
    expect(verified.stdout).toContain(`started    ${new Date(Math.round(json.started_at * 1000)).toISOString()}`);
    const image = /image (sha256:[0-9a-f]{64})/.exec(verified.stdout)?.[1];
    expect(image).toBeDefined();
    const folder = join(root, "sandbox-image");
    const names = (await readdir(join(folder, "runner"), { recursive: true })).filter((name) => name.endsWith(".py")).sort();
    const listed = await Promise.all(names.map(async (name) => `${sha256(await readFile(join(folder, "runner", name)))}  ./${name}\n`));
    expect(verified.stdout).toContain(`runner     sha256 ${sha256(listed.join(""))}`);
    expect(verified.stdout).toContain(`seccomp    sha256 ${sha256(await readFile(join(folder, "seccomp.json")))}`);
    const file = `sha256 ${sha256(secrets.input)}  ${secrets.input.length} bytes  `;
    expect(verified.stdout).toContain(`file in    ${file}${secrets.inputName}.txt`);
    expect(verified.stdout).toContain(`file out   ${file}${secrets.outputName}.txt`);

    expect(cli("verify", at("receipt.jws"), "--key", at("published.json"), "--code", at("other.py")).status).toBe(1);
    await writeFile(
      at("forged.jws"),
      receipt.text.replace(/.(?=.{10}$)/, (letter) => (letter === "A" ? "B" : "A")),
    );
    expect(cli("verify", at("forged.jws"), "--key", at("published.json")).status).toBe(1);
  });
});

test("usage of an organization is counted by day", async () => {
  const other = client(service.url, await world.key("org_counted"));
  await other.run({ code: "sum(range(10**6))" });
  await other.run({ code: "1/0", stdin: "abc" });
  const { json } = await other.get("/v1/usage");
  expect(json.total.executions).toMatchObject({ completed: 1, failed: 1 });
  expect(json.total.bytes_in).toBe("sum(range(10**6))".length + "1/0".length + "abc".length);
  expect(json.total.cpu_seconds).toBeGreaterThan(0);
});

test("the queue dashboard works in a browser signed in with a key, within its content policy and without other sites", async ({ skip }) => {
  const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));
  skip(executablePath === undefined, "there is no Chromium here (Debian package chromium)");
  const browser = await chromium.launch({ executablePath: executablePath as string, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  try {
    const context = await browser.newContext({ httpCredentials: { username: "me", password: await world.key("org_watch") } });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("request", (request) => !request.url().startsWith(service.url) && complaints.push(`asked ${request.url()}`));
    await page.goto(`${service.url}/admin/queues`);
    await page.getByText("executions", { exact: true }).first().waitFor({ timeout: 20_000 });
    expect(complaints.filter((text) => !text.startsWith("asked data:"))).toEqual([]);
    expect(service.log.filter((line) => line.includes('"audit":true') && line.includes("queues.opened"))).toHaveLength(1);
  } finally {
    await browser.close();
  }
});
