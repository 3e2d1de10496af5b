import { createHash } from "node:crypto";
import type { RedisClient } from "./address.ts";

/** A Lua script, sent by its hash; whole only when this Redis has not seen it. Replies keep bytes as bytes. */
export class Script {
  readonly #source: string;
  readonly #hash: string;

  constructor(source: string) {
    this.#source = source;
    this.#hash = createHash("sha1").update(source).digest("hex");
  }

  async run(redis: RedisClient, base: string, args: ReadonlyArray<string | number | Buffer>): Promise<unknown> {
    try {
      return await redis.callBuffer("EVALSHA", this.#hash, 1, base, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
      return redis.callBuffer("EVAL", this.#source, 1, base, ...args);
    }
  }
}
