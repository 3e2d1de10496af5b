import type { RedisClient } from "../redis/address.ts";
import { HOUR_MS, hourOf, keptBytes } from "../redis/kept-bytes.ts";
import type { FileRecord } from "./store.ts";

export interface FileFilter {
  after?: string;
  limit: number;
  order: "asc" | "desc";
  purpose?: string;
}

/**
 * Records of files, in Redis. The organization is part of every key, so another organization's id does not exist. Every
 * key expires. The hash tag keeps one organization's keys in one cluster slot.
 */
export class FileCatalog {
  readonly #redis: RedisClient;
  readonly #prefix: string;
  readonly #retentionMs: number;

  /** No file is kept longer than `retentionMs`; a record may expire earlier. */
  constructor(redis: RedisClient, prefix: string, retentionMs: number) {
    this.#redis = redis;
    this.#prefix = prefix;
    this.#retentionMs = retentionMs;
  }

  /** The file is deleted with its owner, by default the execution that produced it. */
  async add(record: FileRecord, owner: string | null = record.executionId): Promise<void> {
    const { organization, id } = record;
    const keptMs = Math.max(record.expiresAt - record.createdAt, 1);
    const index = this.#indexKey(organization);
    const transaction = this.#redis
      .multi()
      .set(this.#recordKey(organization, id), JSON.stringify(record), "PX", keptMs)
      .zadd(index, record.createdAt, id)
      .zremrangebyscore(index, "-inf", record.createdAt - this.#retentionMs)
      .pexpire(index, this.#retentionMs)
      .hincrby(this.#keptKey(organization), hourOf(record.createdAt), record.bytes)
      .pexpire(this.#keptKey(organization), this.#retentionMs + HOUR_MS);
    if (owner !== null) {
      const owned = this.#ownedKey(organization, owner);
      transaction.sadd(owned, id).pexpire(owned, this.#retentionMs);
    }
    ensureAllDone(await transaction.exec());
  }

  /** Bytes of all files within the retention, without deleted ones. */
  async keptBytes(organization: string): Promise<number> {
    return keptBytes(await this.#redis.hgetall(this.#keptKey(organization)), this.#retentionMs, Date.now());
  }

  /** The bound of the organization's files where it differs from the service's, or null. */
  async bytesMax(organization: string): Promise<number | null> {
    const text = await this.#redis.hget(this.#boundsKey, organization);
    return text === null ? null : Number(text);
  }

  /**
   * Replaces the bounds of all organizations. The api writes them, because only it has keys; workers store files as well. They
   * expire with the retention, so that bounds without an api end.
   */
  async setBytesMax(bounds: ReadonlyMap<string, number>): Promise<void> {
    const transaction = this.#redis.multi().del(this.#boundsKey);
    if (bounds.size > 0) transaction.hset(this.#boundsKey, Object.fromEntries(bounds)).pexpire(this.#boundsKey, this.#retentionMs);
    ensureAllDone(await transaction.exec());
  }

  get #boundsKey(): string {
    return `${this.#prefix}:files-bytes-max`;
  }

  /** Ties files that were stored before their execution had an id to it, so that they are deleted with it. */
  async own(organization: string, executionId: string, ids: readonly string[]): Promise<void> {
    const owned = this.#ownedKey(organization, executionId);
    ensureAllDone(
      await this.#redis
        .multi()
        .sadd(owned, ...ids)
        .pexpire(owned, this.#retentionMs)
        .exec(),
    );
  }

  async disown(organization: string, executionId: string): Promise<void> {
    await this.#redis.del(this.#ownedKey(organization, executionId));
  }

  async ownedBy(organization: string, executionId: string): Promise<string[]> {
    return this.#redis.smembers(this.#ownedKey(organization, executionId));
  }

  async get(organization: string, id: string): Promise<FileRecord | null> {
    const text = await this.#redis.get(this.#recordKey(organization, id));
    return text === null ? null : (JSON.parse(text) as FileRecord);
  }

  async getMany(organization: string, ids: readonly string[]): Promise<Array<FileRecord | null>> {
    if (ids.length === 0) return [];
    const texts = await this.#redis.mget(...ids.map((id) => this.#recordKey(organization, id)));
    return texts.map((text) => (text === null ? null : (JSON.parse(text) as FileRecord)));
  }

  /**
   * A page, newest or oldest first; null when `after` is unknown. `after` accepts a deleted file for an hour, because callers
   * delete files while they page through the list.
   */
  async list(organization: string, filter: FileFilter): Promise<{ data: FileRecord[]; hasMore: boolean } | null> {
    let position: Position | null = null;
    if (filter.after !== undefined) {
      position = await this.#positionOf(organization, filter.after);
      if (position === null) return null;
    }
    const data: FileRecord[] = [];
    // One more than the limit shows whether there are more.
    while (data.length <= filter.limit) {
      const batch = await this.#idsAfter(organization, position, filter);
      if (batch.length === 0) break;
      position = batch.at(-1) as Position;
      const records = await this.getMany(
        organization,
        batch.map((entry) => entry.id),
      );
      for (const record of records) {
        if (record === null || (filter.purpose !== undefined && record.purpose !== filter.purpose)) continue;
        data.push(record);
      }
    }
    return { data: data.slice(0, filter.limit), hasMore: data.length > filter.limit };
  }

  async remove(organization: string, id: string): Promise<FileRecord | null> {
    const record = await this.get(organization, id);
    if (record === null) return null;
    const done = ensureAllDone(
      await this.#redis
        .multi()
        .del(this.#recordKey(organization, id))
        .zrem(this.#indexKey(organization), id)
        .set(this.#cursorKey(organization, id), record.createdAt, "PX", CURSOR_KEPT_MS)
        .exec(),
    );
    // Of two concurrent deletes, only one has removed the record.
    if (done[0] !== 1) return null;
    const kept = this.#keptKey(organization);
    const keptMs = this.#retentionMs + HOUR_MS;
    ensureAllDone(await this.#redis.multi().hincrby(kept, hourOf(record.createdAt), -record.bytes).pexpire(kept, keptMs).exec());
    return record;
  }

  /** Ids after a position, in order. Files of the same millisecond are ordered by id, so pages lose and repeat none. */
  async #idsAfter(organization: string, position: Position | null, filter: FileFilter): Promise<Position[]> {
    const index = this.#indexKey(organization);
    const count = filter.limit + 1;
    for (let offset = 0; ; offset += count) {
      const flat =
        filter.order === "asc"
          ? await this.#redis.zrangebyscore(index, position?.at ?? "-inf", "+inf", "WITHSCORES", "LIMIT", offset, count)
          : await this.#redis.zrevrangebyscore(index, position?.at ?? "+inf", "-inf", "WITHSCORES", "LIMIT", offset, count);
      const entries: Position[] = [];
      for (let i = 0; i < flat.length; i += 2) entries.push({ id: flat[i] as string, at: Number(flat[i + 1]) });
      const found = entries.filter((entry) => position === null || isAfter(entry, position, filter.order));
      if (found.length > 0 || entries.length < count) return found;
    }
  }

  async #positionOf(organization: string, id: string): Promise<Position | null> {
    const score =
      (await this.#redis.zscore(this.#indexKey(organization), id)) ?? (await this.#redis.get(this.#cursorKey(organization, id)));
    return score === null ? null : { id, at: Number(score) };
  }

  #recordKey(organization: string, id: string): string {
    return `${this.#prefix}:{${organization}}:file:${id}`;
  }

  #cursorKey(organization: string, id: string): string {
    return `${this.#prefix}:{${organization}}:file-cursor:${id}`;
  }

  #keptKey(organization: string): string {
    return `${this.#prefix}:{${organization}}:files-kept`;
  }

  #indexKey(organization: string): string {
    return `${this.#prefix}:{${organization}}:files`;
  }

  #ownedKey(organization: string, executionId: string): string {
    return `${this.#prefix}:{${organization}}:files-of:${executionId}`;
  }
}

const CURSOR_KEPT_MS = 60 * 60 * 1000;

interface Position {
  id: string;
  at: number;
}

function isAfter(entry: Position, position: Position, order: "asc" | "desc"): boolean {
  if (entry.at !== position.at) return true;
  return order === "asc" ? entry.id > position.id : entry.id < position.id;
}

/** Throws the first error. A transaction reports failures in its results instead of rejecting. */
function ensureAllDone(results: Array<[error: Error | null, result: unknown]> | null): unknown[] {
  if (results === null) throw new Error("the transaction was discarded");
  return results.map(([error, result]) => {
    if (error !== null) throw error;
    return result;
  });
}
