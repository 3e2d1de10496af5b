import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import OpenAI, { toFile } from "openai";
import type { Responses } from "openai/resources/responses/responses";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ModelServer, script, startModelServer } from "../support/servers/model-server.ts";
import { prepareService, type ServiceProcess, type TestService } from "../support/servers/service.ts";

const example = fileURLToPath(new URL("../../examples/openai-client/client.mjs", import.meta.url));

let prepared: TestService;
let model: ModelServer;
let service: ServiceProcess;
let other: ServiceProcess;
let key: string;
let client: OpenAI;

beforeAll(async () => {
  model = await startModelServer();
  prepared = await prepareService();
  const env = { MODEL_BASE_URL: model.baseUrl, MODEL_DEFAULT: "scripted", MODEL_API_KEY: "sk-model" };
  service = await prepared.start("all", env);
  other = await prepared.start("api", env);
  key = await prepared.key("org_openai");
  client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: key });
});
beforeEach(() => model.asked());
afterAll(async () => {
  await prepared.stop();
  await model.stop();
});

const tools: Responses.Tool[] = [{ type: "code_interpreter", container: { type: "auto" } }];
const QUESTION = "What is the compound interest on $10,000 at 7% for 20 years?";
const ANSWER = "The balance after 20 years is $38,696.84, of which $28,696.84 is interest.";
const include: Responses.ResponseIncludable[] = ["code_interpreter_call.outputs"];

