import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pythonClientTypes, pythonTypesFile } from "../../scripts/client-types.mjs";
import { openApi } from "../support/checks/openapi.ts";
import { breakingProxy } from "../support/clients/breaking-proxy.ts";
import { pythonTools, runPython } from "../support/clients/python.ts";
import { client, prepareService, type TestService } from "../support/servers/service.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const source = join(root, "clients/python");
const run = promisify(execFile);
const env = { POOL_SIZE_MIN: "1", POOL_SIZE_MAX: "1", WORKER_MEMORY_MB: "4096" };
const TYPES = ["execution.started", "execution.tool_call", "execution.tool_output", "execution.output", "execution.ended"];

let service: TestService;
let url: string;
let key: string;
let bin: string;
/** The wheel, installed. */
let installed: string;
beforeAll(async () => {
  bin = await pythonTools("client-types");
  installed = await mkdtemp(join(tmpdir(), "ci-python-client-"));
  await run(join(bin, "python"), ["-m", "hatchling", "build", "-t", "wheel", "-d", installed], { cwd: source });
  const wheel = (await readdir(installed)).find((name) => name.endsWith(".whl")) as string;
  await run(join(bin, "python"), ["-m", "pip", "install", "-q", "--no-deps", "--target", installed, join(installed, wheel)]);
  service = await prepareService();
  url = (await service.start("all", env)).url;
  key = await service.key("org_python");
});
afterAll(async () => {
  await service.stop();
  await rm(installed, { recursive: true, force: true });
});

test("the generated types are those of the OpenAPI document", async () => {
  expect(await readFile(pythonTypesFile, "utf8"), "run `npm run build` and `npm run client-types`").toBe(await pythonClientTypes(openApi));
});

test("the client and the examples of its README have the types that they claim", async () => {
  const readme = await readFile(join(source, "README.md"), "utf8");
  const examples = [...readme.matchAll(/```python\n(.*?)```/gs)].map((match) => match[1] ?? "");
  expect(examples).toHaveLength(2);
  const files = examples.map((_, at) => join(installed, `example_${at}.py`));
  await Promise.all(files.map((file, at) => writeFile(file, examples[at] ?? "")));
  const options = ["--strict", "--config-file=", `--cache-dir=${join(installed, "cache")}`];
  const check = run(join(bin, "mypy"), [...options, ...files, join(source, "code_interpreter_client")], { cwd: source });
  await check.catch((error: { stdout: string }) => expect.fail(error.stdout));
});

test("both clients run, stream, resume, answer calls, keep sessions, move files and cancel", async () => {
  const breaking = await breakingProxy(url, 4);
  const seen = await runPython("own_client.py", { url, key }, [url, key, breaking.url], "client-types", { PYTHONPATH: installed });
  await breaking.close();
  const counted = "0\n1\n2\n3\n4\n5\n";
  const tools = ["[0, 2, 4, 'not three']\n", true];
  expect(seen.sync).toEqual({
    run: [true, "1\n", [[1, 2]], true],
    failed: [false, "ZeroDivisionError"],
    refused: ["invalid_field", 422, "timeout_ms"],
    tools,
    help: expect.stringContaining("Adds nothing."),
    unfit: "refused\n",
    late: "late\n",
    types: TYPES,
    session: "42\n",
    closed: expect.stringMatching(/^container_/),
    files: [true, "hello\n"],
    resumed: counted,
  });
  const both = { run: [true, "1\n", true], tools, blocking: "1\n", types: TYPES, session: "42\n", cancelled: true, resumed: counted };
  expect(seen.async).toEqual(both);
  expect(breaking.broken()).toBe(4);
  expect(seen.retries).toEqual([true, true, "unreachable", 3]);
  const { json } = await client(url, key).call("GET", "/v1/executions?limit=100");
  for (const of of ["closed stream", "cancelled task"]) {
    const found = json.data.find((one: { metadata: { of?: string } }) => one.metadata.of === of);
    expect([of, found?.status]).toEqual([of, "cancelled"]);
  }
});
