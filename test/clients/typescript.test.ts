import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type * as Package from "../../clients/typescript/src/index.ts";
import { clientTypes, typesFile } from "../../scripts/client-types.mjs";
import { openApi } from "../support/checks/openapi.ts";
import { breakingProxy } from "../support/clients/breaking-proxy.ts";
import { client, prepareService, type TestService } from "../support/servers/service.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const run = promisify(execFile);
const env = { POOL_SIZE_MIN: "1", POOL_SIZE_MAX: "1", WORKER_MEMORY_MB: "4096" };

let service: TestService;
let url: string;
let key: string;
let folder: string;
let installed: typeof Package;
let ci: Package.CodeInterpreter;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ci-client-"));
  const source = join(root, "clients/typescript");
  await run("npx", ["tsc", "-p", source], { cwd: root });
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: source });
  const target = join(folder, "node_modules/code-interpreter-client");
  await mkdir(target, { recursive: true });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  await run("tar", ["-xzf", join(folder, filename), "-C", target, "--strip-components=1"]);
  installed = (await import(pathToFileURL(join(target, "dist/index.js")).href)) as typeof Package;
  service = await prepareService();
  url = (await service.start("all", env)).url;
  key = await service.key("org_client");
  ci = new installed.CodeInterpreter({ baseUrl: url, apiKey: key });
});
afterAll(async () => {
  await service.stop();
  await rm(folder, { recursive: true, force: true });
});

test("the generated types are those of the OpenAPI document", async () => {
  expect(await readFile(typesFile, "utf8"), "run `npm run build` and `npm run client-types`").toBe(await clientTypes(openApi));
});

test("the examples of the README compile", async () => {
  const readme = await readFile(join(root, "clients/typescript/README.md"), "utf8");
  const examples = [...readme.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? "");
  expect(examples).toHaveLength(2);
  await Promise.all(examples.map((text, at) => writeFile(join(folder, `example-${at}.ts`), text)));
  const lib = ["es2022", "dom", "dom.asynciterable", "esnext.disposable"];
  const compilerOptions = {
    noEmit: true,
    strict: true,
    noUncheckedIndexedAccess: true,
    module: "nodenext",
    target: "es2022",
    lib,
    types: [],
  };
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: examples.map((_, at) => `example-${at}.ts`) }));
  await run(join(root, "node_modules/.bin/tsc"), ["-p", folder]).catch((error: { stdout: string }) => expect.fail(error.stdout));
});

describe("run", () => {
  test("brings text, tables and files, and takes files", async () => {
    const code = "import pandas as pd\nt = pd.read_csv('a.csv')\nopen('b.bin', 'wb').write(open('c.bin', 'rb').read())\nprint(len(t))\nt";
    const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => at % 251);
    const result = await ci.run({ code, files: { "a.csv": "x,y\n1,2\n", "c.bin": bytes } });
    expect([result.ok, result.text, result.tables[0]?.rows]).toEqual([true, "1\n", [[1, 2]]]);
    expect(await result.files["b.bin"]?.content()).toEqual(bytes);
  });

  test("has failed code as a result, and a refusal as an error with its code", async () => {
    const failed = await ci.run({ code: "1/0" });
    expect([failed.ok, failed.error?.name]).toEqual([false, "ZeroDivisionError"]);
    const refused = ci.run({ code: "1", timeoutMs: 0 });
    await expect(refused).rejects.toMatchObject({ code: "invalid_field", status: 422, param: "timeout_ms" });
  });

  test("answers calls of the code, side by side, and raises what a function throws", async () => {
    let open = 0;
    let most = 0;
    const slow = async ({ i }: { i: number }) => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 50));
      open -= 1;
      if (i === 3) throw new Error("not three");
      return i * 2;
    };
    const code = [
      "from concurrent.futures import ThreadPoolExecutor",
      "def one(i):",
      "    try: return slow(i=i)",
      "    except ToolError as error: return str(error)",
      "with ThreadPoolExecutor(4) as pool: print(list(pool.map(one, range(4))))",
    ].join("\n");
    const result = await ci.run({ code, tools: { slow } });
    expect(result.text).toBe("[0, 2, 4, 'not three']\n");
    expect(most).toBeGreaterThan(1);
  });

  test("raises an error in the code for a value that JSON cannot hold", async () => {
    const code = "try: f()\nexcept ToolError: print('refused')";
    expect((await ci.run({ code, tools: { f: () => 1n } })).text).toBe("refused\n");
  });

  test("goes on when a function is slower than its call waits", async () => {
    const late = () => new Promise((resolve) => setTimeout(() => resolve(1), 1_500));
    const code = "try: late()\nexcept ToolTimeout: print('late')";
    expect((await ci.run({ code, tools: { late }, toolTimeoutMs: 300 })).text).toBe("late\n");
  });

  test("cancels the execution when its signal aborts", async () => {
    const signal = AbortSignal.timeout(1_000);
    await expect(ci.run({ code: "import time\ntime.sleep(25)", signal, metadata: { of: "abort" } })).rejects.toThrow();
    const { json } = await client(url, key).call("GET", "/v1/executions?limit=5");
    const found = json.data.find((one: { metadata: { of?: string } }) => one.metadata.of === "abort");
    expect(found.status).toBe("cancelled");
  });
});

