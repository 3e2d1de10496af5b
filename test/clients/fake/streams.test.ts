import { createOpenAI } from "@ai-sdk/openai";
import { Agent, OpenAIProvider, Runner, setTracingDisabled } from "@openai/agents";
import { streamText } from "ai";
import { streamText as streamText6 } from "ai-6";
import { createOpenAI as createOpenAI3 } from "ai-sdk-openai-3";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Rig, startRig } from "../../api/assistant/rig.ts";
import { runPython } from "../../support/clients/python.ts";
import { script } from "../../support/servers/model-server.ts";

let rig: Rig;
beforeAll(async () => {
  // Many pings fit into a silence, as in 20 s with the default of 15 s.
  rig = await startRig({ limits: { streamPingMs: 20 } });
  setTracingDisabled(true);
});
afterAll(() => rig.stop());

/** Silent before the first event, and again between all others. */
const silent = () => script({ text: "After a silence.", piece: 4, pauseMs: 200, slowMs: 100 });
const baseURL = () => `${rig.api.url}/v1`;

describe.concurrent("a stream with silences is read to its end by", () => {
  test.each(["openai", "openai_accumulated", "langchain", "agents", "pydantic_ai"])("%s in Python", async (client) => {
    expect(await runPython("stream.py", { url: rig.api.url, key: rig.key }, { client, input: silent() })).toBe("After a silence.");
  });

  test("openai in JavaScript", async () => {
    const client = new OpenAI({ baseURL: baseURL(), apiKey: rig.key, maxRetries: 0 });
    expect((await client.responses.stream({ model: "scripted", input: silent() }).finalResponse()).output_text).toBe("After a silence.");
  });

  test("@openai/agents", async () => {
    const runner = new Runner({ modelProvider: new OpenAIProvider({ apiKey: rig.key, baseURL: baseURL(), useResponses: true }) });
    const result = await runner.run(new Agent({ name: "a", model: "scripted" }), silent(), { stream: true });
    await result.completed;
    expect(result.finalOutput).toBe("After a silence.");
  });

  test("the AI SDK of Vercel, versions 6 and 7", async () => {
    const settings = { apiKey: rig.key, baseURL: baseURL() };
    const six = streamText6({ model: createOpenAI3(settings).responses("scripted"), prompt: silent(), maxRetries: 0 });
    const seven = streamText({ model: createOpenAI(settings).responses("scripted"), prompt: silent(), maxRetries: 0 });
    expect([await six.text, await seven.text]).toEqual(["After a silence.", "After a silence."]);
  });
});
