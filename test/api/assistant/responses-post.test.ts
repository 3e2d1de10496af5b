import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { script } from "../../support/servers/model-server.ts";
import { MODEL_KEY, names, type Rig, respond, startRig, streamOf, TOOL, text } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());
beforeEach(async () => {
  rig.ran.length = 0;
  rig.onCode = (code) => ({ outputs: [text(code.split("#")[1]?.trim() ?? "")] });
  await rig.model.asked();
});

const QUESTION = "What is the compound interest on $10,000 at 7% for 20 years?";
const CODE = "principal = 10_000\nprint(f'${principal * 1.07 ** 20:,.2f}')";
const ANSWER = "The balance after 20 years is $38,696.84, of which $28,696.84 is interest.";
const prints = () => ({ outputs: [text("$38,696.84")] });

describe("the compound-interest example", () => {
  test("ends with code, its text, and a message, in our dialect", async () => {
    rig.onCode = prints;
    const body = { organization_id: "org_a", tools: [{ ...TOOL, mode: "auto" }], inputs: [{ role: "user", content: QUESTION }] };
    const answer = await respond(rig, body);
    expect(answer.body).toMatchObject({
      object: "response",
      status: "completed",
      error: null,
      organization_id: "org_a",
      model: "scripted",
    });
    const [code, message, ...more] = answer.body.output;
    expect(more).toEqual([]);
    expect(code).toEqual({
      type: "code_interpreter_call",
      id: expect.stringMatching(/^ci_/),
      status: "completed",
      code: CODE,
      outputs: [{ type: "text", text: "$38,696.84" }],
      container_id: answer.body.container_id,
      cause: null,
      execution_id: expect.stringMatching(/^ci_/),
    });
    expect(message).toMatchObject({
      type: "message",
      role: "assistant",
      content: [{ type: "output_text", text: ANSWER, annotations: [] }],
    });
    expect(answer.body.usage).toMatchObject({ input_tokens: 40, output_tokens: 20, total_tokens: 60 });
  });

  test.each([
    ["null unless included", {}, null],
    ["logs when included", { include: ["code_interpreter_call.outputs"] }, [{ type: "logs", logs: "$38,696.84" }]],
  ])("has outputs that are %s in OpenAI's dialect", async (_, fields, outputs) => {
    rig.onCode = prints;
    const body = { tools: [{ ...TOOL, container: { type: "auto" } }], input: QUESTION, model: "scripted", ...fields };
    const answer = await respond(rig, body);
    expect(answer.body.output[0]).toEqual({
      type: "code_interpreter_call",
      id: expect.stringMatching(/^ci_/),
      status: "completed",
      code: CODE,
      container_id: expect.stringMatching(/^cntr_/),
      outputs,
    });
    expect(answer.body.output[1].content[0].text).toBe(ANSWER);
  });

  test("streams every event in the order that strict clients check", async () => {
    rig.onCode = prints;
    const events = await streamOf(rig, { tools: [{ ...TOOL, container: { type: "auto" } }], input: QUESTION });
    expect(names(events)).toEqual([
      "created",
      "in_progress",
      "output_item.added",
      "code_interpreter_call.in_progress",
      "code_interpreter_call_code.delta",
      "code_interpreter_call_code.done",
      "code_interpreter_call.interpreting",
      "code_interpreter_call.completed",
      "output_item.done",
      "output_item.added",
      "content_part.added",
      "output_text.delta",
      "output_text.done",
      "content_part.done",
      "output_item.done",
      "completed",
    ]);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    const deltas = (type: string) => events.filter((event) => event.type === type).map((event) => event.delta);
    expect(deltas("response.code_interpreter_call_code.delta").length).toBeGreaterThan(5);
    expect(deltas("response.code_interpreter_call_code.delta").join("")).toBe(CODE);
    expect(deltas("response.output_text.delta").join("")).toBe(ANSWER);
    const added = events.filter((event) => event.type === "response.output_item.added");
    expect(added.map((event) => [event.output_index, event.item.status])).toEqual([
      [0, "in_progress"],
      [1, "in_progress"],
    ]);
    expect(events.at(-1).response.output.map((item: { id: string }) => item.id)).toEqual(added.map((event) => event.item.id));
  });

  test("streams code while the model still writes it", async () => {
    rig.onCode = prints;
    const input = script({ code: CODE, slowMs: 20, piece: 8 }, { text: "done" });
    const started = Date.now();
    const response = await fetch(`${rig.api.url}/v1/responses`, {
      method: "POST",
      headers: { authorization: `Bearer ${rig.key}`, "content-type": "application/json" },
      body: JSON.stringify({ tools: [TOOL], inputs: input, stream: true }),
    });
    let seenAt = 0;
    let ranAt = 0;
    let seen = "";
    for await (const chunk of response.body as ReadableStream<Uint8Array>) {
      seen += Buffer.from(chunk).toString();
      if (seenAt === 0 && seen.includes("code.delta")) seenAt = Date.now() - started;
      if (ranAt === 0 && seen.includes("interpreting")) ranAt = Date.now() - started;
    }
    expect(seenAt).toBeGreaterThan(0);
    expect(ranAt - seenAt).toBeGreaterThan(50);
  });
});

