import { afterEach, beforeEach, expect, test } from "vitest";
import { type Caller, type FaultRig, prepareFaults, until } from "../support/faults/fault-rig.ts";
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
