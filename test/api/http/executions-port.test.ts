import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Executions, Submission } from "../../../src/app/ports.ts";
import { newId } from "../../../src/domain/ids.ts";
import { makeLimits } from "../../../src/domain/limits.ts";
import { executionRequestSchema } from "../../../src/domain/request.ts";
import { makeLog } from "../../../src/observe/log.ts";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { ExecutionService } from "../../../src/queue/executions/execution-service.ts";
import { connectFailFast, untilReady } from "../../../src/redis/connection.ts";
import { FakeExecutions } from "../../support/fakes/fake-executions.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";

const limits = makeLimits();
const schema = executionRequestSchema(limits);
const submission = (more: Partial<Submission> = {}): Submission => ({
  organization: "org_a",
  request: schema.parse({ code: "print(1)", metadata: { a: "b" } }),
  files: [],
  idempotency: null,
  ...more,
});
const collect = async <T>(source: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
};
const never = new AbortController().signal;

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const openProducer = async () => {
  const log = makeLog("silent");
  const connection = connectFailFast(redis.url, log);
  await untilReady(connection, 5_000);
  await connection.flushall();
  const executionService = new ExecutionService({ redis: connection, prefix: "t", limits, metrics: makeMetrics(), log });
  await expect
    .poll(() =>
      executionService.ready().then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
  return {
    executions: executionService,
    close: async () => {
      await executionService.close();
      connection.disconnect();
    },
  };
};
const openFake = async () => ({ executions: new FakeExecutions(), close: async () => {} });

// The tests of the API use the fake, so it must behave like the queue.
describe.each<[string, () => Promise<{ executions: Executions; close(): Promise<void> }>]>([
  ["the queue", openProducer],
  ["the fake", openFake],
])("%s", (_, open) => {
  let executions: Executions;
  let close: () => Promise<void>;
  beforeEach(async () => {
    ({ executions, close } = await open());
  });
  afterEach(() => close());

  test("shows a new execution as queued, only to its organization", async () => {
    const { execution, replayed } = await executions.submit(submission());
    expect(replayed).toBe(false);
    expect(execution).toMatchObject({
      type: "code_interpreter_call",
      status: "queued",
      cause: null,
      code: "print(1)",
      outputs: [],
      usage: null,
      attempt: 0,
      metadata: { a: "b" },
    });
    expect(await executions.get("org_a", execution.id)).toEqual(execution);
    expect(await executions.get("org_b", execution.id)).toBeNull();
    expect(await executions.get("org_a", newId("execution"))).toBeNull();
  });

  test("returns one execution for one idempotency key and body, and refuses another body", async () => {
    const idempotency = { key: "k", bodySha256: "0".repeat(64) };
    const other = { key: "k", bodySha256: "1".repeat(64) };
    expect(await executions.replay("org_a", idempotency)).toBeNull();
    const first = await executions.submit(submission({ idempotency }));
    const again = await executions.submit(submission({ idempotency }));
    expect([again.replayed, again.execution.id]).toEqual([true, first.execution.id]);
    expect((await executions.replay("org_a", idempotency))?.id).toBe(first.execution.id);
    expect(await executions.replay("org_b", idempotency)).toBeNull();
    await expect(executions.replay("org_a", other)).rejects.toMatchObject({ code: "idempotency_mismatch" });
    await expect(executions.submit(submission({ idempotency: other }))).rejects.toMatchObject({ code: "idempotency_mismatch" });
  });

  test("lists by age in both orders, after an id, and reports whether there are more", async () => {
    const ids: string[] = [];
    for (let i = 0; i < 3; i += 1) ids.push((await executions.submit(submission())).execution.id);
    const up = await executions.list("org_a", { limit: 2, order: "asc" });
    expect([up.data.map((one) => one.id), up.hasMore]).toEqual([ids.slice(0, 2), true]);
    const rest = await executions.list("org_a", { limit: 2, order: "asc", after: ids[1] as string });
    expect([rest.data.map((one) => one.id), rest.hasMore]).toEqual([ids.slice(2), false]);
    expect((await executions.list("org_a", { limit: 3, order: "desc" })).data.map((one) => one.id)).toEqual(ids.toReversed());
    expect(await executions.list("org_b", { limit: 3, order: "desc" })).toEqual({ data: [], hasMore: false });
    await expect(executions.list("org_a", { limit: 1, order: "asc", after: newId("execution") })).rejects.toMatchObject({
      code: "execution_not_found",
      param: "after",
    });
  });

  test("waits no longer than requested, and not at all for an unknown execution", async () => {
    const { execution } = await executions.submit(submission());
    expect((await executions.waitForEnd("org_a", execution.id, 20, never)).status).toBe("queued");
    await expect(executions.waitForEnd("org_b", execution.id, 20, never)).rejects.toMatchObject({ code: "execution_not_found" });
  });

  test("wakes a waiter when the execution ends", async () => {
    const { execution } = await executions.submit(submission());
    const waiting = executions.waitForEnd("org_a", execution.id, 10_000, never);
    await executions.cancel("org_a", execution.id);
    expect(await waiting).toMatchObject({ status: "cancelled", cause: "cancelled", outcome: "never_started" });
  });

  test("streams all events, or those after an event", async () => {
    const { execution } = await executions.submit(submission());
    await executions.cancel("org_a", execution.id);
    const all = await collect(executions.events("org_a", execution.id, null, never));
    const last = all.at(-1);
    expect(last?.event).toMatchObject({ type: "execution.ended", execution: { id: execution.id, status: "cancelled" } });
    expect(last?.id).toMatch(/^\d+-\d+$/);
    expect(await collect(executions.events("org_a", execution.id, last?.id ?? null, never))).toEqual([]);
  });

  test("cancels once, and not for another organization", async () => {
    const { execution } = await executions.submit(submission());
    expect(await executions.cancel("org_b", execution.id)).toBeNull();
    expect((await executions.cancel("org_a", execution.id))?.status).toBe("cancelled");
    expect((await executions.cancel("org_a", execution.id))?.status).toBe("cancelled");
    expect(await executions.cancel("org_a", newId("execution"))).toBeNull();
  });

  test("deletes only ended executions", async () => {
    const { execution } = await executions.submit(submission());
    await expect(executions.delete("org_a", execution.id)).rejects.toMatchObject({ code: "execution_running" });
    await executions.cancel("org_a", execution.id);
    expect(await executions.delete("org_b", execution.id)).toBe(false);
    expect(await executions.delete("org_a", execution.id)).toBe(true);
    expect(await executions.get("org_a", execution.id)).toBeNull();
    expect(await executions.delete("org_a", execution.id)).toBe(false);
  });
});
