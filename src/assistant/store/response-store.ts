import type { Limits } from "../../domain/limits.ts";
import type { LimitsOf } from "../../domain/organization-limits.ts";
import type { RedisClient } from "../../redis/address.ts";
import { HOUR_MS, hourOf } from "../../redis/kept-bytes.ts";
import { asFlag, asNothing, Script } from "../../redis/script.ts";
import type { ResponseStore } from "../ports.ts";
import type { Item } from "../views/items.ts";
import type { StoredResponse } from "../views/response.ts";
import type { ResponseEvent } from "../views/views.ts";
import { ensureRoom } from "./room.ts";

/** A response is lost when its process has not renewed the lease for this long. */
const LEASE_MS = 15_000;
const itemIdPattern = /^(?:ci|msg|fc|rs)_[0-9a-z]{24}$/;
const EVENTS_MAX = 20_000;
const EVENTS_PAGE = 500;

/**
 * `count` adds to the stored bytes of the hour in which the response was created, because it expires with that hour. An
 * hour that does not exist has expired. Responses of older versions have no hour.
 */
const KEYS_LUA = `
local response = KEYS[1] .. ':response:' .. organization .. ':' .. id
local lease = KEYS[1] .. ':response-lease:' .. organization .. ':' .. id
local kept = KEYS[1] .. ':kept:' .. organization
local function count(bytes)
  local hour = redis.call('HGET', response, 'hour')
  if hour and redis.call('HEXISTS', kept, hour) == 1 then redis.call('HINCRBY', kept, hour, bytes) end
end
`;

/** Stores the end. The first end wins, and a deleted response is not restored: false then. */
const finishScript = new Script({
  args: ["organization", "id", "finalStatus", "doc"],
  lua: `${KEYS_LUA}
local status = redis.call('HGET', response, 'status')
if status ~= 'queued' and status ~= 'in_progress' then return 0 end
count(#doc - redis.call('HSTRLEN', response, 'doc'))
redis.call('HSET', response, 'status', final_status, 'doc', doc)
redis.call('DEL', lease)
return 1`,
  reply: asFlag,
});

/** Deletes a response; false when there is none. */
const deleteScript = new Script({
  args: ["organization", "id"],
  lua: `${KEYS_LUA}
count(-redis.call('HSTRLEN', response, 'doc'))
return redis.call('DEL', response)`,
  reply: asFlag,
});

/** Flags a response that exists as cancelled. */
const requestCancelScript = new Script({
  args: ["organization", "id"],
  lua: `${KEYS_LUA}
if redis.call('EXISTS', response) == 1 then redis.call('HSET', response, 'cancel', '1') end`,
  reply: asNothing,
});

/** Responses in Redis, under `{prefix}:response*:<organization>:<id>`; every key expires. */
export class RedisResponseStore implements ResponseStore {
  readonly #redis: RedisClient;
  readonly #base: string;
  readonly #limits: Limits;
  readonly #limitsOf: LimitsOf;

  constructor(options: { redis: RedisClient; prefix: string; limits: Limits; limitsOf?: LimitsOf }) {
    this.#redis = options.redis;
    this.#base = `{${options.prefix}}`;
    this.#limits = options.limits;
    this.#limitsOf = options.limitsOf ?? (() => options.limits);
  }

