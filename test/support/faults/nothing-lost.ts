import { readdir } from "node:fs/promises";
import { Redis } from "ioredis";
import { expect } from "vitest";
import { FolderStore } from "../../../src/files/folder-store.ts";
import { makeLog } from "../../../src/observe/log.ts";
import { makeMetrics } from "../../../src/observe/metrics.ts";
import { decodeRecord, type StoredExecution } from "../../../src/queue/executions/record.ts";
import { connectEngine } from "../../../src/sandbox/docker/engine-client.ts";
import { reapSandboxes } from "../../../src/sandbox/docker/reaper.ts";
import { sandboxesOf } from "../sandboxes/containers.ts";
import type { ServiceProcess } from "../servers/service.ts";
import { type FaultRig, until } from "./fault-rig.ts";
import type { Entry } from "./ledger.ts";

const PREFIX = "{ci}";
/** BullMQ's own keys: one record for each queue, and a bounded stream of events. */
const bullmqOwn = /^\{ci\}:(executions|webhooks|sessions-[^:]+):(meta|id|events|marker|stalled-check|pc)$/;
/** Executions whose records are read at one time: one by one, ten thousand take as long as their runs. */
const CHECKED_AT_ONCE = 100;
const ENDS_MS = 90_000;
const GONE_MS = 20_000;
/** The reaper leaves young containers alone, as their worker's first heartbeat may be on its way. */
const REAPER_CLOCK_AHEAD_MS = 5 * 60_000;
const SWEEP_CLOCK_AHEAD_MS = 60_000;

export interface Checked {
  /** Ended executions by status and cause. */
  ended: Record<string, number>;
  refused: Record<string, number>;
  /** Executions that another worker ran again. */
  repeated: number;
  /** Left-over containers that the reaper had to remove. */
  reaped: number;
}

/**
 * Asserts what holds after every fault: each accepted execution ended exactly once with a true status, none ran twice that
 * must not, metrics and log agree, and after the service has stopped, no container, no key without expiry and no partial
 * file is left.
 */
export async function expectNothingLost(rig: FaultRig): Promise<Checked> {
  const redis = new Redis({ path: rig.redis.url });
  const living = rig.processes.filter(isAlive);
  try {
    await untilAllEnded(redis, rig);
    const serviceId = (await redis.get(`${PREFIX}:service`)) ?? "";
    const ended: Record<string, number> = {};
    let repeated = 0;
    const entries = [...rig.ledger.accepted.values()];
    for (let at = 0; at < entries.length; at += CHECKED_AT_ONCE) {
      const batch = entries.slice(at, at + CHECKED_AT_ONCE);
      for (const stored of await Promise.all(batch.map((entry) => expectEndedOnce(redis, entry)))) {
        const ending = endingOf(stored);
        ended[ending] = (ended[ending] ?? 0) + 1;
        repeated += Math.max(0, stored.attempt - 1);
      }
    }
    await expectNoWork(redis);
    await expectMetricsMatchLog(living);
    expectEachEndLoggedOnce(rig);
    for (const process of living) expect(await process.stop(), process.log.slice(-20).join("\n")).toBe(0);
    const reaped = await expectNoContainers(rig, serviceId);
    expect(await lastingKeys(redis)).toEqual([]);
    // The sweep removes a partial file that a killed process left.
    if (wasKilled(rig)) await new FolderStore(`${rig.dataFolder}/blobs`).sweep(-SWEEP_CLOCK_AHEAD_MS);
    expect(await readdir(`${rig.dataFolder}/blobs/incoming`).catch(() => [])).toEqual([]);
    return { ended, refused: Object.fromEntries(rig.ledger.refused), repeated, reaped };
  } finally {
    redis.disconnect();
  }
}

