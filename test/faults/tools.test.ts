import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Caller, type FaultRig, prepareFaults, until } from "../support/faults/fault-rig.ts";
import { serveMcpTools } from "../support/servers/mcp-tools.mjs";
import type { Json } from "../support/servers/service.ts";

let rig: FaultRig;
beforeEach(async () => {
  rig = await prepareFaults();
});
afterEach(() => rig.close());

const tools = [{ type: "function", name: "f" }];
const twoCalls = "print(f(x=1) + f(x=2))";

/** The execution once it waits for its caller. */
function pendingOf(caller: Caller, id: string | null): Promise<Json> {
  return until("a call waits", async () => {
    const { json } = await caller.get(`/v1/executions/${id}`);
    return json.status === "requires_action" && json;
  });
}
const answerFirst = (caller: Caller, { id, pending_calls }: Json, output: number) =>
  caller.call("POST", `/v1/executions/${id}/tool_outputs`, { outputs: [{ call_id: pending_calls[0].call_id, output }] });

test("api killed between a call and its answer: another takes the answer, and nothing is lost", async () => {
  const [first, second] = [await rig.start("api"), await rig.start("api")];
  await rig.start("worker");
  const id = await rig.ledger.submit(await rig.caller(first), { code: twoCalls, tools });
  const caller = await rig.caller(second);
  const waiting = await pendingOf(caller, id);
  await first.kill();
  const next = (await answerFirst(caller, waiting, 20)).json;
  expect(next.pending_calls[0].arguments).toEqual({ x: 2 });
  expect((await answerFirst(caller, next, 1)).json.outputs[0].text).toBe("21\n");
  expect((await rig.settle()).ended).toEqual({ completed: 1 });
});

test("Redis away while an answer comes: the answer is refused, taken when sent again, and the code runs once", async () => {
  const service = await rig.start("all");
  const caller = await rig.caller(service);
  const id = await rig.ledger.submit(caller, { code: twoCalls, tools });
  const waiting = await pendingOf(caller, id);
  await rig.redis.kill();
  expect((await answerFirst(caller, waiting, 20)).json.code).toBe("queue_unavailable");
  await rig.redis.restart();
  const next = await until("the answer is taken", async () => {
    const answer = await answerFirst(caller, waiting, 20);
    return answer.status === 200 && answer.json;
  });
  expect((await answerFirst(caller, next, 1)).json.outputs[0].text).toBe("21\n");
  const { ended, repeated } = await rig.settle();
  expect({ ended, repeated }).toEqual({ ended: { completed: 1 }, repeated: 0 });
});

test("worker killed while a program waits: it starts again before the first answer, and never after it", { timeout: 180_000 }, async () => {
  const api = await rig.start("api");
  const doomed = await rig.start("worker");
  const caller = await rig.caller(api);
  const lostLater = await rig.ledger.submit(caller, { code: twoCalls, tools }, { endings: ["errored/worker_lost"] });
  await answerFirst(caller, await pendingOf(caller, lostLater), 20);
  const repeated = await rig.ledger.submit(caller, { code: twoCalls, tools });
  await pendingOf(caller, repeated);
  await doomed.kill();
  await rig.start("worker");
  const again = await until(
    "it waits again",
    async () => {
      const { json } = await caller.get(`/v1/executions/${repeated}`);
      return json.attempt === 2 && json.status === "requires_action" && json;
    },
    90_000,
  );
  const next = (await answerFirst(caller, again, 20)).json;
  expect((await answerFirst(caller, next, 1)).json.outputs[0].text).toBe("21\n");
  const lost = await until("the other has ended", async () => {
    const { json } = await caller.get(`/v1/executions/${lostLater}`);
    return json.status === "errored" && json;
  });
  expect([lost.cause, lost.retry_safe, lost.attempt]).toEqual(["worker_lost", false, 1]);
});

describe("an MCP server of the operator", () => {
  let folder: string;
  let apiEnv: Record<string, string>;
  let server: Awaited<ReturnType<typeof serveMcpTools>>;
  beforeEach(async () => {
    server = await serveMcpTools();
    folder = await mkdtemp(join(tmpdir(), "ci-mcp-servers-"));
    const file = join(folder, "servers.json");
    await writeFile(file, JSON.stringify({ crm: { url: server.url }, notes: { url: server.url, read_only: false } }));
    apiEnv = { MCP_SERVERS: file };
  });
  afterEach(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const textOf = (execution: Json) => execution.outputs.map((output: Json) => output.text).join("");
  const ended = (caller: Caller, id: string | null) =>
    until("it ends", async () => {
      const { json } = await caller.get(`/v1/executions/${id}`);
      return json.completed_at !== null && json;
    });

  test("api killed while it calls a server: another repeats a read-only call, and tells the code of any other", async () => {
    await rig.start("worker");
    const doomed = await rig.start("api", apiEnv);
    const caller = await rig.caller(doomed);
    const code = (label: string) => `try: print(${label}.slow())\nexcept ToolError as error: print(error)`;
    const readOnly = await rig.ledger.submit(caller, { code: code("crm"), mcp_servers: ["crm"] });
    const withEffects = await rig.ledger.submit(caller, { code: "print(notes.add_note_slowly())", mcp_servers: ["notes"] });
    await until("the calls are made", async () => server.waiting() === 2);
    await doomed.kill();
    const other = await rig.caller(await rig.start("api", apiEnv));
    await until("the read-only call is made again", async () => server.waiting() === 3);
    server.release();
    expect(textOf(await ended(other, readOnly))).toBe("done\n");
    const lost = await ended(other, withEffects);
    expect([lost.status, lost.tool_calls[0].outcome]).toEqual(["failed", "failed"]);
    expect(lost.outputs.at(-1).value).toContain("may have had effects");
    expect(server.waiting()).toBe(3);
  });

  test("server gone and back: the code gets an error, then answers", async () => {
    const caller = await rig.caller(await rig.start("all", apiEnv));
    const run = async (code: string) => ended(caller, await rig.ledger.submit(caller, { code, mcp_servers: ["crm"] }));
    expect(textOf(await run("print(crm.read_note(1))"))).toBe("note 1\n");
    const port = Number(new URL(server.url).port);
    await server.stop();
    expect(textOf(await run("try: crm.read_note(2)\nexcept ToolError as error: print(error)"))).toContain("its server cannot be reached");
    server = await serveMcpTools(port);
    expect(textOf(await run("print(crm.read_note(3))"))).toBe("note 3\n");
  });
});
