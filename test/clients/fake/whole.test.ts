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

describe("a stream with silences, a second turn with code and failures of the model reach", () => {
  test.each([
    [
      "litellm",
      "clients",
      [],
      {
        file: "a,b\n1,2\n",
        errors: [
          ["ContextWindowExceededError", 400],
          ["RateLimitError", 429],
        ],
      },
    ],
    [
      "agent_framework",
      "clients",
      [lookup],
      {
        errors: [
          ["ChatClientException", 400],
          ["ChatClientException", 429],
        ],
      },
    ],
    [
      "llama_index",
      "clients-behind",
      [],
      {
        errors: [
          ["BadRequestError", 400],
          ["RateLimitError", 429],
        ],
      },
    ],
  ] as const)("%s", async (client, group, calls, others) => {
    rig.ran.length = 0;
    rig.sessions.created.length = 0;
    const silent = script({ text: "After a silence.", ...SLOW });
    const first = script({ code: "x = 1 # set" }, ...calls, { text: "It is set." });
    const second = script({ code: "print(x) # one" }, { text: "It is one." });
    const input = { client, silent, first, second, ...failing };
    const seen = await runPython("whole.py", { url: rig.api.url, key: rig.key }, input, group);
    expect(seen).toEqual({ streamed: "After a silence.", texts: ["It is set.", "It is one."], ...others });
    expect(rig.ran).toEqual(["x = 1 # set", "print(x) # one"]);
    expect(rig.sessions.created).toHaveLength(1);
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
