import { createOpenAI } from "@ai-sdk/openai";
import { Agent, codeInterpreterTool, OpenAIProvider, Runner, setTracingDisabled, tool } from "@openai/agents";
import { generateText, type ModelMessage } from "ai";
import { generateText as generateText6, type ModelMessage as ModelMessage6, type ToolSet as ToolSet6 } from "ai-6";
import { createOpenAI as createOpenAI3 } from "ai-sdk-openai-3";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { type Body, type Rig, startRig } from "../../api/assistant/rig.ts";
import { runPython } from "../../support/clients/python.ts";
import { script } from "../../support/servers/model-server.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
  setTracingDisabled(true);
});
beforeEach(async () => {
  await rig.model.asked();
  rig.ran.length = 0;
  rig.sessions.created.length = 0;
});
afterAll(() => rig.stop());

const first = (withFunction: boolean) =>
  script({ code: "x = 1 # set" }, ...(withFunction ? [{ calls: [{ name: "lookup", arguments: '{"name":"it"}' }] }] : []), {
    text: "It is set.",
  });
const second = () => script({ code: "print(x) # one" }, { text: "It is one." });

/** What the model saw of the first turn's code in the second turn, and how many sandboxes there were. */
async function seen(): Promise<{ results: string[]; sandboxes: number; functions: string[] }> {
  const messages: Body[] = (await rig.model.asked()).at(-1)?.body.messages ?? [];
  const names = new Map<string, string>(
    messages.flatMap((one) => (one.tool_calls ?? []).map((call: Body) => [call.id, call.function.name])),
  );
  const outputs = (name: string) => messages.filter((one) => names.get(one.tool_call_id) === name).map((one) => one.content);
  return { results: outputs("code_interpreter"), functions: outputs("lookup"), sandboxes: rig.sessions.created.length };
}

describe("the second turn keeps the results of the first, and its container, with", () => {
  test.each(["agents", "pydantic_ai", "langchain"])("%s in Python", async (client) => {
    const inputs = [first(client !== "langchain"), second()];
    expect(await runPython("second_turn.py", { url: rig.api.url, key: rig.key }, { client, inputs })).toEqual(["It is set.", "It is one."]);
    expect(rig.ran).toEqual(["x = 1 # set", "print(x) # one"]);
    expect(await seen()).toEqual({ results: ["set", "one"], functions: client === "langchain" ? [] : ["it is 7"], sandboxes: 1 });
  });

  test("@openai/agents", async () => {
    const runner = new Runner({ modelProvider: new OpenAIProvider({ apiKey: rig.key, baseURL: `${rig.api.url}/v1`, useResponses: true }) });
    const lookup = tool({
      name: "lookup",
      description: "",
      parameters: z.object({ name: z.string() }),
      execute: ({ name }) => `${name} is 7`,
    });
    const agent = new Agent({ name: "a", model: "scripted", tools: [codeInterpreterTool(), lookup] });
    const one = await runner.run(agent, first(true));
    const two = await runner.run(agent, [...one.history, { role: "user", content: second() }]);
    expect([one.finalOutput, two.finalOutput]).toEqual(["It is set.", "It is one."]);
    expect(await seen()).toEqual({ results: ["set", "one"], functions: ["it is 7"], sandboxes: 1 });
  });

  test("version 6 of the AI SDK of Vercel", async () => {
    const provider = createOpenAI3({ apiKey: rig.key, baseURL: `${rig.api.url}/v1` });
    const options = {
      model: provider.responses("scripted"),
      // Its own types disagree with exactOptionalPropertyTypes.
      tools: { code_interpreter: provider.tools.codeInterpreter({}) } as unknown as ToolSet6,
      maxRetries: 0,
    };
    const messages: ModelMessage6[] = [{ role: "user", content: first(false) }];
    const one = await generateText6({ ...options, messages });
    messages.push(...one.response.messages, { role: "user", content: second() });
    const two = await generateText6({ ...options, messages });
    expect([one.text, two.text]).toEqual(["It is set.", "It is one."]);
    expect(await seen()).toEqual({ results: ["set", "one"], functions: [], sandboxes: 1 });
  });

  test.each([true, false])("the AI SDK of Vercel, with store %s", async (store) => {
    const provider = createOpenAI({ apiKey: rig.key, baseURL: `${rig.api.url}/v1` });
    const options = {
      model: provider.responses("scripted"),
      tools: { code_interpreter: provider.tools.codeInterpreter({}) },
      providerOptions: { openai: { store } },
      maxRetries: 0,
    };
    const messages: ModelMessage[] = [{ role: "user", content: first(false) }];
    const one = await generateText({ ...options, messages });
    messages.push(...one.response.messages, { role: "user", content: second() });
    const two = await generateText({ ...options, messages });
    expect([one.text, two.text]).toEqual(["It is set.", "It is one."]);
    expect(rig.ran).toEqual(["x = 1 # set", "print(x) # one"]);
    // The SDK leaves code calls out of what it sends back when responses are not stored.
    if (store) expect(await seen()).toEqual({ results: ["set", "one"], functions: [], sandboxes: 1 });
  });
});
