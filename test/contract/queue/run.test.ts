import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeEngine } from "../../support/fake-engine.ts";
import { makeRig, newExecution, type Rig, request } from "./rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig.close();
});

describe("an execution through the queue", () => {
  test("comes back to its waiter as the engine ended it", async () => {
    await rig.worker(new FakeEngine({ immediate: true }));
    const { execution } = await rig.producer.submit(newExecution({ request: request({ metadata: { a: "b" } }) }));
    expect(execution).toMatchObject({ status: "queued", attempt: 0, metadata: { a: "b" } });
    const ended = await rig.producer.waitForEnd("org_a", execution.id, 5_000);
    expect(ended).toMatchObject({ status: "completed", outputs: [{ text: "hello" }], attempt: 1, code: "print('hello')" });
    expect(ended.usage?.queue_ms).toBe((ended.started_at ?? 0) - ended.created_at);
  });

  test("adds at most 10 ms at the median", async () => {
    await rig.worker(new FakeEngine({ immediate: true }));
    const times: number[] = [];
    for (let at = 0; at < 60; at++) {
      const from = performance.now();
      const { execution } = await rig.producer.submit(newExecution());
      await rig.producer.waitForEnd("org_a", execution.id, 5_000);
      times.push(performance.now() - from);
    }
    const median = times.sort((a, b) => a - b)[30];
    console.log({ median });
    expect(median).toBeLessThan(10);
  });
});
