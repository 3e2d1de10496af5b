import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { WORKER_LABEL } from "../src/sandbox/docker/profile.ts";
import type { BenchContext, Measure } from "./harness/context.ts";
import { count } from "./harness/load.ts";
import { round } from "./harness/numbers.ts";
import { print } from "./harness/programs.ts";
import { type Service, startService } from "./harness/service.ts";

const CLIENTS = 12;
const SETTLE_MS = 5_000;
const RATIO_MAX = 1.1;
/** BullMQ's own keys of a queue. */
const QUEUE_OWN = /:(executions|webhooks):(meta|id|marker|events|pc|stalled-check|stalled)$/;

/** Does a worker's memory grow with its executions, and is anything left behind? */
export const measure: Measure = async (context) => {
  const [early, late] = context.pick([200, 2_000], [20, 60]);
  const service = await startService(context);
  let stopped = false;
  try {
    const failures: string[] = [];
    const runAll = async (total: number) => failures.push(...(await count(total, CLIENTS, () => service.client.run(print))).failures);
    context.log(`${early} executions`);
    await runAll(early);
    const before = await memoryOf(service);
    context.log(`${late} executions`);
    await runAll(late - early);
    const after = await memoryOf(service);
    const keys = await keysWithoutExpiry(service.redisUrl);
    const files = await filesUnder(join(service.dataFolder, "blobs"));
    await service.stop();
    stopped = true;
    const containers = await containersOf(context, service.workerId);
    const ratio = round(after.rss / before.rss);
    const leaks = { containers, files: files.length, keysWithoutExpiry: keys.length };
    return [
      {
        question: `memory of the worker after ${late} executions, against after ${early}`,
        unit: "MiB resident",
        ours: after.rss,
        baseline: before.rss,
        ratio,
        target: `≤ ${RATIO_MAX}`,
        met: ratio <= RATIO_MAX && failures.length === 0,
        detail: { before, after, failures: failures.slice(0, 5) },
        notes: [`heap in use ${before.heapUsed} → ${after.heapUsed} MiB, both after full collections`],
      },
      {
        question: `left behind by ${late} executions: containers, files, keys that never expire`,
        unit: "things",
        ours: containers + files.length + keys.length,
        target: "0",
        met: containers + files.length + keys.length === 0,
        detail: { ...leaks, keys: keys.slice(0, 10) },
        notes: [`containers ${containers}, files ${files.length}, keys ${keys.length}`],
      },
    ];
  } finally {
    if (!stopped) await service.stop();
  }
};

async function memoryOf(service: Service): Promise<{ rss: number; heapUsed: number }> {
  await sleep(SETTLE_MS);
  service.collectGarbage();
  await sleep(SETTLE_MS / 5);
  const text = await (await fetch(service.metricsUrl, { signal: AbortSignal.timeout(10_000) })).text();
  const read = (name: string) => round(Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]) / 2 ** 20);
  return { rss: read("process_resident_memory_bytes"), heapUsed: read("nodejs_heap_size_used_bytes") };
}

async function keysWithoutExpiry(url: string): Promise<string[]> {
  const redis = new Redis({ path: url });
  try {
    const lasting: string[] = [];
    for (const key of await redis.keys("*")) if (!QUEUE_OWN.test(key) && (await redis.pttl(key)) === -1) lasting.push(key);
    return lasting;
  } finally {
    redis.disconnect();
  }
}

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

async function containersOf(context: BenchContext, workerId: string): Promise<number> {
  const label = [`${WORKER_LABEL}=${workerId}`];
  return (await context.engine.control.listContainers({ all: true, filters: { label } })).length;
}
