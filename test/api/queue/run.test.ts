import { Writable } from "node:stream";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { wholeExecution } from "../../../src/domain/result.ts";
import { unixMsOf } from "../../../src/domain/time.ts";
import { VERSION } from "../../../src/queue/core/version.ts";
import { completedEnd, FakeEngine } from "../../support/fakes/fake-engine.ts";
import { makeRig, newExecution, type Rig, request } from "./rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(async () => {
  await rig.close();
});

describe("an execution through the queue", () => {
  test("returns to its waiting caller as the engine ended it", async () => {
    await rig.worker(new FakeEngine({ immediate: true }));
    const { execution } = await rig.executionService.submit(newExecution({ request: request({ metadata: { a: "b" } }) }));
    expect(execution).toMatchObject({ status: "queued", attempt: 0, metadata: { a: "b" } });
    const ended = await rig.executionService.waitForEnd("org_a", execution.id, 5_000);
    expect(ended).toMatchObject({ status: "completed", outputs: [{ text: "hello" }], attempt: 1, code: "print('hello')" });
    expect(ended.usage?.queue_ms).toBe(unixMsOf(ended.started_at ?? 0) - unixMsOf(ended.created_at));
    expect(unixMsOf(ended.expires_at) - unixMsOf(ended.created_at)).toBe(rig.limits.retentionMsMax);
  });

  test("reaches the engine with every field of the request", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const asked = request({ code: "1", args: ["a"], stdin: "in", env: { A: "é" }, timeout_ms: 5, memory_mb: 99 });
    const files = [{ name: "a.csv", file_id: "file_1" }];
    const { execution } = await rig.executionService.submit(newExecution({ request: asked, files }));
    const run = await engine.started(0);
    expect(run.input).toEqual({
      id: execution.id,
      organization: "org_a",
      attempt: 1,
      code: "1",
      args: ["a"],
      stdin: "in",
      env: { A: "é" },
      timeoutMs: 5,
      memoryMb: 99,
      files,
    });
    run.finish();
  });

  test("stores a large result complete and compressed", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(newExecution());
    const text = "ein Täßchen Tee\n".repeat(60_000);
    (await engine.started(0)).finish(completedEnd(text));
    const ended = await rig.executionService.waitForEnd("org_a", execution.id, 5_000);
    expect((await wholeExecution(ended)).outputs).toEqual([{ type: "text", stream: "stdout", text }]);
    expect(Number(await rig.plain.hget(`{ci}:record:org_a:${execution.id}`, "outputs_stored"))).toBeLessThan(64 * 1024);
  });

  test("ends errored when the engine throws", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(newExecution());
    (await engine.started(0)).fail(new Error("a bug"));
    expect(await rig.executionService.waitForEnd("org_a", execution.id, 5_000)).toMatchObject({ status: "errored", cause: "sandbox_lost" });
  });

  test("is returned unended after the wait time, or when the caller has gone", async () => {
    const { execution } = await rig.executionService.submit(newExecution());
    expect(await rig.executionService.waitForEnd("org_a", execution.id, 20)).toMatchObject({ status: "queued" });
    const gone = new AbortController();
    const waiting = rig.executionService.waitForEnd("org_a", execution.id, 60_000, gone.signal);
    gone.abort();
    expect(await waiting).toMatchObject({ status: "queued" });
  });

  test("leaves no job behind, and jobs contain no code", async () => {
    const engine = new FakeEngine();
    await rig.worker(engine);
    const { execution } = await rig.executionService.submit(newExecution({ request: request({ code: "SECRET_CODE" }) }));
    const run = await engine.started(0);
    const job = await rig.plain.hgetall(`{ci}:executions:${execution.id}`);
    expect(JSON.parse(job.data ?? "")).toEqual({
      v: VERSION,
      id: execution.id,
      organization: "org_a",
      needs: { memoryMb: 512, preloaded: false },
    });
    run.finish();
    await rig.executionService.waitForEnd("org_a", execution.id, 5_000);
    await expect.poll(() => rig.plain.exists(`{ci}:executions:${execution.id}`)).toBe(0);
    expect(await rig.executionService.depth()).toEqual({ waiting: 0, active: 0 });
  });

  test("writes one log line at its end, without data of the caller", async () => {
    const lines: string[] = [];
    const sink = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    });
    const engine = new FakeEngine();
    await rig.worker(engine, { log: pino({ level: "debug" }, sink) });
    const secret = "hunter2-hunter2-hunter2";
    const asked = request({ code: secret, stdin: secret, env: { A: secret }, metadata: { a: secret } });
    const { execution } = await rig.executionService.submit(newExecution({ request: asked, files: [{ name: secret, file_id: "file_1" }] }));
    (await engine.started(0)).finish(completedEnd(secret));
    await rig.executionService.waitForEnd("org_a", execution.id, 5_000);
    await expect.poll(() => lines.filter((line) => line.includes("execution ended")).length).toBe(1);
    expect(lines.join("")).not.toContain(secret);
    expect(JSON.parse(lines.find((line) => line.includes("execution ended")) ?? "")).toMatchObject({
      execution: execution.id,
      organization: "org_a",
      status: "completed",
      attempt: 1,
    });
  });
});

