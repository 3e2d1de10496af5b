import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { script } from "../../support/servers/model-server.ts";
import { MODEL_KEY, names, type Rig, respond, startRig, streamOf, TOOL } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({
    limits: {
      modelFirstByteTimeoutMsMax: 400,
      modelIdleTimeoutMsMax: 400,
      modelCallTimeoutMsMax: 3_000,
      modelRetryWaitMsMax: 1_500,
      modelLineBytesMax: 20_000,
    },
  });
});
afterAll(() => rig.stop());
beforeEach(() => rig.model.asked());

const SPOKEN = { text: "A text that is long enough to be cut in its middle." };
const chunk = (delta: object) => `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`;

describe("a model that fails", () => {
  test.each([
    ["cuts its stream", "model_broken_answer", 1, { ...SPOKEN, cutAfter: 4 }],
    ["cuts its stream before the first event", "model_unavailable", 3, { ...SPOKEN, cutAfter: 0 }],
    ["ends without a finish reason", "model_broken_answer", 1, { raw: chunk({ content: "half" }) }],
    ["sends broken JSON", "model_broken_answer", 3, { raw: 'data: {"choices": [\n\n' }],
    ["sends an endless line", "model_broken_answer", 3, { raw: `data: ${"x".repeat(30_000)}` }],
    ["sends an error in its stream", "model_broken_answer", 3, { raw: 'data: {"error":{"message":"secret"}}\n\n' }],
    ["is silent", "model_timeout", 1, { pauseMs: 1_500, ...SPOKEN }],
    ["stops in the middle", "model_timeout", 1, { slowMs: 1_500, ...SPOKEN }],
    ["has server errors", "model_unavailable", 3, { status: 500 }],
    ["is overloaded for long", "model_rate_limited", 1, { status: 429, retryAfter: "60" }],
    ["refuses the key", "model_refused", 1, { status: 401 }],
  ])("and %s is reported as %s, after %i requests", async (_, code, times, turn) => {
    const answer = await respond(rig, { tools: [TOOL], inputs: script(turn) });
    expect([answer.status, answer.body.status, answer.body.error.code]).toEqual([200, "failed", code]);
    const asked = await rig.model.asked();
    expect(asked.length).toBe(times);
    for (const secret of ["secret", MODEL_KEY, "127.0.0.1"]) expect(JSON.stringify(answer.body)).not.toContain(secret);
  });

  test("keeps its partial text and marks it incomplete", async () => {
    const events = await streamOf(rig, { input: script({ ...SPOKEN, cutAfter: 4 }) });
    expect(names(events).slice(-4)).toEqual(["output_text.done", "content_part.done", "output_item.done", "failed"]);
    const { error, output } = events.at(-1).response;
    expect(error).toEqual({ code: "server_error", type: "server_error", message: "The model's answer was incomplete or malformed." });
    expect(output).toMatchObject([{ type: "message", status: "incomplete", content: [{ text: "A text that is " }] }]);
  });

  test.each([
    [{ status: 429, retryAfter: "60" }, 429, "model_rate_limited", "rate_limit_exceeded", "rate_limit_error", "true"],
    [
      { status: 400, error: { code: "context_length_exceeded", message: "x" } },
      400,
      "context_length_exceeded",
      "context_length_exceeded",
      "invalid_request_error",
      "false",
    ],
    [
      { status: 400, error: { message: "maximum context length is 8192 tokens" } },
      400,
      "context_length_exceeded",
      "context_length_exceeded",
      "invalid_request_error",
      "false",
    ],
    [{ status: 400, error: { message: "bad schema" } }, 400, "model_refused_request", "invalid_prompt", "invalid_request_error", "false"],
    [{ status: 401 }, 502, "model_refused", "server_error", "server_error", "false"],
    [{ status: 500 }, 502, "model_unavailable", "server_error", "server_error", "false"],
    [{ pauseMs: 1_500, ...SPOKEN }, 504, "model_timeout", "server_error", "server_error", "false"],
    [{ ...SPOKEN, cutAfter: 4 }, 502, "model_broken_answer", "server_error", "server_error", "false"],
  ])("with %j is an error for a waiting caller of OpenAI's dialect: %i %s", async (turn, status, code, openaiCode, type, retry) => {
    const answer = await respond(rig, { input: script(turn) });
    const { error, response } = answer.body;
    expect([answer.status, answer.body.code, error.code, error.type]).toEqual([status, code, openaiCode, type]);
    expect(answer.headers.get("x-should-retry")).toBe(retry);
    expect([response.status, response.error.code]).toEqual(["failed", openaiCode]);
    if (status === 429) expect(answer.headers.get("retry-after")).toBe("60");
    // The caller of a response in the background gets the response, and a reader of the stream its event.
    const begun = await respond(rig, { input: script(turn), background: true });
    expect([begun.status, begun.body.status]).toEqual([200, "in_progress"]);
    const last = (await streamOf(rig, { input: script(turn) })).at(-1);
    expect([last.type, last.response.error.type]).toEqual(["response.failed", type]);
  });
});

describe("a model that recovers", () => {
  test("is retried after the time it asked for", async () => {
    const started = Date.now();
    const answer = await respond(rig, { inputs: script({ status: 429, retryAfter: "1" }, { text: "now" }) });
    expect(answer.body.status).toBe("completed");
    expect(Date.now() - started).toBeGreaterThanOrEqual(1_000);
  });

  test("is retried after server errors and answers that break at the start", async () => {
    const answer = await respond(rig, { inputs: script({ status: 503 }, { cutAfter: 0, text: "x" }, { text: "now" }) });
    expect(answer.body.status).toBe("completed");
    expect(answer.body.output.length).toBe(1);
  });
});

test("a slow model that continues to send does not time out", async () => {
  const answer = await respond(rig, { inputs: script({ text: "slowly but surely", slowMs: 150 }) });
  expect(answer.body.output[0].content[0].text).toBe("slowly but surely");
});

test("a model that never ends is stopped by the time limit of a call", async () => {
  const answer = await respond(rig, { inputs: script({ text: "on and on ".repeat(50), slowMs: 100 }) });
  expect(answer.body).toMatchObject({ status: "failed", error: { code: "model_timeout" } });
});

test("without a model, new responses are 503 and name the variables; the rest works", async () => {
  const without = await startRig({ withoutModel: true });
  try {
    const answer = await respond(without, { inputs: "hello" });
    expect([answer.status, answer.body.error.code]).toEqual([503, "model_not_configured"]);
    expect(answer.body.detail).toMatch(/MODEL_BASE_URL.*MODEL_DEFAULT/);
    expect(answer.headers.get("x-should-retry")).toBe("false");
    const list = await fetch(`${without.api.url}/v1/assistants`, { headers: { authorization: `Bearer ${without.key}` } });
    expect(list.status).toBe(200);
  } finally {
    await without.stop();
  }
});