export function isAlive({ child }: ServiceProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Covers all records, including those of refused requests. */
async function untilAllEnded(redis: Redis, rig: FaultRig): Promise<void> {
  for (const { organization, id } of rig.ledger.accepted.values()) {
    expect(await redis.exists(recordKey(organization, id)), `the record of accepted ${id}`).toBe(1);
  }
  await until("every execution ends", async () => (await unended(redis)).length === 0, ENDS_MS).catch(async (error: unknown) => {
    const lines = rig.processes.flatMap(({ command, log }) => [`— ${command}`, ...log.slice(-12)]);
    throw new Error(`not ended: ${(await unended(redis)).join(", ")}\n${lines.join("\n")}`, { cause: error });
  });
}

async function unended(redis: Redis): Promise<string[]> {
  const left: string[] = [];
  for await (const page of redis.scanStream({ match: `${PREFIX}:record:*`, count: 1_000 })) {
    const keys = page as string[];
    if (keys.length === 0) continue;
    const pipeline = redis.pipeline();
    for (const key of keys) pipeline.hget(key, "status");
    const states = (await pipeline.exec()) ?? [];
    for (const [at, [, status]] of states.entries()) {
      if (status === "queued" || status === "in_progress") left.push(`${keys[at]} is ${status}`);
    }
  }
  return left;
}

async function expectEndedOnce(redis: Redis, { organization, id, endings, once }: Entry): Promise<StoredExecution> {
  const stored = await decodeRecord(organization, await redis.callBuffer("HGETALL", recordKey(organization, id)));
  if (stored === null) throw new Error(`the record of ${id} is gone`);
  const ending = endingOf(stored);
  const context = `${id} ended ${ending}, attempt ${stored.attempt}: ${JSON.stringify(stored.end?.evidence)}`;
  expect(endings.includes(ending) || endings.includes(stored.status), context).toBe(true);
  expect(stored.end?.status, context).toBe(stored.status);
  const entries = await redis.xrange(`${PREFIX}:stream:${organization}:${id}`, "-", "+");
  const events = entries.map(([, fields]) => fields[0]);
  // A stream expires before its record, and a clock jump can expire it.
  if (events.length > 0) {
    expect(events.filter((kind) => kind === "ended").length, context).toBe(1);
    expect(events.at(-1), context).toBe("ended");
    expect(events.filter((kind) => kind === "started").length, context).toBe(stored.attempt);
  }
  if (once) expect(stored.attempt, context).toBeLessThanOrEqual(1);
  return stored;
}

export function endingOf({ status, end }: StoredExecution): string {
  return end?.cause === null || end === null ? status : `${status}/${end.cause}`;
}

async function expectNoWork(redis: Redis): Promise<void> {
  const depth = async () => ({
    waiting: await redis.zcard(`${PREFIX}:waiting`),
    unqueued: await redis.zcard(`${PREFIX}:unqueued`),
    jobs: (await redis.keys(`${PREFIX}:executions:*`)).filter((key) => !bullmqOwn.test(key)),
  });
  const nothing = { waiting: 0, unqueued: 0, jobs: [] };
  let last: unknown;
  await until(
    "the queue is empty",
    async () => {
      last = await depth();
      return JSON.stringify(last) === JSON.stringify(nothing);
    },
    GONE_MS,
  ).catch(() => expect(last).toEqual(nothing));
}

/** The metrics of a process count exactly the ends in its log. */
async function expectMetricsMatchLog(living: readonly ServiceProcess[]): Promise<void> {
  for (const process of living) {
    const text = await (await fetch(`${process.operationsUrl}/metrics`)).text();
    const counted = [...text.matchAll(/^code_interpreter_executions_total\{.*\} (\d+)$/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
    expect(counted, `executions that ${process.command} counts, and its log lists`).toBe(endsIn(process).length);
    expect(text).toMatch(/code_interpreter_queue_depth\{state="waiting"\} 0/);
    expect(text).toMatch(/code_interpreter_queue_depth\{state="active"\} 0/);
  }
}

/** Each end is logged by exactly one process. A killed process may have stored an end without logging it. */
function expectEachEndLoggedOnce({ processes, ledger }: FaultRig): void {
  const context = processes.flatMap(endsIn);
  const seen = new Set<string>();
  const twice = context.filter((id) => seen.size === seen.add(id).size);
  expect(twice, "ends that were logged twice").toEqual([]);
  if (wasKilled({ processes })) return;
  expect(
    [...ledger.accepted.keys()].filter((id) => !seen.has(id)),
    "ends that were not logged",
  ).toEqual([]);
}

function wasKilled({ processes }: Pick<FaultRig, "processes">): boolean {
  return processes.some(({ child }) => child.signalCode === "SIGKILL" || child.signalCode === "SIGABRT");
}

function endsIn({ log }: ServiceProcess): string[] {
  return log.filter((line) => line.includes('"execution ended"')).map((line) => (JSON.parse(line) as { execution: string }).execution);
}

async function expectNoContainers(rig: FaultRig, serviceId: string): Promise<number> {
  const workers = rig.processes.flatMap(({ log }) => log.flatMap((line) => /"workerId":"([^"]+)"/.exec(line)?.[1] ?? []));
  const left = async () => (await Promise.all(workers.map((id) => sandboxesOf(id, rig.engineHost)))).flat();
  // Sandboxes of a killed worker end with its connection. The reaper removes their containers.
  await until("no sandbox runs", async () => (await left()).every(({ State }) => State !== "running"), GONE_MS);
  const found = await left();
  if (found.length === 0) return 0;
  const engine = connectEngine({ host: rig.engineHost }, makeMetrics());
  try {
    await reapSandboxes({
      engine,
      metrics: makeMetrics(),
      log: makeLog("silent"),
      serviceId,
      isWorkerAlive: async () => false,
      now: () => Date.now() + REAPER_CLOCK_AHEAD_MS,
    });
  } finally {
    engine.close();
  }
  expect((await left()).map(({ Names, Status }) => [Names, Status])).toEqual([]);
  return found.length;
}

async function lastingKeys(redis: Redis): Promise<string[]> {
  const lasting: string[] = [];
  for await (const keys of redis.scanStream({ count: 1_000 })) {
    const expiries = await Promise.all((keys as string[]).map((key) => redis.pttl(key)));
    for (const [at, key] of (keys as string[]).entries()) if (expiries[at] === -1 && !bullmqOwn.test(key)) lasting.push(key);
  }
  return lasting;
}

function recordKey(organization: string, id: string): string {
  return `${PREFIX}:record:${organization}:${id}`;
}
