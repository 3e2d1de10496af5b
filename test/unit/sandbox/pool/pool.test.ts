import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { makeLog } from "../../../../src/observe/log.ts";
import { type Metrics, makeMetrics } from "../../../../src/observe/metrics.ts";
import type { BackgroundLease } from "../../../../src/sandbox/pool/background-slot.ts";
import { Pool, type PoolOptions } from "../../../../src/sandbox/pool/pool.ts";
import { FakeFactory, type FakeSandbox, OpeningFactory, type Script, wellBehaved } from "../../../support/fakes/fake-sandbox.ts";

const spec = { memoryMb: 512 };
const never = new AbortController().signal;
const opened: Pool[] = [];

function poolOf(factory: FakeFactory, changes: Partial<PoolOptions> = {}) {
  const metrics = makeMetrics();
  const pool = new Pool({
    factory,
    spec,
    sizeMin: 2,
    sizeMax: 4,
    capacity: 8,
    startsMax: 4,
    idleMsMax: 60_000,
    preloadMsMax: 10_000,
    metrics,
    log: makeLog("silent"),
    ...changes,
  });
  opened.push(pool);
  return { pool, metrics };
}

/** Waits for spare capacity and leases it. */
const untilSpare = (pool: Pool): Promise<BackgroundLease> =>
  vi.waitFor(() => {
    const spare = pool.spare(1);
    if (spare === null) throw new Error("nothing is spare");
    return spare;
  });
const useAndDiscard = async (spare: BackgroundLease) => {
  await spare.discard((await spare.take(spec, false, never)).sandbox);
  spare.end();
};
const counts = async ({ poolTakes, poolSandboxes }: Metrics) => [(await poolTakes.get()).values, (await poolSandboxes.get()).values];
const untilIdle = (pool: Pool, count: number) => vi.waitFor(() => expect(pool.idle).toBe(count));

afterEach(async () => {
  for (const pool of opened.splice(0)) await pool.close();
});

