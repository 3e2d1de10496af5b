import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withoutFinalNewline } from "../../src/domain/outputs.ts";
import { expectMatchesOpenApi } from "../support/checks/openapi.ts";
import { removeLeftBy } from "../support/sandboxes/made-by.ts";
import { client, type Json, prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

/** Two api processes and two workers: each api process finds every session. */
const env = { POOL_SIZE_MIN: "1", POOL_SIZE_MAX: "1", WORKER_MEMORY_MB: "4096", LIMIT_SESSIONS_PER_ORGANIZATION_MAX: "3" };
let service: TestService;
let apis: ServiceProcess[];
let workers: ServiceProcess[];
let killed: ServiceProcess[] = [];
beforeAll(async () => {
  service = await prepareService();
  apis = await Promise.all([service.start("api", env), service.start("api", env)]);
  workers = await Promise.all([service.start("worker", env), service.start("worker", env)]);
});
afterAll(async () => {
  // Their reaper would come in a minute; the tests that follow count containers.
  for (const worker of killed) await removeLeftBy(worker);
  await service.stop();
});

/** Calls whose answers are checked against the API document, each at another api process in turn. */
async function as(organization: string) {
  const key = await service.key(organization);
  let turn = 0;
  const call = async (method: string, path: string, body?: unknown): Promise<{ status: number; json: Json; text: string }> => {
    const api = apis[turn++ % apis.length] as ServiceProcess;
    const answer = await client(api.url, key).call(method, path, body);
    const template = path
      .replace(/\?.*/, "")
      .replace(/(cntr|ci)_[0-9a-z]+/, "{id}")
      .replace(/\/files\/file_[0-9a-z]+/, "/files/{file_id}");
    expectMatchesOpenApi(method, template, answer.status, answer.headers.get("content-type"), answer.json);
    return answer;
  };
  const make = async (body: object = {}) => {
    const made = await call("POST", "/v1/containers", body);
    expect([made.status, made.json.status]).toEqual([200, "active"]);
    return made.json.id as string;
  };
  const cell = (container: string, code: string, more: object = {}) => call("POST", "/v1/executions", { container, code, ...more });
  const upload = async (container: string, name: string, bytes: Buffer) => {
    const form = new FormData();
    form.set("file", new File([Uint8Array.from(bytes)], name));
    const url = `${(apis[0] as ServiceProcess).url}/v1/containers/${container}/files`;
    const answer = await fetch(url, { method: "POST", headers: { authorization: `Bearer ${key}` }, body: form });
    return { status: answer.status, json: (await answer.json()) as Json };
  };
  /** Starts a cell that does not end by itself, and returns its id once it runs. */
  const begin = async (container: string, code: string): Promise<string> => {
    const begun = await client((apis[0] as ServiceProcess).url, key).run({ container, code }, { prefer: "respond-async" });
    await until(begun.json.id, "execution.started");
    return begun.json.id;
  };
  const until = async (id: string, event: string) => {
    const url = `${(apis[1] as ServiceProcess).url}/v1/executions/${id}/events`;
    const stream = await fetch(url, { headers: { authorization: `Bearer ${key}` } });
    const decoder = new TextDecoder();
    let seen = "";
    for await (const bytes of stream.body as AsyncIterable<Uint8Array>) {
      seen += decoder.decode(bytes, { stream: true });
      if (seen.includes(`event: ${event}`)) return;
    }
    throw new Error(`the stream ended before ${event}`);
  };
  return { call, make, cell, upload, begin, until };
}

/** What a cell printed, without its final newline. */
const text = (answer: { json: Json }) => withoutFinalNewline(answer.json.outputs.map((output: Json) => output.text ?? "").join(""));

describe("a container", () => {
  test("keeps variables and files from one execution to the next, through any api process", async () => {
    const { make, cell, call } = await as("org_keeps");
    const id = await make({ name: "analysis" });
    const first = await cell(id, "x = 41; open('a.txt', 'w').write('hello')");
    expect([first.status, first.json.status, first.json.container_id]).toEqual([200, "completed", id]);
    expect(text(await cell(id, "x += 1; print(x, open('a.txt').read())"))).toBe("42 hello");
    const { json: files } = await call("GET", `/v1/containers/${id}/files`);
    expect(files.data).toMatchObject([
      { object: "container.file", path: "/mnt/data/a.txt", bytes: 5, source: "assistant", container_id: id },
    ]);
    expect((await call("GET", `/v1/containers/${id}/files/${files.data[0].id}/content`)).text).toBe("hello");
    expect((await call("GET", "/v1/containers?name=analysis")).json.data).toMatchObject([{ id, status: "active", memory_limit: "512m" }]);
    expect((await call("DELETE", `/v1/containers/${id}`)).json).toEqual({ id, object: "container.deleted", deleted: true });
    expect((await cell(id, "1")).json.code).toBe("container_not_found");
  });

  test("runs cells in the order they came, never two at once", async () => {
    const { make, cell } = await as("org_order");
    const id = await make();
    await cell(id, "log = []; import time");
    const codes = Array.from({ length: 12 }, (_, n) => `log.append(${n}); time.sleep(0.02); log.append(${n})`);
    for (const code of codes.slice(0, 4)) await cell(id, code);
    await Promise.all(codes.slice(4).map((code) => cell(id, code)));
    const log: number[] = JSON.parse(text(await cell(id, "import json; print(json.dumps(log))")));
    expect(log.slice(0, 8)).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    for (let at = 0; at < 24; at += 2) expect(log[at]).toBe(log[at + 1]);
    expect(new Set(log).size).toBe(12);
  });

  test("takes files by upload and by id, and deletes them", async () => {
    const { make, cell, call, upload } = await as("org_files");
    const id = await make();
    const bytes = randomBytes(300_000);
    const put = await upload(id, "data.bin", bytes);
    expect(put.json).toMatchObject({ path: "/mnt/data/data.bin", bytes: 300_000, source: "user" });
    const [output] = (
      await cell(id, "import hashlib\nprint(hashlib.sha256(open('data.bin','rb').read()).hexdigest())\nopen('made.txt','w').write('m')")
    ).json.outputs;
    const record = (await call("GET", `/v1/containers/${id}/files/${put.json.id}`)).json;
    expect(record.id).toBe(put.json.id);
    expect(output.text).toBe(`${createHash("sha256").update(bytes).digest("hex")}\n`);
    expect((await call("DELETE", `/v1/containers/${id}/files/${put.json.id}`)).json.deleted).toBe(true);
    expect(text(await cell(id, "import os; print(os.listdir())"))).toBe("['made.txt']");
    const other = await make({ file_ids: [(await call("GET", `/v1/containers/${id}/files`)).json.data[0].id] });
    expect(text(await cell(other, "print(open('made.txt').read())"))).toBe("m");
    expect((await call("POST", `/v1/containers/${id}/files`, { file_id: `file_${"0".repeat(24)}` })).json.code).toBe("invalid_field");
  });

  test("survives a time limit and a cancel, goes back to before code that does not yield, and reports which", async () => {
    const { make, cell, call, begin } = await as("org_limits");
    const id = await make();
    await cell(id, "x = 1");
    const timed = await cell(id, "while True: pass", { timeout_ms: 300 });
    expect(timed.json).toMatchObject({ status: "incomplete", cause: "timeout", evidence: { session_alive: true } });
    const running = await begin(id, "while True: pass");
    const cancelled = await call("POST", `/v1/executions/${running}/cancel`);
    expect(cancelled.json).toMatchObject({ status: "cancelled", evidence: { session_alive: true } });
    expect(text(await cell(id, "print(x)"))).toBe("1");
    const stubborn = await cell(id, "while True:\n  try:\n    while True: pass\n  except BaseException: pass", { timeout_ms: 300 });
    expect(stubborn.json).toMatchObject({ status: "incomplete", cause: "timeout" });
    expect(stubborn.json.evidence).toMatchObject({ session_alive: true, restored: "before_cell" });
    expect(text(await cell(id, "print(x)"))).toBe("1");
  });

  test("ends with a cell that kills its process where that was asked for", async () => {
    const { make, cell, call } = await as("org_ends");
    const id = await make({ on_killed_cell: "end" });
    await cell(id, "x = 1");
    expect((await cell(id, "import os; os._exit(3)")).json).toMatchObject({
      status: "failed",
      cause: "exit",
      evidence: { session_alive: false },
    });
    const after = await cell(id, "print(x)");
    expect([after.status, after.json.code]).toEqual([410, "container_lost"]);
    expect((await call("GET", `/v1/containers/${id}`)).json).toMatchObject({ status: "lost", on_killed_cell: "end" });
  });

  test("does not exist for another organization, in any call", async () => {
    const owner = await as("org_owner");
    const other = await as("org_other");
    const id = await owner.make();
    const file = (await owner.cell(id, "open('secret.txt', 'w').write('s')")).json.outputs.find(
      (output: Json) => output.type === "file",
    ).file_id;
    const calls: Array<[string, string, unknown?]> = [
      ["GET", `/v1/containers/${id}`],
      ["DELETE", `/v1/containers/${id}`],
      ["GET", `/v1/containers/${id}/files`],
      ["GET", `/v1/containers/${id}/files/${file}`],
      ["GET", `/v1/containers/${id}/files/${file}/content`],
      ["DELETE", `/v1/containers/${id}/files/${file}`],
      ["POST", "/v1/executions", { container: id, code: "print(open('secret.txt').read())" }],
      ["POST", "/v1/containers", { restore_from: id }],
    ];
    for (const [method, path, body] of calls) {
      const answer = await other.call(method, path, body);
      expect([method, path, answer.status]).toEqual([method, path, 404]);
    }
    expect((await other.call("POST", "/v1/containers", { file_ids: [file] })).json.code).toBe("invalid_field");
    expect((await other.call("GET", "/v1/containers")).json.data).toEqual([]);
    expect(text(await owner.cell(id, "print(open('secret.txt').read())"))).toBe("s");
  });

  test("is refused beyond the organization's limit, and gets at most the memory that a worker has", async () => {
    const { make, call } = await as("org_many");
    const ids = [await make(), await make(), await make()];
    const refused = await call("POST", "/v1/containers", {});
    expect([refused.status, refused.json.code]).toEqual([429, "organization_containers_full"]);
    await call("DELETE", `/v1/containers/${ids[0]}`);
    await make();
    await call("DELETE", `/v1/containers/${ids[2]}`);
    const large = await call("POST", "/v1/containers", { memory_limit: "4g" });
    expect([large.status, large.json.memory_limit]).toEqual([200, "1g"]);
    const both = await call("POST", "/v1/executions", { container: ids[1], code: "1", memory_mb: 128 });
    expect([both.status, both.json.error.param]).toEqual([422, "memory_mb"]);
    for (const one of (await call("GET", "/v1/containers")).json.data) await call("DELETE", `/v1/containers/${one.id}`);
  });
});

describe("a worker that goes", () => {
  test("gracefully, leaves its containers lost and their files restorable", async () => {
    const { make, cell, call } = await as("org_stop");
    const id = await make();
    await cell(id, "x = 1; open('kept.csv', 'w').write('a,b')");
    for (const worker of workers) expect(await worker.stop()).toBe(0);
    const gone = await cell(id, "x");
    expect([gone.status, gone.json.code]).toEqual([410, "container_lost"]);
    workers = [await service.start("worker", env)];
    const restored = await call("POST", "/v1/containers", { restore_from: id });
    expect(restored.json).toMatchObject({ status: "active", restored_from: id, variables_restored: false });
    expect(text(await cell(restored.json.id, "print(open('kept.csv').read(), 'x' in globals())"))).toBe("a,b False");
    expect((await call("DELETE", `/v1/containers/${id}`)).status).toBe(200);
    expect((await call("GET", `/v1/containers/${restored.json.id}/files`)).json.data).toHaveLength(1);
  });

  test("by SIGKILL, ends the running cell with worker_lost, and loses the container", async () => {
    const { make, cell, call, begin, until } = await as("org_kill");
    const id = await make();
    const running = await begin(id, "import time; time.sleep(29)");
    killed = workers;
    for (const worker of workers) worker.child.kill("SIGKILL");
    workers = [await service.start("worker", env)];
    await until(running, "execution.ended");
    const { json } = await call("GET", `/v1/executions/${running}`);
    expect(json).toMatchObject({
      status: "errored",
      cause: "worker_lost",
      retry_safe: false,
      attempt: 1,
      evidence: { session_alive: false },
    });
    const after = await cell(id, "1");
    expect([after.status, after.json.code]).toEqual([410, "container_lost"]);
  });
});
