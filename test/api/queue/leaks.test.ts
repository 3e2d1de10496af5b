import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig, request } from "./rig.ts";

/** Permanent keys of BullMQ: metadata, job counter, worker marker and the bounded event stream. */
const bullmqOwn = /^\{ci\}:(executions|webhooks):(meta|id|marker|events|pc|stalled-check|stalled)$/;

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig.close();
});

test("after every kind of end, all keys of the service expire and share one hash tag, and no job is left", async () => {
  const engine = new FakeEngine();
  await rig.worker(engine, { timing: { sweepMs: 20, webhookBackoffMs: 5 } });
  const webhook = { url: "http://127.0.0.1:1/", secret: "0123456789abcdef" };
  const { executionService } = rig;
  const idempotency = { key: "k", bodySha256: "a".repeat(64) };
  const done = (await executionService.submit(newExecution({ idempotency, request: request({ webhook, priority: "high" }) }))).execution;
  const run = await engine.started(0);
  await run.ports.emit({ type: "result", text: "1" });
  run.finish();
  await executionService.waitForEnd("org_a", done.id, 5_000);
  const cancelled = (await executionService.submit(newExecution({ organization: "org_b" }))).execution;
  await engine.started(1);
  await executionService.cancel("org_b", cancelled.id);
  const failed = (await executionService.submit(newExecution())).execution;
  (await engine.started(2)).fail(new Error("a bug"));
  await executionService.waitForEnd("org_a", failed.id, 5_000);
  const deleted = (await executionService.submit(newExecution())).execution;
  (await engine.started(3)).finish();
  await executionService.waitForEnd("org_a", deleted.id, 5_000);
  await executionService.delete("org_a", deleted.id);
  const running = (await executionService.submit(newExecution())).execution;
  await engine.started(4);
  for (const key of await rig.plain.keys("*")) {
    expect(key.startsWith("{ci}:"), key).toBe(true);
    if (key.startsWith("{ci}:executions:") || key.startsWith("{ci}:webhooks:")) continue;
    expect(await rig.plain.pttl(key), key).toBeGreaterThan(0);
  }
  engine.runs[4]?.finish();
  await executionService.waitForEnd("org_a", running.id, 5_000);
  const left = async () => {
    const keys = await rig.plain.keys("*");
    const lasting = [];
    for (const key of keys) if ((await rig.plain.pttl(key)) === -1 && !bullmqOwn.test(key)) lasting.push(key);
    return lasting;
  };
  await expect.poll(left, { timeout: 5_000 }).toEqual([]);
});

test("the last use of keys is forgotten when no key is used any more", async () => {
  rig.executionService.noteKeyUse("key_a");
  await expect.poll(() => rig.plain.pttl("{ci}:key-use"), { timeout: 10_000 }).toBeGreaterThan(0);
});

test("waiters leave no subscription behind", async () => {
  await rig.worker(new FakeEngine({ immediate: true }));
  const ids = await Promise.all(Array.from({ length: 20 }, async () => (await rig.executionService.submit(newExecution())).execution.id));
  await Promise.all(ids.flatMap((id) => [1, 2, 3].map(() => rig.executionService.waitForEnd("org_a", id, 5_000))));
  await expect.poll(async () => (await rig.plain.pubsub("CHANNELS", "*wake*")).length).toBe(0);
});