  /** Rejects with `organization_storage_full`. */
  async create(response: StoredResponse): Promise<void> {
    const { organization, id, status } = response;
    const key = this.#key("response", organization, id);
    await ensureRoom(this.#redis, this.#keptKey(organization), this.#limitsOf(organization));
    const doc = JSON.stringify(response);
    const kept = this.#keptKey(organization);
    const hour = hourOf(Date.now());
    const done = await this.#redis
      .multi()
      .hset(key, { status, doc, hour })
      .hincrby(kept, hour, Buffer.byteLength(doc))
      .pexpire(kept, this.#limits.retentionMsMax + HOUR_MS)
      .pexpire(key, this.#limits.retentionMsMax)
      .set(this.#key("response-lease", organization, id), "1", "PX", LEASE_MS)
      .exec();
    for (const [error] of done ?? []) if (error !== null) throw error;
  }

  #keptKey(organization: string): string {
    return `${this.#base}:kept:${organization}`;
  }

  async get(organization: string, id: string): Promise<StoredResponse | null> {
    const text = await this.#redis.hget(this.#key("response", organization, id), "doc");
    return text === null ? null : (JSON.parse(text) as StoredResponse);
  }

  async finish(response: StoredResponse): Promise<boolean> {
    const { organization, id, status } = response;
    const doc = JSON.stringify(response);
    return finishScript.run(this.#redis, this.#base, { organization, id, finalStatus: status, doc });
  }

  async indexItems({ organization, id, output }: StoredResponse): Promise<void> {
    if (output.length === 0) return;
    const pipeline = this.#redis.pipeline();
    for (const item of output) pipeline.set(this.#key("response-item", organization, item.id), id, "PX", this.#limits.retentionMsMax);
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
  }

  async findItems(organization: string, ids: readonly string[]): Promise<ReadonlyMap<string, Item>> {
    const wanted = [...new Set(ids)].filter((id) => itemIdPattern.test(id));
    if (wanted.length === 0) return new Map();
    const pipeline = this.#redis.pipeline();
    for (const id of wanted) pipeline.get(this.#key("response-item", organization, id));
    const owners = ((await pipeline.exec()) ?? []).flatMap(([error, owner]) => {
      if (error !== null) throw error;
      return typeof owner === "string" ? [owner] : [];
    });
    const found = new Map<string, Item>();
    for (const owner of new Set(owners)) {
      for (const item of (await this.get(organization, owner))?.output ?? []) if (wanted.includes(item.id)) found.set(item.id, item);
    }
    return found;
  }

  async delete(organization: string, id: string): Promise<boolean> {
    const [deleted] = await Promise.all([
      deleteScript.run(this.#redis, this.#base, { organization, id }),
      ...["response-events", "response-lease"].map((kind) => this.#redis.del(this.#key(kind, organization, id))),
    ]);
    return deleted;
  }

  async renew(running: ReadonlyArray<{ organization: string; id: string }>): Promise<void> {
    const pipeline = this.#redis.pipeline();
    for (const { organization, id } of running) pipeline.set(this.#key("response-lease", organization, id), "1", "PX", LEASE_MS);
    await pipeline.exec();
  }

  async wantedCancelled(running: ReadonlyArray<{ organization: string; id: string }>): Promise<string[]> {
    const pipeline = this.#redis.pipeline();
    for (const { organization, id } of running) pipeline.hexists(this.#key("response", organization, id), "cancel");
    const replies = (await pipeline.exec()) ?? [];
    return running.flatMap(({ id }, index) => (replies[index]?.[1] === 1 ? [id] : []));
  }

  async isAlive(organization: string, id: string): Promise<boolean> {
    return (await this.#redis.exists(this.#key("response-lease", organization, id))) === 1;
  }

  async requestCancel(organization: string, id: string): Promise<void> {
    await requestCancelScript.run(this.#redis, this.#base, { organization, id });
  }

  async appendEvents(organization: string, id: string, events: readonly ResponseEvent[]): Promise<void> {
    const key = this.#key("response-events", organization, id);
    const pipeline = this.#redis.pipeline();
    // Stream ids start above 0-0, sequence numbers at 0.
    for (const event of events)
      pipeline.xadd(key, "MAXLEN", "~", EVENTS_MAX, `${event.sequence_number + 1}-0`, "event", JSON.stringify(event));
    pipeline.pexpire(key, this.#limits.eventsRetentionMsMax);
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
  }

  async eventsAfter(organization: string, id: string, after: number): Promise<ResponseEvent[]> {
    const key = this.#key("response-events", organization, id);
    const entries = await this.#redis.xrange(key, `${after + 2}-0`, "+", "COUNT", EVENTS_PAGE);
    return entries.map(([, fields]) => JSON.parse(fields[1] as string) as ResponseEvent);
  }

  #key(kind: string, organization: string, id: string): string {
    return `${this.#base}:${kind}:${organization}:${id}`;
  }
}