describe("the warm pool", () => {
  test("fills to its minimum size and serves takes from stock", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool } = poolOf(factory);
    pool.open();
    await untilIdle(pool, 2);
    const taken = await pool.take(spec, false, never);
    expect(taken.warm).toBe(true);
    await pool.discard(taken.sandbox);
    await untilIdle(pool, 2);
  });

  test("refills after a short delay while stock is left, after a longer one when files are sent, at once when the stock is empty", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const { pool } = poolOf(new FakeFactory(wellBehaved), { sizeMin: 3, sizeMax: 3, capacity: 12 });
    const idleAfter = async (ms: number) => {
      await vi.advanceTimersByTimeAsync(ms);
      return pool.idle;
    };
    pool.open();
    expect(await idleAfter(800)).toBe(3);
    const withFiles = await pool.take(spec, false, never, true);
    expect(await idleAfter(499)).toBe(2);
    expect(await idleAfter(1)).toBe(3);
    const other = await pool.take(spec, false, never);
    expect(await idleAfter(39)).toBe(2);
    expect(await idleAfter(1)).toBe(3);
    const again = await pool.take(spec, false, never, true);
    void pool.discard(other.sandbox);
    expect(await idleAfter(39)).toBe(2);
    expect(await idleAfter(1)).toBe(3);
    const last = [await pool.take(spec, false, never), await pool.take(spec, false, never), await pool.take(spec, false, never, true)];
    expect(pool.idle).toBe(0);
    expect(await idleAfter(0)).toBe(3);
    for (const { sandbox } of [withFiles, again, ...last]) void pool.discard(sandbox);
  });

  test("never hands out one sandbox twice", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool } = poolOf(factory);
    pool.open();
    const ids = new Set<string>();
    for (let turn = 0; turn < 30; turn++) {
      const { sandbox } = await pool.take(spec, turn % 2 === 0, never);
      expect(ids.has(sandbox.id)).toBe(false);
      ids.add(sandbox.id);
      await pool.discard(sandbox);
      expect((sandbox as FakeSandbox).destroyed).toBe(1);
    }
  });

  test("has spare capacity only while its stock is full and a core is free", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool, metrics } = poolOf(factory);
    expect(pool.spare(1)).toBeNull();
    pool.open();
    await useAndDiscard(await untilSpare(pool));
    const first = await pool.take(spec, false, never);
    const second = await pool.take(spec, false, never);
    await untilIdle(pool, 2);
    expect(pool.spare(1)).toBeNull();
    await Promise.all([pool.discard(first.sandbox), pool.discard(second.sandbox)]);
    const spare = await untilSpare(pool);
    expect(pool.spare(1)).toBeNull();
    const before = await counts(metrics);
    const { sandbox } = await spare.take(spec, false, never);
    expect(pool.idle).toBe(2);
    expect(await counts(metrics)).toEqual(before);
    await spare.discard(sandbox);
    expect((sandbox as FakeSandbox).destroyed).toBe(1);
    expect(pool.spare(1)).toBeNull();
    spare.end();
    await untilSpare(pool);
  });

  test("leases spare capacity for two sandboxes until both are gone", async () => {
    const { pool } = poolOf(new FakeFactory(wellBehaved));
    pool.open();
    (await untilSpare(pool)).end();
    expect(pool.spare(1, 100)).toBeNull();
    const spare = pool.spare(1, 2) as BackgroundLease;
    const [one, other] = await Promise.all([spare.take(spec, false, never), spare.take(spec, false, never)]);
    spare.end();
    await spare.discard(one.sandbox);
    expect(pool.spare(1)).toBeNull();
    await spare.discard(other.sandbox);
    (await untilSpare(pool)).end();
  });

  test("reclaims spare capacity when an execution would wait for a core or a sandbox", async () => {
    const { pool } = poolOf(new FakeFactory(wellBehaved), { sizeMin: 1, sizeMax: 1 });
    pool.open();
    const spare = await untilSpare(pool);
    const first = await pool.take(spec, false, never);
    expect(spare.reclaimed.aborted).toBe(false);
    const second = await pool.take(spec, false, never);
    expect(spare.reclaimed.reason).toBe("shutdown");
    await Promise.all([pool.discard(first.sandbox), pool.discard(second.sandbox)]);
  });

  test("destroys a used sandbox after the response while stock is left, at once when the stock is empty", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool } = poolOf(factory);
    pool.open();
    await untilIdle(pool, 2);
    const first = (await pool.take(spec, false, never)).sandbox as FakeSandbox;
    const later = pool.discard(first);
    expect(first.destroyed).toBe(0);
    await later;
    expect(first.destroyed).toBe(1);
    await untilIdle(pool, 2);
    factory.hold();
    const both = [await pool.take(spec, false, never), await pool.take(spec, false, never)].map(({ sandbox }) => sandbox as FakeSandbox);
    const gone = both.map((sandbox) => pool.discard(sandbox));
    expect(both.map((sandbox) => sandbox.destroyed)).toEqual([1, 1]);
    factory.release();
    await Promise.all(gone);
  });

  test("serves waiters first come, first served, with cold sandboxes", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool } = poolOf(factory, { sizeMin: 0, sizeMax: 0, startsMax: 1 });
    pool.open();
    factory.hold();
    const order: number[] = [];
    const takes = [1, 2, 3].map(async (turn) => {
      const { sandbox, warm } = await pool.take(spec, false, never);
      order.push(turn);
      expect(warm).toBe(false);
      return sandbox;
    });
    factory.release();
    for (const sandbox of await Promise.all(takes)) await pool.discard(sandbox);
    expect(order).toEqual([1, 2, 3]);
  });

  test("skips and counts sandboxes that died in stock", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool, metrics } = poolOf(factory);
    pool.open();
    await untilIdle(pool, 2);
    for (const sandbox of factory.made) sandbox.die();
    const { sandbox } = await pool.take(spec, false, never);
    expect(sandbox.lost.aborted).toBe(false);
    expect((await metrics.poolDead.get()).values[0]?.value).toBeGreaterThanOrEqual(1);
    await pool.discard(sandbox);
  });

  test("retries after an engine failure, and keeps its waiters", async () => {
    const factory = new FakeFactory(wellBehaved);
    factory.failures = 3;
    const { pool } = poolOf(factory, { sizeMin: 0, sizeMax: 0 });
    pool.open();
    const { sandbox } = await pool.take(spec, false, never);
    expect(sandbox.id).toBe("sandbox-1");
    await pool.discard(sandbox);
  });

  test("forgets a waiter that gives up, and keeps its sandbox for the next", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool } = poolOf(factory, { sizeMin: 0, sizeMax: 1, startsMax: 1 });
    pool.open();
    factory.hold();
    const impatient = new AbortController();
    const first = pool.take(spec, false, impatient.signal);
    impatient.abort(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
    const second = pool.take(spec, false, never);
    factory.release();
    await pool.discard((await second).sandbox);
  });

  test("never lets more sandboxes exist than its capacity", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool } = poolOf(factory, { capacity: 3, sizeMin: 3, sizeMax: 3 });
    pool.open();
    await untilIdle(pool, 3);
    const taken = await Promise.all([1, 2, 3].map(() => pool.take(spec, false, never)));
    const waiting = pool.take(spec, false, never);
    expect(factory.made).toHaveLength(3);
    await Promise.all(taken.map(({ sandbox }) => pool.discard(sandbox)));
    await pool.discard((await waiting).sandbox);
  });

  test("starts a sandbox of another size on demand", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool } = poolOf(factory);
    pool.open();
    const { sandbox, warm } = await pool.take({ memoryMb: 128 }, false, never);
    expect([sandbox.spec.memoryMb, warm]).toEqual([128, false]);
    await pool.discard(sandbox);
  });

  test("counts a larger sandbox as several slots, so that all fit into the memory", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool } = poolOf(factory, { capacity: 3, sizeMin: 2, sizeMax: 2 });
    const large = await pool.take({ memoryMb: 1024 }, false, never);
    pool.open();
    await untilIdle(pool, 1);
    const small = await pool.take(spec, false, never);
    const waiting = pool.take(spec, false, never);
    expect(factory.made).toHaveLength(2);
    await pool.discard(large.sandbox);
    for (const { sandbox } of [small, await waiting]) await pool.discard(sandbox);
    await untilIdle(pool, 2);
  });

  test("leaves nothing behind when it closes, including sandboxes that are still starting", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool } = poolOf(factory);
    factory.hold();
    pool.open();
    const closed = pool.close();
    factory.release();
    await closed;
    for (const sandbox of factory.made) expect(sandbox.destroyed).toBe(1);
    expect(pool.idle).toBe(0);
  });
});

