import { afterAll, beforeAll, expect, test } from "vitest";
import { type Rig, startRig } from "../../api/assistant/rig.ts";
import { runPython } from "../../support/clients/python.ts";
import { script } from "../../support/servers/model-server.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());

const CONTEXT = { status: 400, error: { code: "context_length_exceeded", message: "too long" } };

test("openai in Python raises the class of OpenAI's API for each error", async () => {
  const cases: Array<[object, unknown[]]> = [
    [{ input: script({ status: 429, retryAfter: "60" }) }, ["RateLimitError", 429, "rate_limit_exceeded", "rate_limit_error", null]],
    [{ input: script(CONTEXT) }, ["BadRequestError", 400, "context_length_exceeded", "invalid_request_error", null]],
    [{ input: script({ status: 401 }) }, ["InternalServerError", 502, "server_error", "server_error", null]],
    [{ input: "x", temperature: 7 }, ["BadRequestError", 400, "invalid_field", "invalid_request_error", "temperature"]],
    [{}, ["BadRequestError", 400, "invalid_field", "invalid_request_error", "input"]],
    [
      { input: "x", previous_response_id: `resp_${"0".repeat(24)}` },
      ["NotFoundError", 404, "response_not_found", "invalid_request_error", "previous_response_id"],
    ],
  ];
  const requests = cases.map(([request]) => request);
  expect(await runPython("errors.py", { url: rig.api.url, key: rig.key }, requests)).toEqual(cases.map(([, raised]) => raised));
});