describe("stream", () => {
  test("answers calls and ends with the result", async () => {
    const types: string[] = [];
    for await (const event of ci.stream({ code: "print(f(x=1))", tools: { f: ({ x }: { x: number }) => x + 1 } })) types.push(event.type);
    expect(types).toEqual(["execution.started", "execution.tool_call", "execution.tool_output", "execution.output", "execution.ended"]);
  });

  test("resumes when its connection breaks, and the code runs once", async () => {
    const breaking = await breakingProxy(url);
    const through = new installed.CodeInterpreter({ baseUrl: breaking.url, apiKey: key });
    const texts: string[] = [];
    for await (const event of through.stream({ code: "import time\nfor i in range(6): print(i, flush=True); time.sleep(0.2)" })) {
      if (event.type === "execution.output" && event.output.type === "text") texts.push(event.output.text);
    }
    await breaking.close();
    expect(texts.join("")).toBe("0\n1\n2\n3\n4\n5\n");
    expect(breaking.broken()).toBeGreaterThan(0);
  });
});

test("a session keeps variables, and ends when it is disposed of", async () => {
  const session = await ci.session();
  await session.run("x = 41");
  expect((await session.run("print(x + 1)")).text).toBe("42\n");
  await session[Symbol.asyncDispose]();
  await expect(session.run("x")).rejects.toMatchObject({ code: expect.stringMatching(/^container_/) });
});

test("files are uploaded and downloaded", async () => {
  const { id } = await ci.upload("note.txt", "hello");
  expect(new TextDecoder().decode(await ci.download(id))).toBe("hello");
  expect((await ci.run({ code: "print(open('n.txt').read())", files: { "n.txt": { fileId: id } } })).text).toBe("hello\n");
});

test("a refusal is retried after the time that it names, and an upload is not sent twice without one", async () => {
  const seen: string[] = [];
  const answers = [
    new Response("{}", { status: 503, headers: { "retry-after": "1" } }),
    new Response('{"id":"ci_1","status":"completed","outputs":[]}'),
  ];
  const fakeFetch = async (address: unknown, init?: RequestInit) => {
    seen.push(`${new Headers(init?.headers).get("idempotency-key")}`);
    void address;
    const answer = answers.shift();
    if (answer === undefined) throw new TypeError("fetch failed");
    return answer;
  };
  const faked = new installed.CodeInterpreter({ baseUrl: url, apiKey: key, fetch: fakeFetch as typeof fetch });
  expect((await faked.run({ code: "1" })).ok).toBe(true);
  expect(seen[0]).toBe(seen[1]);
  await expect(faked.upload("a", "b")).rejects.toMatchObject({ code: "unreachable" });
  expect(seen).toHaveLength(3);
});