describe("preloading", () => {
  const preloaded = (sandbox: FakeSandbox) => sandbox.received.filter((frame) => frame.kind === "preload").length;

  test("continues module by module while nothing runs", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool } = poolOf(factory, { sizeMin: 1, sizeMax: 1 });
    pool.open();
    await vi.waitFor(() => expect(preloaded(factory.made[0] as FakeSandbox)).toBe(4));
  });

  test("does not begin while an execution has a sandbox", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool } = poolOf(factory, { sizeMin: 0, sizeMax: 2 });
    pool.open();
    const { sandbox } = await pool.take(spec, true, never);
    const [other] = factory.made.slice(1);
    expect(other === undefined ? 0 : preloaded(other)).toBe(0);
    await pool.discard(sandbox);
  });

  test("gives preloaded sandboxes to code with heavy imports, plain ones to other code", async () => {
    const factory = new FakeFactory(wellBehaved);
    const { pool } = poolOf(factory, { sizeMin: 2, sizeMax: 2 });
    pool.open();
    await untilIdle(pool, 2);
    await vi.waitFor(() => expect(factory.made.map(preloaded).sort()).toEqual([0, 4]));
    const light = await pool.take(spec, false, never);
    expect(preloaded(light.sandbox as FakeSandbox)).toBe(0);
    const heavy = await pool.take(spec, true, never);
    expect(preloaded(heavy.sandbox as FakeSandbox)).toBe(4);
    await pool.discard(light.sandbox);
    await pool.discard(heavy.sandbox);
  });

  test("that hangs destroys the sandbox within the bound, and a waiter can give up earlier", async () => {
    const hangs: Script = (frame) => {
      if (frame.kind !== "preload") throw new Error("only preloads are sent here");
    };
    const factory = new FakeFactory(hangs);
    const { pool } = poolOf(factory, { sizeMin: 1, sizeMax: 1, preloadMsMax: 200 });
    pool.open();
    await vi.waitFor(() => expect(preloaded(factory.made[0] as FakeSandbox)).toBe(1));
    const impatient = new AbortController();
    const taking = pool.take(spec, true, impatient.signal);
    impatient.abort(new Error("enough"));
    await expect(taking).rejects.toThrow("enough");
    await vi.waitFor(() => expect((factory.made[0] as FakeSandbox).destroyed).toBeGreaterThanOrEqual(1));
    const { sandbox } = await pool.take(spec, false, never);
    expect(sandbox.id).not.toBe("sandbox-1");
    await pool.discard(sandbox);
  });

  test("that outlasts its taker leaves the sandbox to the next waiter", async () => {
    let answer = () => {};
    const factory = new FakeFactory((frame, sandbox) => {
      if (frame.kind === "preload") answer = () => sandbox.says("preloaded", { module: "numpy", ok: true });
    });
    const { pool } = poolOf(factory, { sizeMin: 1, sizeMax: 1, capacity: 1 });
    pool.open();
    await vi.waitFor(() => expect(preloaded(factory.made[0] as FakeSandbox)).toBe(1));
    const impatient = new AbortController();
    const taking = pool.take(spec, true, impatient.signal);
    const waiting = pool.take(spec, true, never);
    impatient.abort(new Error("enough"));
    await expect(taking).rejects.toThrow("enough");
    answer();
    const { sandbox } = await waiting;
    expect(sandbox.id).toBe("sandbox-1");
    await pool.discard(sandbox);
  });

  test("that gets a wrong answer destroys the sandbox, not the pool", async () => {
    let spoilt = 0;
    const factory = new FakeFactory((frame, sandbox) => {
      if (frame.kind === "preload" && spoilt++ === 0) sandbox.says("done", {});
      else wellBehaved(frame, sandbox);
    });
    const { pool, metrics } = poolOf(factory, { sizeMin: 1, sizeMax: 1 });
    pool.open();
    await vi.waitFor(() => expect((factory.made[0] as FakeSandbox).destroyed).toBeGreaterThanOrEqual(1));
    const { sandbox } = await pool.take(spec, true, never);
    expect(sandbox.id).not.toBe("sandbox-1");
    expect((await metrics.poolDead.get()).values[0]?.value).toBe(1);
    await pool.discard(sandbox);
  });
});

