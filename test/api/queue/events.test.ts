import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ReadEvent } from "../../../src/domain/result.ts";
import { StoredJson } from "../../../src/domain/stored-json.ts";
import { outputScript } from "../../../src/queue/executions/run-scripts.ts";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig } from "./rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig.close();
});

const never = new AbortController().signal;

async function all(id: string, after: string | null = null): Promise<Array<{ id: string; event: ReadEvent }>> {
  const found = [];
  for await (const event of rig.executionService.events("org_a", id, after, never)) found.push(event);
  return found;
}

/** Adjacent text events are joined, because timing decides where text is cut. */
function summaryOf(events: Array<{ event: ReadEvent }>): string[] {
  const lines: string[] = [];
  for (const { event } of events) {
    if (event.type !== "execution.output") lines.push(event.type);
    else if (event.output instanceof StoredJson) lines.push("large");
    else if (event.output.type === "text") {
      const last = lines.at(-1);
      if (last?.startsWith(event.output.stream)) lines[lines.length - 1] = last + event.output.text;
      else lines.push(`${event.output.stream} ${event.output.text}`);
    } else lines.push(event.output.type);
  }
  return lines;
}

describe("the events of an execution", () => {
  test("arrive in order while it runs, and finish with its end", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(newExecution());
    const reading = all(execution.id);
    const { ports, finish } = await engine.started(0);
    for (let at = 0; at < 300; at++) await ports.emit({ type: "text", stream: "stdout", text: `${at},` });
    await ports.emit({ type: "text", stream: "stderr", text: "warning" });
    await ports.emit({ type: "result", text: "42" });
    await ports.emit({ type: "text", stream: "stdout", text: "end" });
    finish();
    const events = await reading;
    const numbers = Array.from({ length: 300 }, (_, at) => `${at},`).join("");
    expect(summaryOf(events)).toEqual([
      "execution.started",
      `stdout ${numbers}`,
      "stderr warning",
      "result",
      "stdout end",
      "execution.ended",
    ]);
    expect(events.length).toBeLessThan(300);
    expect(events.at(-1)?.event).toMatchObject({ execution: { id: execution.id, status: "completed", outputs: [{ text: "hello" }] } });
  });

  test("are visible while the program still runs", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(newExecution());
    const run = await engine.started(0);
    await run.ports.emit({ type: "text", stream: "stdout", text: "now" });
    for await (const { event } of rig.executionService.events("org_a", execution.id, null, never)) {
      if (event.type === "execution.output") break;
    }
    expect(await rig.executionService.get("org_a", execution.id)).toMatchObject({ status: "in_progress" });
    run.finish();
  });

  test("of a cancelled run contain what it printed until then", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(newExecution());
    const run = await engine.started(0);
    run.stop.addEventListener("abort", () => void run.ports.emit({ type: "result", text: "last words" }), { once: true });
    await rig.executionService.cancel("org_a", execution.id);
    expect(summaryOf(await all(execution.id))).toEqual(["execution.started", "result", "execution.ended"]);
  });

  test("can be resumed after any of them, by any process, without loss or repeat", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(newExecution());
    const { ports, finish } = await engine.started(0);
    for (const text of ["1", "2", "3"]) {
      await ports.emit({ type: "result", text });
    }
    finish();
    await rig.executionService.waitForEnd("org_a", execution.id, 5_000);
    const events = await all(execution.id);
    expect(events).toHaveLength(5);
    for (let at = 0; at < events.length; at++) expect(await all(execution.id, events[at]?.id)).toEqual(events.slice(at + 1));
  });

  test("contain only the end when the stream has expired before the record", async () => {
    await rig.worker(new FakeEngine({ immediate: true }));
    const { execution } = await rig.executionService.submit(newExecution());
    await rig.executionService.waitForEnd("org_a", execution.id, 5_000);
    await rig.plain.del(`{ci}:stream:org_a:${execution.id}`);
    expect(summaryOf(await all(execution.id))).toEqual(["execution.ended"]);
  });

  test("are added once when a batch is sent twice, and not from a superseded attempt or after the end", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine, { concurrency: 1, timing: { lockMs: 1_000, lockRenewMs: 400, stalledCheckMs: 300 } });
    const { execution } = await rig.executionService.submit(newExecution());
    await engine.started(0);
    const send = (attempt: number, batch: number, ...texts: string[]) =>
      outputScript.run(
        rig.plain,
        "{ci}",
        { organization: "org_a", id: execution.id, attempt, batchNumber: batch },
        texts.map((text) => JSON.stringify({ type: "result", text })),
      );
    expect(await send(1, 1, "a", "b")).toBe(2);
    expect(await send(1, 1, "a", "b")).toBe(0);
    expect(await send(1, 2, "c")).toBe(1);
    await rig.plain.set(`{ci}:executions:${execution.id}:lock`, "another worker", "PX", 500);
    const second = await engine.started(1);
    expect(await send(1, 3, "late")).toBe(0);
    expect(await send(2, 1, "d")).toBe(1);
    second.finish();
    await rig.executionService.waitForEnd("org_a", execution.id, 5_000);
    expect(await send(2, 2, "after the end")).toBe(0);
    const started = "execution.started";
    expect(summaryOf(await all(execution.id))).toEqual([started, "result", "result", "result", started, "result", "execution.ended"]);
    expect(await rig.plain.pttl(`{ci}:stream:org_a:${execution.id}`)).toBeGreaterThan(0);
  });

  test("are hidden from other organizations, and stop when the reader disconnects", async () => {
    const { execution } = await rig.executionService.submit(newExecution());
    const foreign = [];
    for await (const event of rig.executionService.events("org_b", execution.id, null, never)) foreign.push(event);
    expect(foreign).toEqual([]);
    const gone = new AbortController();
    const reading = (async () => {
      for await (const _ of rig.executionService.events("org_a", execution.id, null, gone.signal));
    })();
    gone.abort();
    await reading;
  });

  test("apply backpressure to a flood of output and stay bounded", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(newExecution());
    const { ports, finish } = await engine.started(0);
    for (let at = 0; at < 20_000; at++) await ports.emit({ type: "text", stream: "stdout", text: "x".repeat(1024) });
    finish();
    await rig.executionService.waitForEnd("org_a", execution.id, 10_000);
    expect(await rig.plain.xlen(`{ci}:stream:org_a:${execution.id}`)).toBeLessThan(2_000);
  });
});