describe("what the model receives", () => {
  test("is the tool with the operator's limits, the model's key, and no other secret", async () => {
    await respond(rig, { tools: [TOOL], inputs: script({ text: "hello" }), instructions: "Be brief." });
    const [asked] = await rig.model.asked();
    expect(asked?.path).toBe("/v1/chat/completions");
    expect(asked?.headers.authorization).toBe(`Bearer ${MODEL_KEY}`);
    expect(asked?.body).toMatchObject({ model: "scripted", tool_choice: "auto", stream: true, max_tokens: 16_384 });
    expect(asked?.body.messages[0].content).toMatch(/^Be brief\.\n\n/);
    const { description } = asked?.body.tools[0].function ?? {};
    for (const claim of ["30 seconds", "512 MiB", "no network", "nothing can be installed", "pandas"]) expect(description).toContain(claim);
  });

  test("is what code printed, its tracebacks, and the limits that it reached", async () => {
    rig.onCode = () => ({
      outputs: [
        text("before"),
        {
          type: "error",
          name: "ZeroDivisionError",
          value: "division by zero",
          traceback: ["Traceback:", "  line 2", "ZeroDivisionError: division by zero"],
          line: 2,
        },
      ],
      end: { status: "failed", cause: "exception" },
    });
    const failing = await respond(rig, { tools: [TOOL], inputs: script({ code: "1/0" }, { text: "It failed." }) });
    expect(failing.body.status).toBe("completed");
    expect(failing.body.output[0]).toMatchObject({ status: "failed", cause: "exception" });
    rig.onCode = () => ({ outputs: [text("half")], end: { status: "incomplete", cause: "timeout", evidence: { limit_value: 30_000 } } });
    await respond(rig, { tools: [TOOL], inputs: script({ code: "while True: pass" }, { text: "It took too long." }) });
    const received = (await rig.model.asked()).flatMap((asked) =>
      asked.body.messages.filter((message: { role: string }) => message.role === "tool"),
    );
    expect(received.map((message) => message.content)).toEqual([
      "before\nTraceback:\n  line 2\nZeroDivisionError: division by zero",
      "half\n[Stopped: the code ran longer than 30 seconds.]",
    ]);
  });

  test("of long output is its beginning and end, and the length of the cut", async () => {
    rig.onCode = () => ({ outputs: [text(`begin${"x".repeat(100_000)}end`)] });
    await respond(rig, { tools: [TOOL], inputs: script({ code: "1" }, { text: "long" }) });
    const { content } = (await rig.model.asked()).at(-1)?.body.messages.at(-1) ?? {};
    expect(content.length).toBeLessThan(17_000);
    expect(content).toMatch(/^begin.*\n\[… \d+ characters left out; print less …\]\n.*end$/s);
  });
});

describe("several blocks of code", () => {
  test("run one after another in one session, in the model's order", async () => {
    const both = [
      { name: "code_interpreter", arguments: '{"code":"a = 1 # first"}' },
      { name: "code_interpreter", arguments: '{"code":"print(a) # second"}' },
    ];
    const answer = await respond(rig, { tools: [TOOL], inputs: script({ calls: both }, { code: "# third" }, { text: "all ran" }) });
    expect(rig.ran).toEqual(["a = 1 # first", "print(a) # second", "# third"]);
    const { output } = answer.body;
    expect(output.map((item: { type: string }) => item.type)).toEqual([...Array(3).fill("code_interpreter_call"), "message"]);
    expect(new Set(output.slice(0, 3).map((item: { container_id: string }) => item.container_id)).size).toBe(1);
    const last = (await rig.model.asked()).at(-1)?.body.messages;
    expect(last.map((message: { role: string }) => message.role)).toEqual([
      "system",
      "user",
      "assistant",
      "tool",
      "tool",
      "assistant",
      "tool",
    ]);
  });

  test("are bounded by max_tool_calls, after which the model must answer", async () => {
    const calls = ["# 1", "# 2", "# 3"].map((code) => ({ code }));
    const answer = await respond(rig, {
      tools: [TOOL],
      max_tool_calls: 2,
      inputs: script(calls[0] ?? {}, calls[1] ?? {}, { text: "enough" }),
    });
    expect(answer.body).toMatchObject({ status: "completed", max_tool_calls: 2 });
    const asked = await rig.model.asked();
    expect(asked.at(-1)?.body.tools).toBeUndefined();
    expect(asked.at(-1)?.body.messages.at(-1).content).toMatch(/bound of tool calls/);
  });

  test("without end are stopped by the bound, and the response is incomplete", async () => {
    const answer = await respond(rig, { tools: [TOOL], max_tool_calls: 3, inputs: script({ code: "# again" }) });
    expect(answer.body).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_tool_calls" } });
    expect(rig.ran.length).toBe(3);
  });
});