describe("opening for plain code", () => {
  const openedIn = ({ opened }: OpeningFactory) => opened.map(({ id, wantsPreloaded }) => (wantsPreloaded ? `${id} preloaded` : id));

  test("opens one sandbox of the stock while nothing runs, and plain code gets it", async () => {
    const factory = new OpeningFactory(wellBehaved);
    const { pool } = poolOf(factory);
    pool.open();
    await untilIdle(pool, 2);
    await vi.waitFor(() => expect(factory.opened).toHaveLength(1));
    const { sandbox } = await pool.take(spec, false, never);
    expect(openedIn(factory)).toEqual([sandbox.id]);
    await untilIdle(pool, 2);
    expect(factory.opened).toHaveLength(1);
    await pool.discard(sandbox);
    await vi.waitFor(() => expect(factory.opened).toHaveLength(2));
  });

  test("leaves the other sandboxes to heavy code, which never gets the opened one", async () => {
    const factory = new OpeningFactory(wellBehaved);
    const { pool } = poolOf(factory, { sizeMax: 2 });
    pool.open();
    await vi.waitFor(() => expect(factory.opened).toHaveLength(1));
    const taken = await Promise.all([0, 1, 2].map(() => pool.take(spec, true, never)));
    expect(taken.map(({ warm }) => warm)).toEqual([true, false, false]);
    expect(taken.map(({ sandbox }) => sandbox.id)).not.toContain(openedIn(factory)[0]);
    for (const { sandbox } of taken) await pool.discard(sandbox);
  });

  test("is undone when heavy code needs the capacity", async () => {
    const factory = new OpeningFactory(wellBehaved);
    const { pool } = poolOf(factory, { sizeMax: 2, capacity: 2 });
    pool.open();
    await vi.waitFor(() => expect(factory.opened).toHaveLength(1));
    const first = await pool.take(spec, true, never);
    const second = await pool.take(spec, true, never);
    expect([first.sandbox.id, second.sandbox.id]).not.toContain(openedIn(factory)[0]);
    expect(factory.made.find(({ id }) => id === openedIn(factory)[0])?.destroyed).toBe(1);
    for (const { sandbox } of [first, second]) await pool.discard(sandbox);
  });

  test("is undone for heavy code that already waits when the capacity runs out", async () => {
    const factory = new OpeningFactory(wellBehaved);
    const { pool } = poolOf(factory, { sizeMax: 2, capacity: 4, startsMax: 1 });
    pool.open();
    await vi.waitFor(() => expect(factory.opened).toHaveLength(1));
    const taken = await Promise.all([0, 1, 2, 3].map(() => pool.take(spec, true, never)));
    expect(taken.map(({ sandbox }) => sandbox.id)).not.toContain(openedIn(factory)[0]);
    for (const { sandbox } of taken) await pool.discard(sandbox);
  });

  test("is undone and not repeated when all code has heavy imports", async () => {
    const factory = new OpeningFactory(wellBehaved);
    const { pool } = poolOf(factory, { sizeMax: 2 });
    pool.open();
    await vi.waitFor(() => expect(factory.opened).toHaveLength(1));
    for (let turn = 0; turn < 20; turn++) await pool.discard((await pool.take(spec, true, never)).sandbox);
    const first = factory.made.find(({ id }) => id === openedIn(factory)[0]);
    await vi.waitFor(() => expect(first?.destroyed).toBe(1), { timeout: 5_000 });
    await untilIdle(pool, 2);
    expect(factory.opened).toHaveLength(1);
  });

  test("never opens the only sandbox", async () => {
    const factory = new OpeningFactory(wellBehaved);
    const { pool } = poolOf(factory, { sizeMin: 1, sizeMax: 1 });
    pool.open();
    await untilIdle(pool, 1);
    const { sandbox } = await pool.take(spec, true, never);
    expect(factory.opened).toEqual([]);
    await pool.discard(sandbox);
  });
});
