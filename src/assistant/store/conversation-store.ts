import type { Limits } from "../../domain/limits.ts";
import type { LimitsOf } from "../../domain/organization-limits.ts";
import type { RedisClient } from "../../redis/address.ts";
import { HOUR_MS, hourOf } from "../../redis/kept-bytes.ts";
import { asFlag, Script } from "../../redis/script.ts";
import type { ConversationStore } from "../ports.ts";
import type { StoredConversation } from "../views/conversation.ts";
import type { Item } from "../views/items.ts";
import { ensureRoom } from "./room.ts";

const KEYS_LUA = `
local record = KEYS[1] .. ':conversation:' .. organization .. ':' .. id
local items = KEYS[1] .. ':conversation-items:' .. organization .. ':' .. id
`;

/** Stores the record and adds items. Without \`creates\`, false when the conversation is gone. Both keys expire together. */
const writeScript = new Script({
  args: ["organization", "id", "doc", "creates", "ttl", "hour"],
  lua: `${KEYS_LUA}
if creates == '0' and redis.call('EXISTS', record) == 0 then return 0 end
local bytes = #doc
redis.call('SET', record, doc, 'PX', ttl)
for i = rest, #ARGV do
  redis.call('RPUSH', items, ARGV[i])
  bytes = bytes + #ARGV[i]
end
redis.call('PEXPIRE', items, ttl)
local kept = KEYS[1] .. ':kept:' .. organization
redis.call('HINCRBY', kept, hour, bytes)
redis.call('PEXPIRE', kept, ttl + ${HOUR_MS})
return 1`,
  reply: asFlag,
});

/**
 * Conversations in Redis, under `{prefix}:conversation*:<organization>:<id>`. They expire when they have not been used for the
 * retention. What was added counts as stored for as long as any record of that hour.
 */
export class RedisConversationStore implements ConversationStore {
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

  async create(conversation: StoredConversation, items: readonly Item[]): Promise<void> {
    await this.#write(conversation, items, "1");
  }

  async update(conversation: StoredConversation, added: readonly Item[]): Promise<boolean> {
    return this.#write(conversation, added, "0");
  }

  async get(organization: string, id: string): Promise<StoredConversation | null> {
    const text = await this.#redis.get(this.#key("conversation", organization, id));
    return text === null ? null : (JSON.parse(text) as StoredConversation);
  }

  async items(organization: string, id: string): Promise<Item[]> {
    return (await this.#redis.lrange(this.#key("conversation-items", organization, id), 0, -1)).map((text) => JSON.parse(text) as Item);
  }

  async deleteItem(organization: string, id: string, itemId: string): Promise<boolean> {
    const key = this.#key("conversation-items", organization, id);
    const texts = await this.#redis.lrange(key, 0, -1);
    const text = texts.find((one) => (JSON.parse(one) as Item).id === itemId);
    return text !== undefined && (await this.#redis.lrem(key, 1, text)) === 1;
  }

  async delete(organization: string, id: string): Promise<boolean> {
    const [deleted] = await Promise.all(
      ["conversation", "conversation-items"].map((kind) => this.#redis.del(this.#key(kind, organization, id))),
    );
    return deleted === 1;
  }

  async #write(conversation: StoredConversation, items: readonly Item[], creates: "0" | "1"): Promise<boolean> {
    const { organization, id } = conversation;
    await ensureRoom(this.#redis, `${this.#base}:kept:${organization}`, this.#limitsOf(organization));
    const named = {
      organization,
      id,
      doc: JSON.stringify(conversation),
      creates,
      ttl: this.#limits.retentionMsMax,
      hour: hourOf(Date.now()),
    };
    return writeScript.run(
      this.#redis,
      this.#base,
      named,
      items.map((item) => JSON.stringify(item)),
    );
  }

  #key(kind: string, organization: string, id: string): string {
    return `${this.#base}:${kind}:${organization}:${id}`;
  }
}