describe("responses", () => {
  test("create runs the compound-interest example in a sandbox", async () => {
    const response = await client.responses.create({ tools, input: QUESTION, include });
    expect(response.output_text).toBe(ANSWER);
    expect(response.output).toMatchObject([
      { type: "code_interpreter_call", status: "completed", outputs: [{ type: "logs", logs: "$38,696.84" }] },
      { type: "message", role: "assistant", status: "completed" },
    ]);
    expect(response.usage?.total_tokens).toBe(60);
    const shown = (await model.asked())[1]?.body.messages.at(-1);
    expect(shown).toMatchObject({ role: "tool", content: "$38,696.84" });
  });

  test("create streams the events that the client's types declare", async () => {
    const stream = await client.responses.create({ tools, input: QUESTION, stream: true });
    let code = "";
    let text = "";
    let last = "";
    for await (const event of stream) {
      if (event.type === "response.code_interpreter_call_code.delta") code += event.delta;
      if (event.type === "response.output_text.delta") text += event.delta;
      last = event.type;
    }
    expect([code, text, last]).toEqual(["principal = 10_000\nprint(f'${principal * 1.07 ** 20:,.2f}')", ANSWER, "response.completed"]);
  });

  test("stream().finalResponse() equals the result of retrieve", async () => {
    const stream = client.responses.stream({ tools, input: QUESTION });
    const events: string[] = [];
    stream.on("event", (event) => events.push(event.type));
    const final = await stream.finalResponse();
    expect(final.output_text).toBe(ANSWER);
    expect(events[0]).toBe("response.created");
    const kept = await client.responses.retrieve(final.id);
    expect([kept.status, kept.output_text, kept.output.map((item) => item.id)]).toEqual([
      "completed",
      ANSWER,
      final.output.map((item) => item.id),
    ]);
  });

  test("retrieve includes outputs on request, and streams from any event, from another process", async () => {
    const { id } = await client.responses.create({ tools, input: QUESTION });
    const shown = await client.responses.retrieve(id, { include });
    expect(shown.output[0]).toMatchObject({ outputs: [{ type: "logs", logs: "$38,696.84" }] });
    const elsewhere = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: key });
    const numbers: number[] = [];
    for await (const event of await elsewhere.responses.retrieve(id, { stream: true, starting_after: 3 }))
      numbers.push(event.sequence_number);
    expect(numbers[0]).toBe(4);
    expect(numbers).toEqual(numbers.map((_, index) => index + 4));
  });

  test("variables and files persist in the next response, and not in another container", async () => {
    const first = await client.responses.create({
      tools,
      input: script({ code: "x = 41\nopen('note.txt', 'w').write('kept')" }, { text: "set" }),
    });
    const input = script({ code: "x += 1; print(x, open('note.txt').read())" }, { text: "printed" });
    const second = await client.responses.create({ tools, input, previous_response_id: first.id, include });
    expect(second.output[0]).toMatchObject({ status: "completed", outputs: [{ type: "logs", logs: "42 kept" }] });
    const alone = await client.responses.create({ tools, input: script({ code: "print(x)" }, { text: "no" }), include });
    expect(alone.output[0]).toMatchObject({ status: "failed", outputs: [{ logs: expect.stringContaining("NameError") }] });
  });

  test("a deleted container is replaced, and the model is notified", async () => {
    const first = await client.responses.create({ tools, input: script({ code: "x = 1" }, { text: "set" }) });
    const container = (first.output[0] as Responses.ResponseCodeInterpreterToolCall).container_id;
    await client.containers.delete(container);
    await model.asked();
    const second = await client.responses.create({ tools, input: script({ code: "1" }, { text: "ok" }), previous_response_id: first.id });
    expect((second.output[0] as Responses.ResponseCodeInterpreterToolCall).container_id).not.toBe(container);
    expect((await model.asked())[1]?.body.messages.at(-1).content).toContain("The earlier sandbox is gone");
  });

  test("input files are in the folder; files named by the message are cited and can be fetched", async () => {
    const file = await client.files.create({ file: await toFile(Buffer.from("a,b\n1,2\n"), "data.csv"), purpose: "user_data" });
    const turns = script({ code: "open('out.txt', 'w').write(open('data.csv').read().upper())" }, { text: "It is in out.txt." });
    const content: Responses.ResponseInputContent[] = [
      { type: "input_text", text: turns },
      { type: "input_file", file_id: file.id },
    ];
    const response = await client.responses.create({ tools, input: [{ role: "user", content }] });
    const message = response.output.at(-1) as Responses.ResponseOutputMessage;
    const [annotation] = (message.content[0] as Responses.ResponseOutputText).annotations;
    expect(annotation).toMatchObject({ type: "container_file_citation", filename: "out.txt", start_index: 9, end_index: 16 });
    const { container_id, file_id } = annotation as Responses.ResponseOutputText.ContainerFileCitation;
    const bytes = await client.containers.files.content.retrieve(file_id, { container_id });
    expect(await bytes.text()).toBe("A,B\n1,2\n");
  });

  test("a background response can be cancelled from another process, which stops its code and keeps its container", async () => {
    const input = script({ code: "x = 7" }, { code: "import time\nprint('in', flush=True)\ntime.sleep(25)" }, { text: "done" });
    const { id } = await client.responses.create({ tools, input, background: true });
    const stream = await client.responses.retrieve(id, { stream: true });
    let container = "";
    let runs = 0;
    for await (const event of stream) {
      if (event.type === "response.output_item.added" && event.item.type === "code_interpreter_call") container = event.item.container_id;
      if (event.type === "response.code_interpreter_call.interpreting") runs += 1;
      if (runs === 2) break;
    }
    const cancelled = await new OpenAI({ baseURL: `${other.url}/v1`, apiKey: key }).responses.cancel(id);
    expect(cancelled).toMatchObject({ status: "cancelled", output: [{ status: "completed" }, { status: "incomplete" }] });
    const next = await client.responses.create({
      tools: [{ type: "code_interpreter", container }],
      input: script({ code: "print(x)" }, { text: "7" }),
      include,
    });
    expect(next.output[0]).toMatchObject({ outputs: [{ type: "logs", logs: "7" }] });
  });

  test("a background response fails if its process is killed, and another process reports it", async () => {
    const doomed = await prepared.start("api", { MODEL_BASE_URL: model.baseUrl, MODEL_DEFAULT: "scripted" });
    expect((await fetch(`${doomed.url}/health/ready`)).status).toBe(200);
    const begun = new OpenAI({ baseURL: `${doomed.url}/v1`, apiKey: key });
    const { id } = await begun.responses.create({ input: script({ text: "slowly", slowMs: 20_000 }), background: true });
    expect((await client.responses.retrieve(id)).status).toBe("in_progress");
    doomed.child.kill("SIGKILL");
    const types: string[] = [];
    for await (const event of await client.responses.retrieve(id, { stream: true })) types.push(event.type);
    expect(types).toEqual(["response.created", "response.queued", "response.in_progress", "response.failed"]);
    expect(await client.responses.retrieve(id)).toMatchObject({
      status: "failed",
      error: { code: "server_error", message: expect.stringContaining("gone") },
    });
  });

  test("inputItems lists the input, and delete removes the response", async () => {
    const { id } = await client.responses.create({ input: script({ text: "hi" }) });
    const items = [];
    for await (const item of client.responses.inputItems.list(id)) items.push(item);
    expect(items).toMatchObject([{ type: "message", role: "user", content: [{ type: "input_text" }] }]);
    await client.responses.delete(id);
    await expect(client.responses.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test("a function of the caller is called, answered and used", async () => {
    const lookup: Responses.FunctionTool = { type: "function", name: "lookup", parameters: { type: "object" }, strict: false };
    const first = await client.responses.create({
      tools: [...tools, lookup],
      input: script({ calls: [{ name: "lookup", arguments: '{"a":1}' }] }),
    });
    const call = first.output[0] as Responses.ResponseFunctionToolCall;
    expect([call.type, call.name, call.arguments]).toEqual(["function_call", "lookup", '{"a":1}']);
    const second = await client.responses.create({
      tools: [...tools, lookup],
      previous_response_id: first.id,
      input: [
        { type: "function_call_output", call_id: call.call_id, output: "18" },
        { role: "user", content: script({ text: "It is 18." }) },
      ],
    });
    expect(second.output_text).toBe("It is 18.");
  });

  test("a forced tool choice runs code first, even if the model answers", async () => {
    const input = script({ text: "I just know." }, { code: "print(6 * 7)" }, { text: "42." });
    const response = await client.responses.create({ tools, tool_choice: { type: "code_interpreter" }, input });
    expect(response.output.map((item) => item.type)).toEqual(["code_interpreter_call", "message"]);
  });
});

describe("containers and their files", () => {
  test("create, retrieve, list, and delete", async () => {
    const made = await client.containers.create({ name: "mine", expires_after: { anchor: "last_active_at", minutes: 5 } });
    expect(made).toMatchObject({ object: "container", name: "mine", status: "active", expires_after: { minutes: 5 } });
    expect((await client.containers.retrieve(made.id)).id).toBe(made.id);
    const ids = [];
    for await (const container of client.containers.list({ limit: 2 })) ids.push(container.id);
    expect(ids).toContain(made.id);
    await client.containers.delete(made.id);
    await expect(client.containers.retrieve(made.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test("files by multipart and by id, retrieve, list, content, delete", async () => {
    const { id: container_id } = await client.containers.create({ name: "files" });
    const file = await client.files.create({ file: await toFile(Buffer.from("by id"), "b.txt"), purpose: "user_data" });
    const a = await client.containers.files.create(container_id, { file: await toFile(Buffer.from("by form"), "a.txt") });
    const b = await client.containers.files.create(container_id, { file_id: file.id });
    expect([a, b]).toMatchObject([
      { object: "container.file", source: "user", bytes: 7, container_id },
      { object: "container.file", source: "user", bytes: 5, container_id },
    ]);
    const ids = [];
    for await (const one of client.containers.files.list(container_id)) ids.push(one.id);
    expect(new Set(ids)).toEqual(new Set([a.id, b.id]));
    expect((await client.containers.files.retrieve(a.id, { container_id })).path).toContain("a.txt");
    expect(await (await client.containers.files.content.retrieve(a.id, { container_id })).text()).toBe("by form");
    const response = await client.responses.create({
      tools: [{ type: "code_interpreter", container: container_id }],
      input: script({ code: "print(open('a.txt').read(), open('b.txt').read())" }, { text: "read" }),
      include,
    });
    expect(response.output[0]).toMatchObject({ outputs: [{ type: "logs", logs: "by form by id" }] });
    await client.containers.files.delete(a.id, { container_id });
    await expect(client.containers.files.retrieve(a.id, { container_id })).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await client.containers.delete(container_id);
  });
});

describe("files", () => {
  test("create, waitForProcessing, retrieve, list, content, delete", async () => {
    const made = await client.files.create({ file: await toFile(Buffer.from("hello"), "hello.txt"), purpose: "assistants" });
    expect((await client.files.waitForProcessing(made.id)).status).toBe("processed");
    expect(await client.files.retrieve(made.id)).toMatchObject({ filename: "hello.txt", bytes: 5, purpose: "assistants" });
    const ids = [];
    for await (const file of client.files.list({ limit: 1, purpose: "assistants" })) ids.push(file.id);
    expect(ids).toContain(made.id);
    expect(await (await client.files.content(made.id)).text()).toBe("hello");
    expect(await client.files.delete(made.id)).toMatchObject({ deleted: true });
  });
});

describe("errors", () => {
  test("are the client's own types, with code, param and request id", async () => {
    await expect(client.responses.retrieve(`resp_${"0".repeat(24)}`)).rejects.toMatchObject({
      constructor: OpenAI.NotFoundError,
      code: "response_not_found",
      requestID: expect.stringMatching(/^req_/),
    });
    await expect(client.responses.create({ input: "x", model: "gpt-unknown" })).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
      param: "model",
    });
    await expect(client.responses.create({ input: "x", temperature: 7 })).rejects.toMatchObject({
      constructor: OpenAI.BadRequestError,
      param: "temperature",
    });
    const stranger = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: "unknown" });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });

  test("of a permanent conflict are not retried", async () => {
    const { id } = await client.responses.create({
      tools,
      input: script({ code: "import time; time.sleep(20)" }, { text: "x" }),
      background: true,
    });
    let calls = 0;
    const counting = new OpenAI({
      baseURL: `${service.url}/v1`,
      apiKey: key,
      fetch: (url, init) => {
        calls += 1;
        return fetch(url, init);
      },
    });
    await expect(counting.responses.delete(id)).rejects.toBeInstanceOf(OpenAI.ConflictError);
    expect(calls).toBe(1);
    await client.responses.cancel(id);
  });

  test("of a temporary condition are retried by the client after Retry-After", async () => {
    const narrow = await prepared.start("api", {
      MODEL_BASE_URL: model.baseUrl,
      MODEL_DEFAULT: "scripted",
      LIMIT_RESPONSES_PER_ORGANIZATION_MAX: "1",
    });
    // Answers once it has reached Redis.
    expect((await fetch(`${narrow.url}/health/ready`)).status).toBe(200);
    const answers: Array<[number, string | null]> = [];
    const patient = new OpenAI({
      baseURL: `${narrow.url}/v1`,
      apiKey: key,
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        answers.push([response.status, response.headers.get("retry-after")]);
        return response;
      },
    });
    await patient.responses.create({ tools, input: script({ code: "import time; time.sleep(2)" }, { text: "x" }), background: true });
    expect((await patient.responses.create({ input: script({ text: "now" }) })).output_text).toBe("now");
    expect(answers).toEqual([
      [200, null],
      [429, "5"],
      [200, null],
    ]);
  });

  test("of a failing model are in the response", async () => {
    const stream = client.responses.stream({ input: script({ text: "a text to be cut", cutAfter: 2 }) });
    const final = await stream.finalResponse();
    expect([final.status, final.error?.code]).toEqual(["failed", "server_error"]);
  });
});

test("the example prints the answer", async () => {
  const env = { ...process.env, CODE_INTERPRETER_URL: service.url, CODE_INTERPRETER_KEY: key };
  const { stdout } = await promisify(execFile)(process.execPath, [example], { env });
  expect(stdout.trim()).toBe(ANSWER);
});
