import { type PackageList, type SandboxPackages, sandboxPackages } from "../../domain/packages.ts";
import type { RedisClient } from "../../redis/address.ts";
import { makeKeys } from "../core/keys.ts";

/** Longer than a restart of all workers takes. */
const KEPT_MS = 24 * 60 * 60 * 1000;

/** The packages of the sandboxes, which workers announce and api processes read. All workers are taken to have one image. */
export class AnnouncedPackages implements PackageList {
  readonly #redis: RedisClient;
  readonly #key: string;
  latest: SandboxPackages | null = null;

  constructor(deps: { redis: RedisClient; prefix: string }) {
    this.#redis = deps.redis;
    this.#key = `${makeKeys(deps.prefix).base}:packages`;
  }

  async announce(packages: SandboxPackages): Promise<void> {
    await this.#redis.set(this.#key, JSON.stringify(packages), "PX", KEPT_MS);
  }

  async read(): Promise<SandboxPackages | null> {
    const text = await this.#redis.get(this.#key);
    // Another version of the service may have written it.
    this.latest = text === null ? null : (sandboxPackages.safeParse(JSON.parse(text)).data ?? null);
    return this.latest;
  }
}
