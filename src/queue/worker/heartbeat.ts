import { randomUUID } from "node:crypto";
import type { Log } from "../../observe/log.ts";
import type { RedisClient } from "../../redis/address.ts";
import { HEARTBEAT_ALIVE_MS, makeKeys } from "../core/keys.ts";
import { repeat } from "./sweep.ts";

const BEAT_MS = 5_000;
/** So long after the last worker's last word the service may be given another name. */
const SERVICE_KEPT_MS = 30 * 24 * 60 * 60 * 1000;

/** Says that a worker lives, and asks whether another one does; what it left behind is removed once it does not. */
export class Heartbeat {
  readonly #redis: RedisClient;
  readonly #base: string;
  readonly #log: Log;
  #stop: () => void = () => undefined;

  constructor(deps: { redis: RedisClient; prefix: string; log: Log }) {
    this.#redis = deps.redis;
    this.#base = makeKeys(deps.prefix).base;
    this.#log = deps.log;
  }

  /** The name that all workers of this Redis and prefix share; the first of them chooses it. */
  async serviceId(): Promise<string> {
    await this.#redis.set(this.#serviceKey, randomUUID(), "PX", SERVICE_KEPT_MS, "NX");
    return (await this.#redis.get(this.#serviceKey)) ?? "";
  }

  async start(workerId: string): Promise<void> {
    const beat = async () => {
      await this.#redis.set(this.#key(workerId), "alive", "PX", HEARTBEAT_ALIVE_MS);
      await this.#redis.pexpire(this.#serviceKey, SERVICE_KEPT_MS);
    };
    await beat();
    this.#stop = repeat(BEAT_MS, this.#log, beat);
  }

  async isAlive(workerId: string): Promise<boolean> {
    return (await this.#redis.exists(this.#key(workerId))) === 1;
  }

  async stop(workerId: string): Promise<void> {
    this.#stop();
    await this.#redis.del(this.#key(workerId));
  }

  get #serviceKey(): string {
    return `${this.#base}:service`;
  }

  #key(workerId: string): string {
    return `${this.#base}:worker:${workerId}`;
  }
}
