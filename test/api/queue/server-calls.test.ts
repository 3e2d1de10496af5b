import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ToolAnswer } from "../../../src/domain/tools.ts";
import { READS_UP_TO, RECORD_VERSION } from "../../../src/queue/core/version.ts";
import { takeServerCallsScript } from "../../../src/queue/tools/scripts.ts";
import { type CallableServers, ServerCalls } from "../../../src/queue/tools/server-calls.ts";
import { FakeEngine, type FakeRun } from "../../support/fakes/fake-engine.ts";
import { log, makeRig, newExecution, type Rig, request } from "./rig.ts";

const servers = [
  {
    label: "crm",
    tools: [
      { name: "crm.search", tool: "search", readOnly: true },
      { name: "crm.add_note", tool: "add-note", readOnly: false },
    ],
  },
];
const withServers = () => newExecution({ request: request({ mcp_servers: ["crm"] }), servers });

let rig: Rig;
const apis: ServerCalls[] = [];
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  for (const api of apis.splice(0)) await api.stop(0);
  await rig.close();
});

type Made = Parameters<CallableServers["call"]>[0];

/** An api process that answers calls so, and the calls that it made. */
function api(answer: (call: Made, signal: AbortSignal) => Promise<ToolAnswer>, room = 64) {
  const made: Made[] = [];
  const calls = new ServerCalls({
    redis: rig.redis,
    prefix: "ci",
    log,
    answerMsMax: 60_000,
    servers: {
      room: () => [["crm", room]],
      call: (call, signal) => {
        made.push(call);
        return answer(call, signal);
      },
    },
  });
  apis.push(calls);
  return made;
}
const found = async () => ({ outcome: "output" as const, json: "[1]" });
const hanging = (_: Made, signal: AbortSignal) =>
  new Promise<ToolAnswer>((resolve) => signal.addEventListener("abort", () => resolve({ outcome: "timeout", json: "" })));

async function runningCode(): Promise<{ id: string; run: FakeRun }> {
  const engine = new FakeEngine();
  await rig.worker(engine);
  const { execution } = await rig.executionService.submit(withServers());
  return { id: execution.id, run: await engine.started(0) };
}

function callServer(
  { ports }: FakeRun,
  name = "crm.search",
  callId = "call_1",
  signal = new AbortController().signal,
): Promise<ToolAnswer> {
  if (ports.tools === undefined) throw new Error("the run has no tools");
  return ports.tools.call({ callId, name, argumentsJson: '{"query":"Ann"}' }, signal);
}

describe("a call to an MCP server", () => {
  test("is made by an api process, and its caller sees nothing of it", async () => {
    const { id, run } = await runningCode();
    const answered = callServer(run);
    expect((await rig.executionService.get("org_a", id))?.status).toBe("in_progress");
    const made = api(found);
    expect(await answered).toEqual({ outcome: "output", json: "[1]" });
    expect(made).toEqual([{ organization: "org_a", label: "crm", tool: "search", name: "crm.search", args: { query: "Ann" } }]);
    const stream: string[] = [];
    run.finish();
    for await (const { event } of rig.executionService.events("org_a", id, null, new AbortController().signal)) stream.push(event.type);
    expect(stream).toEqual(["execution.started", "execution.ended"]);
    expect(await rig.plain.keys("{ci}:server-call*")).toEqual([]);
  });

  test("is made once, by one of several processes", async () => {
    const one = api(found);
    const other = api(found);
    const { run } = await runningCode();
    const answers = await Promise.all(Array.from({ length: 40 }, (_, at) => callServer(run, "crm.search", `call_${at}`)));
    expect(answers.every(({ json }) => json === "[1]")).toBe(true);
    expect(one.length + other.length).toBe(40);
  });

  test("waits for room, and for a process that has its server", async () => {
    const { run } = await runningCode();
    const answered = [callServer(run, "crm.search", "call_1"), callServer(run, "crm.search", "call_2")];
    const made = api(found, 1);
    expect((await Promise.all(answered)).map(({ outcome }) => outcome)).toEqual(["output", "output"]);
    expect(made).toHaveLength(2);
  });

  test("that does not wait any more is ended at the server", async () => {
    const { run } = await runningCode();
    let ended = false;
    const made = api(async (call, signal) => {
      const answer = await hanging(call, signal);
      ended = true;
      return answer;
    });
    const late = new AbortController();
    const answered = callServer(run, "crm.search", "call_1", late.signal);
    await expect.poll(() => made.length).toBe(1);
    late.abort("timeout");
    expect(await answered).toEqual({ outcome: "timeout", json: "" });
    await expect.poll(() => ended, { timeout: 10_000 }).toBe(true);
  });

  test("of an execution that has ended meanwhile is not made", async () => {
    const { run, id } = await runningCode();
    void callServer(run);
    await expect.poll(() => rig.plain.hlen("{ci}:server-calls")).toBe(1);
    run.finish();
    await rig.executionService.waitForEnd("org_a", id, 20_000);
    const made = api(found);
    await expect.poll(() => rig.plain.hlen("{ci}:server-calls"), { timeout: 10_000 }).toBe(0);
    expect(made).toEqual([]);
  });
});

describe("a process that is gone", () => {
  /** Takes all calls, as a process does that ends before it has made them. */
  const takeAndDie = () => takeServerCallsScript.run(rig.redis, "{ci}", { leaseMs: 1 }, ["crm", 64]);

  test("leaves calls without effects to another", async () => {
    const { run } = await runningCode();
    const answered = callServer(run);
    await expect.poll(async () => (await takeAndDie()).length).toBe(1);
    const made = api(found);
    expect(await answered).toEqual({ outcome: "output", json: "[1]" });
    expect(made).toHaveLength(1);
  });

  test("ends calls that may have had effects: they are not made twice", async () => {
    const { run } = await runningCode();
    const answered = callServer(run, "crm.add_note");
    await expect.poll(async () => (await takeAndDie()).length).toBe(1);
    const made = api(found);
    expect(await answered).toMatchObject({ outcome: "failed", json: expect.stringContaining("may have had effects") });
    expect(made).toEqual([]);
  });
});

describe("an execution with MCP servers", () => {
  test("is of the version that knows them, and one without is not", async () => {
    await rig.worker(new FakeEngine());
    const { execution } = await rig.executionService.submit(withServers());
    expect(await rig.plain.hget(`{ci}:record:org_a:${execution.id}`, "v")).toBe(String(READS_UP_TO));
    const { execution: other } = await rig.executionService.submit(newExecution());
    expect(await rig.plain.hget(`{ci}:record:org_a:${other.id}`, "v")).toBe(String(RECORD_VERSION));
  });

  test("is not safe to retry once a tool with effects was called", async () => {
    const { run } = await runningCode();
    api(found);
    await callServer(run);
    expect(run.ports.tools?.mayHaveEffects()).toBe(false);
    await callServer(run, "crm.add_note", "call_2");
    expect(run.ports.tools?.mayHaveEffects()).toBe(true);
  });
});
