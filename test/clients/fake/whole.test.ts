import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Rig, startRig } from "../../api/assistant/rig.ts";
import { runPython } from "../../support/clients/python.ts";
import { script } from "../../support/servers/model-server.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ limits: { streamPingMs: 20 } });
});
afterAll(() => rig.stop());

const SLOW = { piece: 4, pauseMs: 200, slowMs: 50 };
const lookup = { calls: [{ name: "lookup", arguments: '{"name":"it"}' }] };
const failing = {
  too_long: script({ status: 400, error: { code: "context_length_exceeded", message: "too long" } }),
  limited: script({ status: 429, retryAfter: "60" }),
};

describe.concurrent("a stream with silences, a second turn with code and failures of the model reach", () => {
  test.each([
    { client: "litellm", group: "clients", calls: [], file: "a,b\n1,2\n", errors: ["ContextWindowExceededError", "RateLimitError"] },
    { client: "agent_framework", group: "clients", calls: [lookup], errors: ["ChatClientException", "ChatClientException"] },
    { client: "llama_index", group: "clients-behind", calls: [], errors: ["BadRequestError", "RateLimitError"] },
  ] as const)("$client", async ({ client, group, calls, errors: [tooLong, limited], ...file }) => {
    const silent = script({ text: "After a silence.", ...SLOW });
    const first = script({ code: `${client} = 1 # set` }, ...calls, { text: "It is set." });
    const second = script({ code: `print(${client}) # one` }, { text: "It is one." });
    const input = { client, silent, first, second, ...failing };
    const seen = await runPython("whole.py", { url: rig.api.url, key: rig.key }, input, group);
    const errors = [tooLong, limited].map((name, index) => [name, index === 0 ? 400 : 429]);
    expect(seen).toEqual({ streamed: "After a silence.", texts: ["It is set.", "It is one."], ...file, errors });
    const ran = [...rig.api.executions.stored.values()].map((one) => one.submission.request).filter(({ code }) => code.includes(client));
    expect(ran.map(({ code }) => code)).toEqual([`${client} = 1 # set`, `print(${client}) # one`]);
    expect(new Set(ran.map(({ container }) => container)).size).toBe(1);
  });

  test("instructor, as structured answers", async () => {
    const answer = (name: string, text: string) => script({ calls: [{ name, arguments: JSON.stringify({ text }) }], ...SLOW });
    const [first, second] = [answer("Answer", "It is set."), answer("Answer", "It is one.")];
    const input = { client: "instructor", silent: answer("PartialAnswer", "After a silence."), first, second, ...failing };
    expect(await runPython("whole.py", { url: rig.api.url, key: rig.key }, input, "clients-behind")).toEqual({
      streamed: "After a silence.",
      texts: ["It is set.", "It is one."],
      errors: [
        ["InstructorRetryException", 400],
        ["InstructorRetryException", 429],
      ],
    });
  });
});
