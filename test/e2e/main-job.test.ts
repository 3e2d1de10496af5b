import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectMatchesOpenApi } from "../support/checks/openapi.ts";
import { engineName } from "../support/sandboxes/engine.ts";
import { client, type Json, prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

let world: TestService;
let service: ServiceProcess;
let a: ReturnType<typeof client>;
let b: ReturnType<typeof client>;

beforeAll(async () => {
  world = await prepareService();
  const keys = [await world.key("org_a"), await world.key("org_b")] as const;
  service = await world.start("all", { WEBHOOK_ALLOW_PRIVATE: "true" });
  a = client(service.url, keys[0]);
  b = client(service.url, keys[1]);
});
afterAll(() => world.stop());

const ran = (answer: Awaited<ReturnType<typeof a.run>>) => {
  expectMatchesOpenApi("POST", "/v1/executions", answer.status, answer.headers.get("content-type"), answer.json);
  expect(answer.status).toBe(200);
  return answer.json;
};
/** What the code printed, without its final newline. */
const textOf = (execution: Json, stream = "stdout") =>
  execution.outputs
    .filter((output: Json) => output.type === "text" && output.stream === stream)
    .map((output: Json) => output.text)
    .join("")
    .replace(/\n$/, "");

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** SHA-256 of a body of which nothing is read until the connection holds no more of it. */
async function readSlowly(url: string, headers: Record<string, string>): Promise<string> {
  const [response] = (await once(get(url, { headers }), "response")) as [IncomingMessage];
  const { socket } = response;
  for (let before = -1; before < socket.bytesRead; await new Promise((resolve) => setTimeout(resolve, 200))) before = socket.bytesRead;
  const hash = createHash("sha256");
  for await (const chunk of response) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

describe("an execution", () => {
  test("computes the compound-interest example", async () => {
    const code = 'principal, rate, years = 10_000, 0.07, 20\nprint(f"${principal * (1 + rate) ** years:,.2f}")';
    const execution = ran(await a.run({ code }));
    expect(execution.outputs).toEqual([{ type: "text", stream: "stdout", text: "$38,696.84\n" }]);
    expect(execution).toMatchObject({ status: "completed", cause: null, outcome: "ran", retry_safe: true, attempt: 1, code });
    expect(execution.usage.engine).toBe(engineName);
  });

  test("receives files, arguments, environment and stdin, and returns files", async () => {
    const uploaded = new FormData();
    uploaded.set("file", new Blob(["x,y\n1,2\n3,4\n"]), "données.csv");
    uploaded.set("purpose", "user_data");
    const file = await fetch(`${service.url}/v1/files`, {
      method: "POST",
      headers: { authorization: `Bearer ${await world.key("org_a")}` },
      body: uploaded,
    });
    expect(file.status).toBe(200);
    const { id } = (await file.json()) as { id: string };
    const code = `
import os, sys
print(sys.argv[1:], os.environ["REGION"], input())
rows = open("data/in.csv").read().split()
open("total.txt", "w").write(str(sum(int(row.split(",")[1]) for row in rows[1:])))
open("data/in.csv", "a").write("5,6\\n")
open("untouched.txt").read()`;
    const execution = ran(
      await a.run({
        code,
        args: ["--all"],
        env: { REGION: "eu" },
        stdin: "from stdin\n",
        files: [
          { name: "data/in.csv", file_id: id },
          { name: "untouched.txt", text: "same" },
        ],
      }),
    );
    expect(textOf(execution)).toBe("['--all'] eu from stdin");
    const files = execution.outputs.filter((output: Json) => output.type === "file");
    expect(files.map((output: Json) => [output.name, output.change])).toEqual([
      ["data/in.csv", "modified"],
      ["total.txt", "created"],
    ]);
    expect((await a.get(files[1].url)).text).toBe("6");
    expect((await b.get(files[1].url)).status).toBe(404);
  });

  test("receives and returns large files byte for byte, also to a slow reader", async () => {
    const bytes = randomBytes(9_000_001);
    const uploaded = new FormData();
    uploaded.set("file", new Blob([bytes]), "in.bin");
    const headers = { authorization: `Bearer ${await world.key("org_a")}` };
    const { id } = (await (await fetch(`${service.url}/v1/files`, { method: "POST", headers, body: uploaded })).json()) as { id: string };
    const code = `
import hashlib
data = open("in.bin", "rb").read()
print(hashlib.sha256(data).hexdigest())
open("out.bin", "wb").write(data[::-1])`;
    const execution = ran(await a.run({ code, files: [{ name: "in.bin", file_id: id }] }));
    expect(textOf(execution)).toBe(sha256(bytes));
    const [out] = execution.outputs.filter((output: Json) => output.type === "file");
    const expected = sha256(Buffer.from(bytes).reverse());
    expect(out).toMatchObject({ bytes: bytes.length, sha256: expected });
    expect(await readSlowly(`${service.url}${out.url}`, headers)).toBe(expected);
  });

  test("returns displays as typed outputs, in order", async () => {
    const code = `
import pandas as pd, matplotlib.pyplot as plt
print("first")
plt.bar(["a", "b"], [1, 2]); plt.title("sums"); plt.show()
display({"not": "json"})
pd.DataFrame({"n": [1, 2], "when": pd.to_datetime(["2026-01-01", None])})`;
    const execution = ran(await a.run({ code }));
    expect(execution.status).toBe("completed");
    const types = execution.outputs.map((output: Json) => output.type);
    expect(types.slice(0, 3)).toEqual(["text", "image", "chart"]);
    expect(types.at(-1)).toBe("table");
    const image = execution.outputs[1];
    const png = Buffer.from(
      await (await fetch(service.url + image.url, { headers: { authorization: `Bearer ${await world.key("org_a")}` } })).arrayBuffer(),
    );
    expect(png.subarray(1, 4).toString()).toBe("PNG");
    expect(execution.outputs[2]).toMatchObject({ kind: "bar", title: "sums", series: [{ x: ["a", "b"], y: [1, 2] }] });
    expect(execution.outputs.at(-1)).toMatchObject({ row_count: 2, role: "result", truncated: false });
  });

  test.each([
    ["an exception", "print('before')\n1/0", "failed", "exception"],
    ["an exit code", "print('before')\nimport sys; sys.exit(3)", "failed", "exit"],
    ["a signal", "print('before', flush=True)\nimport os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "failed", "signal"],
    ["the time limit", "print('before')\nwhile True: pass", "incomplete", "timeout"],
    ["the memory limit", "print('before', flush=True)\nx = b'x' * (1 << 30)", "incomplete", "memory"],
    ["the working folder's limit", "print('before')\nopen('f','wb').write(b'x' * (130 << 20))", "incomplete", "disk"],
  ])("that ends with %s is a result, with what it printed before", async (_, code, status, cause) => {
    const execution = ran(await a.run({ code, timeout_ms: 3_000 }));
    expect(execution).toMatchObject({ status, cause });
    expect(textOf(execution)).toBe("before");
  });

  test("streams its text while it runs, and again from any event on", async () => {
    const key = await world.key("org_a");
    const code = "import time\nfor i in range(3):\n    print(i, flush=True)\n    time.sleep(0.3)";
    const response = await fetch(`${service.url}/v1/executions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ code }),
    });
    const seen: Array<{ at: number; event: string }> = [];
    let text = "";
    for await (const chunk of response.body as ReadableStream<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      for (const [, event] of Buffer.from(chunk)
        .toString()
        .matchAll(/^event: (.+)$/gm))
        seen.push({ at: performance.now(), event: event as string });
    }
    expect(seen.map(({ event }) => event)).toEqual([
      "execution.started",
      "execution.output",
      "execution.output",
      "execution.output",
      "execution.ended",
    ]);
    expect(seen.at(-1)!.at - seen[1]!.at).toBeGreaterThan(500);
    const ended = JSON.parse(text.match(/^data: (.*execution\.ended.*)$/m)![1]!) as { execution: { id: string } };
    const secondId = [...text.matchAll(/^id: (.+)$/gm)][2]![1] as string;
    const rest = await a.call("GET", `/v1/executions/${ended.execution.id}/events`, undefined, { "last-event-id": secondId });
    expect([...rest.text.matchAll(/^event: (.+)$/gm)].map((m) => m[1])).toEqual(["execution.output", "execution.ended"]);
  });

  test("can be cancelled while it runs, which removes its container", async () => {
    const accepted = await a.run(
      { code: "print('working', flush=True)\nopen('kept.txt','w').write('x')\nimport time; time.sleep(60)" },
      { prefer: "respond-async" },
    );
    expect(accepted.status).toBe(202);
    const path = accepted.headers.get("location") as string;
    const stream = await fetch(`${service.url}${path}/events`, { headers: { authorization: `Bearer ${await world.key("org_a")}` } });
    for await (const chunk of stream.body as ReadableStream<Uint8Array>) if (Buffer.from(chunk).includes("working")) break;
    expect((await b.call("POST", `${path}/cancel`)).status).toBe(404);
    const cancelled = await a.call("POST", `${path}/cancel`);
    expect(cancelled.json).toMatchObject({ status: "cancelled", cause: "cancelled" });
    expect(textOf(cancelled.json)).toBe("working");
    expect(cancelled.json.outputs.some((output: Json) => output.name === "kept.txt")).toBe(true);
  });

  test("runs once for one idempotency key", async () => {
    const body = { code: "import os; print(os.urandom(8).hex())" };
    const first = await a.run(body, { "idempotency-key": "once" });
    const again = await a.run(body, { "idempotency-key": "once" });
    expect(again.json.outputs).toEqual(first.json.outputs);
    expect((await a.run({ code: "print(2)" }, { "idempotency-key": "once" })).status).toBe(422);
    expect((await b.run(body, { "idempotency-key": "once" })).json.outputs).not.toEqual(first.json.outputs);
  });

  test("is invisible to another organization: get, events, cancel and delete return 404", async () => {
    const { json } = await a.run({ code: "print(1)" });
    for (const [method, path] of [
      ["GET", ""],
      ["GET", "/events"],
      ["POST", "/cancel"],
      ["DELETE", ""],
    ] as const) {
      expect((await b.call(method, `/v1/executions/${json.id}${path}`)).status).toBe(404);
    }
    expect((await b.get("/v1/executions")).json.data.map((execution: Json) => execution.id)).not.toContain(json.id);
    expect((await a.call("DELETE", `/v1/executions/${json.id}`)).status).toBe(200);
    expect((await a.get(`/v1/executions/${json.id}`)).status).toBe(404);
  });

  test("48 concurrent executions all complete", async () => {
    const answers = await Promise.all(Array.from({ length: 48 }, (_, turn) => a.run({ code: `print(${turn})` })));
    expect(answers.map(({ json }) => textOf(json))).toEqual(Array.from({ length: 48 }, (_, turn) => String(turn)));
  });
});

describe("the log", () => {
  test("has a line for each execution and nothing of its content", async () => {
    await a.run({ code: "print('very-' + 'secret-output')", env: { TOKEN: "secret-env" } });
    const log = service.log.join("\n");
    expect(log).toContain('"execution"');
    for (const secret of ["secret-output", "secret-env", "ci_sk_", "principal"]) expect(log).not.toContain(secret);
  });
});
