import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ReadEvent, wholeExecution } from "../../../src/domain/result.ts";
import { StoredJson } from "../../../src/domain/stored-json.ts";
import { completedEnd, FakeEngine } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig } from "./rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(() => rig.close());

/** Does not compress well, so that it has several parts of full size. */
const text = randomBytes(1_000_000).toString("base64");
const recordKey = (id: string) => `{ci}:record:org_a:${id}`;
const outputsKey = (id: string) => `{ci}:outputs:org_a:${id}`;

async function ended(prepare: (id: string) => Promise<unknown> = async () => undefined): Promise<string> {
  const engine = new FakeEngine();
  const { execution } = await rig.executionService.submit(newExecution());
  await prepare(execution.id);
  await rig.worker(engine);
  const run = await engine.started(0);
  await run.ports.emit({ type: "text", stream: "stdout", text });
  run.finish(completedEnd(text));
  await rig.executionService.waitForEnd("org_a", execution.id, 10_000);
  return execution.id;
}

test("large outputs are not in the record; they are read part by part, and expire with it", async () => {
  const id = await ended();
  const found = await rig.executionService.get("org_a", id);
  const outputs = found?.outputs as StoredJson;
  expect(outputs).toBeInstanceOf(StoredJson);
  expect(() => JSON.stringify(found)).toThrow("piece by piece");
  expect((await rig.plain.hget(recordKey(id), "end"))?.length).toBeLessThan(2_000);
  let length = 0;
  for await (const part of outputs.parts()) {
    length += part.length;
    expect(part.length).toBeLessThanOrEqual(256 * 1024);
  }
  expect(length).toBe(outputs.bytes);
  if (found !== null) expect((await wholeExecution(found)).outputs).toEqual(completedEnd(text).outputs);
  expect(await rig.plain.pexpiretime(outputsKey(id))).toBe(await rig.plain.pexpiretime(recordKey(id)));
});

test("a deleted execution leaves no outputs and no stored bytes, and a reader of them fails", async () => {
  const id = await ended();
  const kept = async () => Object.values(await rig.plain.hgetall("{ci}:kept:org_a")).reduce((sum, bytes) => sum + Number(bytes), 0);
  expect(await kept()).toBeGreaterThan(900_000);
  const outputs = (await rig.executionService.get("org_a", id))?.outputs as StoredJson;
  const reader = outputs.parts()[Symbol.asyncIterator]();
  await reader.next();
  expect(await rig.executionService.delete("org_a", id)).toBe(true);
  expect((await rig.plain.keys("*")).filter((key) => key.includes(id))).toEqual([]);
  expect(await kept()).toBe(0);
  await expect(reader.next()).rejects.toThrow("gone");
});

test("an execution that a process of version 1 accepted is stored as that version reads it", async () => {
  const id = await ended((queued) => rig.plain.hset(recordKey(queued), "v", "1"));
  expect(await rig.plain.hget(recordKey(id), "end_zipped")).toBe("1");
  expect(await rig.plain.exists(outputsKey(id))).toBe(0);
  expect((await rig.executionService.get("org_a", id))?.outputs).toEqual(completedEnd(text).outputs);
});

test("a large output in the event stream stays text, and many readers take turns", async () => {
  const id = await ended();
  const read = async () => {
    const events: ReadEvent[] = [];
    for await (const { event } of rig.executionService.events("org_a", id, null, AbortSignal.timeout(20_000))) events.push(event);
    return events;
  };
  for (const [started, output, end] of await Promise.all(Array.from({ length: 20 }, read))) {
    expect([started?.type, output?.type, end?.type]).toEqual(["execution.started", "execution.output", "execution.ended"]);
    if (output?.type === "execution.output") {
      expect(await (output.output as StoredJson).value()).toEqual({ type: "text", stream: "stdout", text });
    }
  }
});
