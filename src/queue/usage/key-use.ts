import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";

/** Keys noted between two flushes. Only valid keys are noted, so more are not to be expected. */
const NOTED_MAX = 100_000;
/** Since the last use of any key. A service that is gone leaves nothing in Redis for ever. */
const KEPT_MS = 400 * 24 * 60 * 60 * 1000;

/** When each API key was used last: noted in this process, and written to Redis now and then. */
export class KeyUse {
  readonly #noted = new Map<string, number>();

  note(keyId: string): void {
    if (this.#noted.size < NOTED_MAX || this.#noted.has(keyId)) this.#noted.set(keyId, Date.now());
  }

  /** What Redis does not take is lost: the next use is noted again. */
  async flush(redis: RedisClient, keys: Keys): Promise<void> {
    if (this.#noted.size === 0) return;
    const noted = Object.fromEntries(this.#noted);
    this.#noted.clear();
    await redis.multi().hset(keys.keyUse, noted).pexpire(keys.keyUse, KEPT_MS).exec();
  }
}

/** Unix times in ms, by key id; null for a key that was not used, as far as Redis knows. */
export async function readKeyUse(redis: RedisClient, keys: Keys, ids: readonly string[]): Promise<Map<string, number | null>> {
  if (ids.length === 0) return new Map();
  const times = await redis.hmget(keys.keyUse, ...ids);
  return new Map(ids.map((id, at) => [id, times[at] == null ? null : Number(times[at])]));
}
