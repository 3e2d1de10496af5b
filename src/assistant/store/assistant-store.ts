import type { RedisClient } from "../../redis/address.ts";
import type { AssistantStore } from "../ports.ts";
import type { StoredAssistant } from "../views/assistant.ts";

/**
 * Assistants in Redis, under `{prefix}:assistant:<organization>:<id>` and `{prefix}:assistants:<organization>`. Unlike all our other
 * keys, they do not expire: an assistant is kept until it is deleted.
 */
export class RedisAssistantStore implements AssistantStore {
  readonly #redis: RedisClient;
  readonly #base: string;

  constructor(options: { redis: RedisClient; prefix: string }) {
    this.#redis = options.redis;
    this.#base = `{${options.prefix}}`;
  }

  async put(assistant: StoredAssistant): Promise<void> {
    const { organization, id, createdAt } = assistant;
    const done = await this.#redis
      .multi()
      .set(this.#recordKey(organization, id), JSON.stringify(assistant))
      .zadd(this.#indexKey(organization), createdAt, id)
      .exec();
    for (const [error] of done ?? []) if (error !== null) throw error;
  }

  async get(organization: string, id: string): Promise<StoredAssistant | null> {
    const text = await this.#redis.get(this.#recordKey(organization, id));
    return text === null ? null : (JSON.parse(text) as StoredAssistant);
  }

  async delete(organization: string, id: string): Promise<boolean> {
    const done = await this.#redis.multi().del(this.#recordKey(organization, id)).zrem(this.#indexKey(organization), id).exec();
    for (const [error] of done ?? []) if (error !== null) throw error;
    return done?.[0]?.[1] === 1;
  }

  async count(organization: string): Promise<number> {
    return this.#redis.zcard(this.#indexKey(organization));
  }

  async list(organization: string, page: { after?: string; limit: number; order: "asc" | "desc" }) {
    const index = this.#indexKey(organization);
    const isAscending = page.order === "asc";
    let start = 0;
    if (page.after !== undefined) {
      const rank = isAscending ? await this.#redis.zrank(index, page.after) : await this.#redis.zrevrank(index, page.after);
      if (rank === null) return null;
      start = rank + 1;
    }
    const stop = start + page.limit;
    const ids = isAscending ? await this.#redis.zrange(index, start, stop) : await this.#redis.zrevrange(index, start, stop);
    const found = await Promise.all(ids.slice(0, page.limit).map((id) => this.get(organization, id)));
    return { data: found.filter((assistant) => assistant !== null), hasMore: ids.length > page.limit };
  }

  #recordKey(organization: string, id: string): string {
    return `${this.#base}:assistant:${organization}:${id}`;
  }

  #indexKey(organization: string): string {
    return `${this.#base}:assistants:${organization}`;
  }
}
