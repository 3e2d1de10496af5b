import { setTimeout as sleep } from "node:timers/promises";
import type { FaultRig } from "../support/faults/fault-rig.ts";
import type { ServiceProcess } from "../support/servers/service.ts";
import type { TcpProxy } from "../support/servers/tcp-proxy.ts";
import type { Random } from "./random.ts";

const REDIS_AWAY_MS = 2_000;

/** The processes that faults may hit: one api and one worker, each replaced when killed. */
export interface Victims {
  api: ServiceProcess;
  worker: ServiceProcess;
  redis: TcpProxy;
  engine: TcpProxy;
  start(command: "api" | "worker"): Promise<ServiceProcess>;
}

type Fault = (rig: FaultRig, victims: Victims) => Promise<void>;

const faults: Record<string, Fault> = {
  "worker killed": (_, victims) => replace(victims, "worker", (worker) => worker.kill()),
  "worker stopped": (_, victims) => replace(victims, "worker", (worker) => worker.stop()),
  "api killed": (_, victims) => replace(victims, "api", (api) => api.kill()),
  "api stopped": (_, victims) => replace(victims, "api", (api) => api.stop()),
  "Redis killed and back": async ({ redis }) => {
    await redis.kill();
    await sleep(REDIS_AWAY_MS);
    await redis.restart();
  },
  "way to Redis cut": async (_, { redis }) => redis.cut(),
  "way to Redis silent": async (_, { redis }) => redis.silence(),
  "way to the engine cut": async (_, { engine }) => engine.cut(),
};

/** Injects each kind of fault in turn, in an order given by the seed, until `end`; counts them. */
export async function injectFaults(rig: FaultRig, victims: Victims, random: Random, pauseMs: number, end: number) {
  const counts: Record<string, number> = {};
  let left: string[] = [];
  while (performance.now() + pauseMs < end) {
    await sleep(pauseMs * (0.5 + random.next()));
    if (left.length === 0) left = Object.keys(faults);
    const name = random.pick(left);
    left = left.filter((other) => other !== name);
    await faults[name]?.(rig, victims);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** An api's successor starts first, so that requests are always answered. */
async function replace(victims: Victims, command: "api" | "worker", end: (victim: ServiceProcess) => Promise<unknown>): Promise<void> {
  const victim = victims[command];
  victims[command] = await victims.start(command);
  await end(victim);
}
