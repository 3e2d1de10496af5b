import { getEventListeners } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeLimits } from "../../src/domain/limits.ts";
import type { StopReason } from "../../src/domain/run.ts";
import { type EngineUnderTest, startEngine } from "../support/sandboxes/engine.ts";

const EXECUTIONS = 100;
const WARM_UP = 20;
const AT_ONCE = 4;
/** Executions whose sandbox is killed from outside. */
const KILLED = 4;
/** Keep-alive connections to the engine vary by a few; a leak of one per run would be a hundred. */
const GROWTH_MAX = 4;
const POOL_SIZE = 2;
const TEST_TIMEOUT_MS = 180_000;

interface Kind {
  code: string;
  cause: string | null;
  timeoutMs?: number;
  /** Stop the execution for this reason once it has printed. */
  stopped?: StopReason;
}

const kinds: Kind[] = [
  { code: "print(42)", cause: null },
  { code: "raise ValueError('x')", cause: "exception" },
  { code: "import os; os._exit(3)", cause: "exit" },
  { code: "import os; os.abort()", cause: "signal" },
  { code: "while True: pass", cause: "timeout", timeoutMs: 100 },
  { code: 'open("a.txt", "w").write("x"); display({"text/html": "x"}, raw=True)', cause: null },
  { code: "while True: print('x' * 1000)", cause: "output" },
  { code: "import os\nfor _ in range(5):\n    if os.fork() == 0:\n        os.setsid()\n        while True: pass", cause: null },
  { code: "print('started'); import time; time.sleep(60)", cause: "cancelled", stopped: "cancelled" },
  { code: "print('started'); import time; time.sleep(60)", cause: "worker_lost", stopped: "lock_lost" },
];

let under: EngineUnderTest;
const warnings: Error[] = [];
const onWarning = (warning: Error) => warnings.push(warning);

beforeAll(async () => {
  process.on("warning", onWarning);
  under = await startEngine({
    poolSize: POOL_SIZE,
    limits: makeLimits({ stdoutKeptBytesMax: 1_000, stderrKeptBytesMax: 1_000, outputStopBytesMax: 100_000 }),
  });
});
afterAll(async () => {
  await under.close();
  process.off("warning", onWarning);
});

test(`${EXECUTIONS} executions of all kinds leave no container, no listener and no handle`, { timeout: TEST_TIMEOUT_MS }, async () => {
  await runMany(WARM_UP);
  await untilIdle();
  const before = resources();

  await runMany(EXECUTIONS);
  await untilIdle();

  expect(under.pool.taken).toHaveLength(WARM_UP + EXECUTIONS);
  const left = await under.containers();
  expect(left).toHaveLength(POOL_SIZE);
  for (const { id } of under.pool.taken) expect(left).not.toContain(id);
  expect(await gauge("sandboxesAlive")).toBe(POOL_SIZE);
  expect(await gauge("poolDead")).toBe(0);
  expect(growth(before, resources())).toEqual({});
  expect(warnings).toEqual([]);
});

test("a closed pool leaves nothing behind", { timeout: TEST_TIMEOUT_MS }, async () => {
  const other = await startEngine({ poolSize: POOL_SIZE });
  await other.run("print(42)");
  await other.pool.settled();
  await other.pool.close();
  expect(await other.containers()).toEqual([]);
  expect((await other.metrics.sandboxesAlive.get()).values[0]?.value).toBe(0);
  await other.close();
});

async function runMany(count: number): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count - KILLED) await runOne(kinds[next++ % kinds.length] as Kind);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  for (let killed = 0; killed < KILLED; killed++) await runKilled();
}

async function runOne(kind: Kind): Promise<void> {
  const stop = new AbortController();
  const { end } = await under.run(kind.code, {
    stop: stop.signal,
    ...(kind.timeoutMs === undefined ? {} : { timeoutMs: kind.timeoutMs }),
    onEmit: () => {
      if (kind.stopped !== undefined) stop.abort(kind.stopped);
    },
  });
  expect(end.cause).toBe(kind.cause);
  expect(getEventListeners(stop.signal, "abort")).toEqual([]);
}

/** Runs alone, so that the last sandbox taken is its own. */
async function runKilled(): Promise<void> {
  const { end } = await under.run("print('started'); import time; time.sleep(60)", {
    onEmit: () => under.kill(under.pool.taken.at(-1)?.id ?? ""),
  });
  expect(end.cause).toBe("sandbox_lost");
}

async function untilIdle(): Promise<void> {
  await under.pool.settled();
  await expect.poll(() => under.pool.idle, { timeout: 30_000 }).toBe(POOL_SIZE);
  await expect.poll(async () => (await under.containers()).length, { timeout: 30_000 }).toBe(POOL_SIZE);
}

async function gauge(name: "sandboxesAlive" | "poolDead"): Promise<number> {
  return (await under.metrics[name].get()).values[0]?.value ?? 0;
}

/** Listeners of the process per event, and active handles per kind. */
function resources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const event of process.eventNames()) counts.set(`listeners of ${String(event)}`, process.listenerCount(event));
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

function growth(before: Map<string, number>, after: Map<string, number>): Record<string, number> {
  const grown = [...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const);
  return Object.fromEntries(grown.filter(([, more]) => more > GROWTH_MAX));
}
