import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { RedisAssistantStore } from "../../../src/assistant/store/assistant-store.ts";
import { RedisResponseStore } from "../../../src/assistant/store/response-store.ts";
import { FileCatalog } from "../../../src/files/catalog.ts";
import { makeRateLimit } from "../../../src/http/core/rate-limit.ts";
import { Heartbeat } from "../../../src/queue/worker/heartbeat.ts";
import { connectFailFast, untilReady } from "../../../src/redis/connection.ts";
import { FakeEngine } from "../../support/fakes/fake-engine.ts";
import {
  type Deployment,
  type Replicated,
  startRedisCluster,
  startRedisSentinel,
  startRedisTls,
} from "../../support/redis/redis-deployments.ts";
import { log, makeRigAt, newExecution, request } from "./rig.ts";

const AFTER_FAILOVER_MS = 30_000;
const shared = { stop: async () => undefined };
const rigAt = (redis: Deployment, prefix: string) => makeRigAt({ url: redis.url, ...shared }, {}, prefix);
let rigs = 0;

/**
 * The main job and every other way the service uses Redis; the rest of the queue's tests are about what scripts do,
 * which is the same everywhere.
 */
function serves(name: string, redis: () => Deployment): void {
  describe(`on ${name}`, () => {
    let rig: Awaited<ReturnType<typeof rigAt>>;
    beforeEach(async () => {
      rig = await rigAt(redis(), `t${rigs++}`);
    });
    afterEach(() => rig.close());

    test("an execution runs, and waiting callers receive its events and its end", async () => {
      const engine = new FakeEngine();
      await rig.worker(engine);
      const { execution } = await rig.executionService.submit(newExecution());
      const waiting = rig.executionService.waitForEnd("org_a", execution.id, 10_000);
      const run = await engine.started(0);
      await run.ports.emit({ type: "text", stream: "stdout", text: "hel" });
      run.finish();
      expect(await waiting).toMatchObject({ status: "completed", outputs: [{ text: "hello" }], attempt: 1 });
      const events = [];
      for await (const { event } of rig.executionService.events("org_a", execution.id, null, AbortSignal.timeout(5_000)))
        events.push(event.type);
      expect(events).toEqual(["execution.started", "execution.output", "execution.ended"]);
      expect((await rig.executionService.list("org_a", { limit: 5, order: "desc" })).data.map(({ id }) => id)).toEqual([execution.id]);
      expect(await rig.executionService.delete("org_a", execution.id)).toBe(true);
      expect(await rig.executionService.get("org_a", execution.id)).toBeNull();
    });

    test("a running execution is cancelled, a waiting one never starts, and a repeated key runs once", async () => {
      const engine = new FakeEngine();
      await rig.worker(engine, { concurrency: 1 });
      const [running, waiting] = [await rig.executionService.submit(newExecution()), await rig.executionService.submit(newExecution())];
      await engine.started(0);
      expect(await rig.executionService.cancel("org_a", waiting.execution.id)).toMatchObject({
        status: "cancelled",
        outcome: "never_started",
      });
      expect(await rig.executionService.cancel("org_a", running.execution.id)).toMatchObject({
        status: "cancelled",
        outcome: "ran_partly",
      });
      engine.immediate = true;
      const keyed = newExecution({ idempotency: { key: "k", bodySha256: "a".repeat(64) } });
      const [once, again] = [await rig.executionService.submit(keyed), await rig.executionService.submit(keyed)];
      expect(again).toMatchObject({ replayed: true, execution: { id: once.execution.id } });
      expect(await rig.executionService.waitForEnd("org_a", once.execution.id, 10_000)).toMatchObject({ status: "completed" });
      expect(engine.runs).toHaveLength(2);
      await expect.poll(() => rig.executionService.depth()).toEqual({ waiting: 0, active: 0 });
    });

    test("waiting executions keep their order when the base of priorities moves", async () => {
      const ids: string[] = [];
      for (let at = 0; at < 12; at++)
        ids.push((await rig.executionService.submit(newExecution({ request: request({ code: String(at) }) }))).execution.id);
      const engine = new FakeEngine({ immediate: true });
      await rig.worker(engine, { concurrency: 1, timing: { rebaseAt: 3, sweepMs: 50 } });
      await Promise.all(ids.map((id) => rig.executionService.waitForEnd("org_a", id, 10_000)));
      expect(engine.runs.map((run) => run.input.code)).toEqual(ids.map((_, at) => String(at)));
    });

    test("files, assistants, responses, rate limits and heartbeats are stored", async () => {
      const { redis, limits, metrics } = rig;
      const prefix = `t${rigs}`;
      const catalog = new FileCatalog(redis, prefix, limits.retentionMsMax);
      const now = Date.now();
      const file = { name: "a.csv", bytes: 1, sha256: "x", purpose: "user_data", mimeType: "text/csv", executionId: "ci_1" };
      for (const id of ["file_1", "file_2"])
        await catalog.add({ ...file, id, organization: "org_a", createdAt: now, expiresAt: now + 60_000 });
      expect(await catalog.getMany("org_a", ["file_2", "file_1"])).toMatchObject([{ id: "file_2" }, { id: "file_1" }]);
      expect((await catalog.list("org_a", { limit: 1, order: "asc" }))?.hasMore).toBe(true);
      expect(await catalog.ownedBy("org_a", "ci_1")).toHaveLength(2);
      expect(await catalog.remove("org_a", "file_1")).toMatchObject({ id: "file_1" });

      const responses = new RedisResponseStore({ redis, prefix, limits });
      const response = { organization: "org_a", id: "resp_1", status: "in_progress" } as Parameters<typeof responses.create>[0];
      await responses.create(response);
      await responses.requestCancel("org_a", "resp_1");
      await responses.renew([response]);
      expect(await responses.wantedCancelled([response])).toEqual(["resp_1"]);
      expect(await responses.finish({ ...response, status: "completed" })).toBe(true);
      expect(await responses.delete("org_a", "resp_1")).toBe(true);

      const assistants = new RedisAssistantStore({ redis, prefix });
      const assistant = { organization: "org_a", id: "asst_1", createdAt: now } as unknown as Parameters<typeof assistants.put>[0];
      await assistants.put(assistant);
      expect(await assistants.get("org_a", "asst_1")).toMatchObject({ id: "asst_1" });

      const rate = makeRateLimit({ redis, prefix, limits: { ...limits, requestsPerMinutePerKeyMax: 2 }, metrics });
      await rate.take({ keyId: "key" });
      await rate.take({ keyId: "key" });
      await expect(rate.take({ keyId: "key" })).rejects.toMatchObject({ code: "rate_limited" });

      const heartbeat = new Heartbeat({ redis, prefix, log });
      await heartbeat.start("worker_1");
      expect(await heartbeat.isAlive("worker_1")).toBe(true);
      await heartbeat.stop("worker_1");
    });
  });
}