describe("an organization", () => {
  test("cannot see another's execution through any call", async () => {
    const { execution } = await rig.executionService.submit(newExecution());
    const { executionService } = rig;
    expect(await executionService.get("org_b", execution.id)).toBeNull();
    expect(await executionService.cancel("org_b", execution.id)).toBeNull();
    expect(await executionService.delete("org_b", execution.id)).toBe(false);
    expect(await executionService.list("org_b", { limit: 10, order: "asc" })).toEqual({ data: [], hasMore: false });
    await expect(executionService.list("org_b", { after: execution.id, limit: 10, order: "asc" })).rejects.toMatchObject({
      code: "execution_not_found",
    });
    await expect(executionService.waitForEnd("org_b", execution.id, 10)).rejects.toMatchObject({ code: "execution_not_found" });
    expect(await executionService.get("org_a", execution.id)).toMatchObject({ id: execution.id });
  });

  test("cannot reach another's execution by an id that contains its name", async () => {
    const { execution } = await rig.executionService.submit(newExecution({ organization: "a:b" }));
    expect(await rig.executionService.get("a", `b:${execution.id}`)).toBeNull();
  });

  test("lists its executions by age, in pages and both orders", async () => {
    const ids: string[] = [];
    for (let at = 0; at < 5; at++) ids.push((await rig.executionService.submit(newExecution())).execution.id);
    const seen: string[] = [];
    let after: string | undefined;
    for (;;) {
      const page = await rig.executionService.list("org_a", { limit: 2, order: "asc", ...(after === undefined ? {} : { after }) });
      seen.push(...page.data.map((one) => one.id));
      after = seen.at(-1);
      if (!page.hasMore) break;
    }
    expect(seen).toEqual(ids);
    const newest = await rig.executionService.list("org_a", { limit: 2, order: "desc" });
    expect(newest.data.map((one) => one.id)).toEqual([ids[4], ids[3]]);
  });
});

test("a page ends with the first result beyond the byte limit, measured uncompressed", async () => {
  const small = await makeRig({ listPageBytesMax: 3_000_000 });
  try {
    const engine = new FakeEngine();
    await small.worker(engine);
    const ids: string[] = [];
    for (let at = 0; at < 5; at++) {
      const { execution } = await small.executionService.submit(newExecution());
      ids.push(execution.id);
      (await engine.started(at)).finish(completedEnd("x".repeat(2_000_000)));
      await small.executionService.waitForEnd("org_a", execution.id, 5_000);
    }
    const pages: string[][] = [];
    for (let hasMore = true; hasMore; ) {
      const after = pages.at(-1)?.at(-1);
      const page = await small.executionService.list("org_a", { limit: 10, order: "asc", ...(after === undefined ? {} : { after }) });
      pages.push(page.data.map(({ id }) => id));
      hasMore = page.hasMore;
    }
    expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
  } finally {
    await small.close();
  }
});

describe("delete", () => {
  test("removes record, events, list entry and idempotency key of an ended execution", async () => {
    await rig.worker(new FakeEngine({ immediate: true }));
    const idempotency = { key: "k", bodySha256: "a".repeat(64) };
    const { execution } = await rig.executionService.submit(newExecution({ idempotency }));
    await rig.executionService.waitForEnd("org_a", execution.id, 5_000);
    expect(await rig.executionService.delete("org_a", execution.id)).toBe(true);
    expect(await rig.executionService.get("org_a", execution.id)).toBeNull();
    expect(await rig.executionService.list("org_a", { limit: 10, order: "asc" })).toEqual({ data: [], hasMore: false });
    expect(await rig.executionService.replay("org_a", idempotency)).toBeNull();
    expect((await rig.plain.keys("*")).filter((key) => key.includes(execution.id))).toEqual([]);
  });

  test("is refused before the execution has ended", async () => {
    const { execution } = await rig.executionService.submit(newExecution());
    await expect(rig.executionService.delete("org_a", execution.id)).rejects.toMatchObject({ code: "execution_running", status: 409 });
  });
});

describe("metrics", () => {
  test("count an end by status and cause, and depth by state at each scrape", async () => {
    const engine = new FakeEngine();
    const { makeMetrics } = await import("../../../src/observe/metrics.ts");
    const metrics = makeMetrics();
    await rig.worker(engine, { concurrency: 1, metrics });
    const first = (await rig.executionService.submit(newExecution())).execution;
    const run = await engine.started(0);
    await rig.executionService.submit(newExecution());
    expect(await rig.metric("queue_depth")).toMatchObject([
      { labels: { state: "waiting" }, value: 1 },
      { labels: { state: "waiting_for_session" }, value: 0 },
      { labels: { state: "active" }, value: 1 },
    ]);
    run.finish();
    await rig.executionService.waitForEnd("org_a", first.id, 5_000);
    await engine.started(1);
    expect(await rig.counted("executions_total", metrics)).toMatchObject([{ labels: { status: "completed", cause: "none" }, value: 1 }]);
    const acquire = await rig.metric("execution_acquire_seconds", metrics);
    expect(acquire.some(({ labels }) => "start" in labels && labels.start === "warm")).toBe(true);
  });

  test("report the age of the oldest waiting execution, without those taken by an older version", async () => {
    const age = async () => (await rig.metric("queue_oldest_waiting_seconds"))[0]?.value ?? Number.NaN;
    expect(await age()).toBe(0);
    await rig.executionService.submit(newExecution());
    const since = (await rig.plain.zrange("{ci}:waiting-since", 0, 0)) as [string];
    await rig.plain.zincrby("{ci}:waiting-since", -30_000, since[0]);
    await rig.executionService.submit(newExecution({ organization: "org_b" }));
    expect(await age()).toBeGreaterThanOrEqual(30);
    await rig.plain.zrem("{ci}:waiting", since[0]);
    expect(await age()).toBeLessThan(30);
    const engine = new FakeEngine();
    await rig.worker(engine);
    await engine.started(1);
    expect(await age()).toBe(0);
    expect(await rig.plain.exists("{ci}:waiting-since")).toBe(0);
  });
});