describe("code that cannot be run", () => {
  test.each([
    ["whose arguments are no JSON", { arguments: '{"code": "print(1)' }],
    ["without code", { arguments: '{"language": "python"}' }],
    ["that is empty", { code: "  " }],
  ])("%s runs nothing, and a note explains the call to the model", async (_, turn) => {
    const answer = await respond(rig, { tools: [TOOL], inputs: script(turn, { code: "# ok" }, { text: "fine" }) });
    expect(rig.ran).toEqual(["# ok"]);
    expect(answer.body.output.map((item: { status: string }) => item.status)).toEqual(["failed", "completed", "completed"]);
    expect((await rig.model.asked())[1]?.body.messages.at(-1).content).toMatch(/The code was not run/);
  });

  test("for an unknown tool gets a note, and fails the response after a few attempts", async () => {
    const calls = [{ name: "browser", arguments: "{}" }];
    const patient = await respond(rig, { tools: [TOOL], inputs: script({ calls }, { text: "fine" }) });
    expect(patient.body).toMatchObject({ status: "completed" });
    const stubborn = await respond(rig, { tools: [TOOL], inputs: script({ calls }) });
    expect(stubborn.body).toMatchObject({ status: "failed", error: { code: "model_broken_answer" } });
  });
});

test("a refusal by the model is a part of its message", async () => {
  const events = await streamOf(rig, { input: script({ refusal: "I cannot do that." }) });
  expect(names(events)).toEqual([
    "created",
    "in_progress",
    "output_item.added",
    "content_part.added",
    "refusal.delta",
    "refusal.done",
    "content_part.done",
    "output_item.done",
    "completed",
  ]);
  expect(events.at(-1).response.output[0].content).toEqual([{ type: "refusal", refusal: "I cannot do that." }]);
});

test.each([
  ["length", "max_output_tokens"],
  ["content_filter", "content_filter"],
])("an answer with finish reason %s is incomplete, with the reason", async (finish, reason) => {
  const answer = await respond(rig, { inputs: script({ text: "half of", finish }) });
  expect(answer.body).toMatchObject({ status: "incomplete", incomplete_details: { reason } });
  expect(answer.body.output[0]).toMatchObject({ status: "incomplete", content: [{ text: "half of" }] });
});

test("files are cited where the message mentions them", async () => {
  const file = {
    type: "file",
    file_id: `file_${"1".repeat(24)}`,
    url: "/f",
    name: "out/plot.png",
    mime_type: "image/png",
    bytes: 1,
    sha256: "0".repeat(64),
    change: "created",
  } as const;
  rig.onCode = () => ({ outputs: [file] });
  const said = "See out/plot.png for it.";
  const events = await streamOf(rig, { tools: [TOOL], input: script({ code: "plot()" }, { text: said }) });
  const annotation = {
    type: "container_file_citation",
    container_id: expect.stringMatching(/^cntr_/),
    file_id: file.file_id,
    filename: "out/plot.png",
    start_index: 4,
    end_index: 16,
  };
  expect(events.find((event) => event.type === "response.output_text.annotation.added")).toMatchObject({ annotation_index: 0, annotation });
  expect(events.at(-1).response.output[1].content[0].annotations).toEqual([annotation]);
  expect((await rig.model.asked())[1]?.body.messages.at(-1).content).toContain('[file "out/plot.png" created, 1 bytes: /f]');
});

test("a server that does not stream is supported", async () => {
  const answer = await respond(rig, { tools: [TOOL], inputs: script({ code: "# whole", whole: true }, { text: "whole", whole: true }) });
  expect(answer.body).toMatchObject({ status: "completed" });
  expect(rig.ran).toEqual(["# whole"]);
});

test("metrics count responses by their end, without any content", async () => {
  await respond(rig, { tools: [TOOL], inputs: script({ code: "print('private')" }, { text: "private" }), metadata: { secret: "private" } });
  await respond(rig, { inputs: script({ status: 401 }) });
  const text = await rig.api.deps.metrics.registry.metrics();
  expect(text).toMatch(/code_interpreter_responses_total\{status="completed",failure="none"\} [1-9]/);
  expect(text).toMatch(/code_interpreter_responses_total\{status="failed",failure="model_refused"\} 1/);
  expect(text).toMatch(/code_interpreter_responses_running 0/);
  expect(text).toMatch(/code_interpreter_model_first_event_seconds_count [1-9]/);
  expect(text).not.toContain("private");
});

test("our stream has the outputs of running code; OpenAI's does not", async () => {
  const turns = () => script({ code: "# live" }, { text: "ok" });
  const own = await streamOf(rig, { tools: [TOOL], inputs: turns() });
  expect(own.find((event) => event.type === "response.code_interpreter_call.output")).toMatchObject({
    output_index: 0,
    output: { type: "text", text: "live" },
  });
  expect(names(await streamOf(rig, { tools: [TOOL], input: turns() }))).not.toContain("code_interpreter_call.output");
});