/** Executions survive the loss of the master that holds them. Callers that are refused meanwhile retry. */
function survives(name: string, redis: () => Replicated): void {
  test(`on ${name} every acknowledged execution ends exactly once when the master that holds them is killed`, {
    timeout: 120_000,
  }, async () => {
    const prefix = `t${rigs++}`;
    const rig = await rigAt(redis(), prefix);
    const engine = new FakeEngine();
    const timing = { lockMs: 30_000, lockRenewMs: 3_000, stalledCheckMs: 2_000 };
    for (const workerId of ["one", "two"]) await rig.worker(engine, { workerId, concurrency: 3, timing });
    const submit = async () => (await rig.executionService.submit(newExecution())).execution.id;
    const before = await Promise.all(Array.from({ length: 40 }, submit));
    for (let at = 0; at < 6; at++) await engine.started(at);
    const failingOver = redis().failOver(`{${prefix}}`);
    const refused = await submitUntilRefused(submit);
    // Runs end while their ends cannot be stored.
    engine.immediate = true;
    for (const run of [...engine.runs]) run.finish();
    await failingOver;
    await expect
      .poll(
        () =>
          rig.executionService.ready().then(
            () => true,
            () => false,
          ),
        { timeout: AFTER_FAILOVER_MS },
      )
      .toBe(true);
    const after = [await submit(), await submit()];
    const acknowledged = [...before, ...refused.acknowledged, ...after];
    for (const id of acknowledged) {
      const ended = await rig.executionService.waitForEnd("org_a", id, AFTER_FAILOVER_MS);
      expect(ended).toMatchObject({ status: "completed", outputs: [{ text: "hello" }] });
    }
    expect(refused.error).toMatchObject({ code: "queue_unavailable", status: 503 });
    const runs = engine.runs.map(({ input }) => input.id).filter((id) => acknowledged.includes(id));
    expect(runs).toHaveLength(new Set(runs).size);
    await expect.poll(() => rig.executionService.depth(), { timeout: AFTER_FAILOVER_MS }).toEqual({ waiting: 0, active: 0 });
    await rig.close();
  });
}

async function submitUntilRefused(submit: () => Promise<string>): Promise<{ acknowledged: string[]; error: unknown }> {
  const acknowledged: string[] = [];
  for (;;) {
    try {
      acknowledged.push(await submit());
    } catch (error) {
      return { acknowledged, error };
    }
  }
}

describe("Redis Cluster", () => {
  let redis: Replicated;
  beforeAll(async () => {
    redis = await startRedisCluster();
  });
  afterAll(() => redis.stop());
  serves("a cluster of three masters", () => redis);
  survives("a cluster", () => redis);
});

describe("Redis Sentinel", () => {
  let redis: Replicated;
  beforeAll(async () => {
    redis = await startRedisSentinel();
  });
  afterAll(() => redis.stop());
  serves("the master that sentinels name", () => redis);
  survives("sentinels", () => redis);
});

describe("Redis with TLS and users", () => {
  let redis: Awaited<ReturnType<typeof startRedisTls>>;
  beforeAll(async () => {
    redis = await startRedisTls();
  });
  afterAll(() => redis.stop());
  serves("a server with TLS and users", () => redis);

  test("a certificate of an unknown authority and a client without a password are refused", async () => {
    for (const url of [redis.withoutAuthority, redis.withoutPassword]) {
      const client = connectFailFast(url, log);
      await expect(untilReady(client, 1_000)).rejects.toThrow("did not answer");
      client.disconnect();
    }
  });
});
