import { asNumber, asTexts, type ScriptReply } from "../../redis/script.ts";
import { queueScript, type Refusal, refusalOf } from "../core/script-prelude.ts";

/** How an execution enters the queue and leaves it without a run. See script-prelude.ts for what scripts share. */

export type SubmitReply =
  | { kind: "new"; priority: number; createdAt: number; worker: string }
  | { kind: "session"; status: string }
  | { kind: "replay"; bodySha256: string; record: ScriptReply }
  | { kind: "stored" }
  | Refusal;

/**
 * Atomically checks idempotency, admission and the organization's storage, takes a place in the queue and writes the
 * record. An empty string means no key, webhook, session or trace. `priorityClass` is `high` or `normal`.
 */
export const submitScript = queueScript({
  args: [
    "organization",
    "id",
    "idempotencyHash",
    "bodySha256",
    "queueTotalMax",
    "queuePerOrganizationMax",
    "waitMs",
    "retentionMs",
    "eventsMs",
    "priorityClass",
    "webhookId",
    "requestJson",
    "filesJson",
    "session",
    "trace",
    "usageMs",
    "version",
    "serversJson",
    "keptBytesMax",
  ],
  lua: `
local total_max, org_max, wait_ms, retention = tonumber(queue_total_max), tonumber(queue_per_organization_max), tonumber(wait_ms), tonumber(retention_ms)
local idem_key = base .. ':idempotency:' .. organization .. ':' .. idempotency_hash
if idempotency_hash ~= '' then
  local seen = redis.call('GET', idem_key)
  if seen then
    local old = redis.call('HGETALL', record_key(organization, string.sub(seen, 66)))
    if #old > 0 then return {'replay', string.sub(seen, 1, 64), old} end
  end
end
local full, nothing_waits = refusal(organization, total_max, org_max)
if full then return full end
if kept_bytes(kept_key(organization), retention) >= tonumber(kept_bytes_max) then return {'stored'} end
local worker = ''
if session ~= '' then
  local status, owner = touch_session(organization, session)
  if status ~= 'active' then return {'session', status} end
  worker = owner
end
local deadline, tag, priority = take_place(organization, id, priority_class, wait_ms, nothing_waits)
if session == '' then wait_for_worker(organization, id) end
local expires = now + retention
redis.call('HSET', record_key(organization, id), 'status', 'queued', 'request', request_json, 'files', files_json, 'created_at', text(now),
  'deadline_at', text(deadline), 'expires_at', text(expires), 'tag', text(tag), 'attempt', '0', 'webhook_id', webhook_id,
  'events_ms', events_ms, 'idempotency', idempotency_hash, 'id', id, 'worker', worker, 'trace', trace, 'usage_ms', usage_ms, 'v', version)
if servers_json ~= '' then redis.call('HSET', record_key(organization, id), 'servers', servers_json) end
redis.call('PEXPIREAT', record_key(organization, id), text(expires))
add_to_list(base .. ':list:' .. organization, id, retention, expires)
-- The mark stays until the job is in the queue, see unqueued.ts.
redis.call('ZADD', base .. ':unqueued', text(now), organization .. '/' .. id)
redis.call('PEXPIRE', base .. ':unqueued', day)
if idempotency_hash ~= '' then redis.call('SET', idem_key, body_sha256 .. ' ' .. id, 'PXAT', text(expires)) end
keep_bytes(kept_key(organization), #request_json + #files_json + #servers_json, now, retention)
return {'new', priority, text(now), worker}
`,
  reply: submitReply,
});

/** The record that an idempotency key created, or null. */
export const replayScript = queueScript({
  args: ["organization", "idempotencyHash"],
  lua: `
local seen = redis.call('GET', base .. ':idempotency:' .. organization .. ':' .. idempotency_hash)
if not seen then return nil end
local record = redis.call('HGETALL', record_key(organization, string.sub(seen, 66)))
if #record == 0 then return nil end
return {string.sub(seen, 1, 64), record}
`,
  reply: (reply): { bodySha256: string; record: ScriptReply } | null =>
    Array.isArray(reply) ? { bodySha256: String(reply[0]), record: reply[1] ?? null } : null,
});

/**
 * Ends a waiting execution with `endJson`. Flags a running one and notifies the workers. Returns its previous state.
 */
export const cancelScript = queueScript({
  args: ["organization", "id", "endJson"],
  lua: `
local status = redis.call('HGET', record_key(organization, id), 'status')
if not status then return 'unknown' end
if is_final(status) then return 'final' end
if status == 'queued' then
  finish(organization, id, 'cancelled', 'cancelled', end_json, '0')
  return 'waiting'
end
redis.call('HSET', record_key(organization, id), 'cancel', '1')
redis.call('PUBLISH', base .. ':control', id)
return 'running'
`,
  reply: (reply): "unknown" | "final" | "waiting" | "running" => String(reply) as "unknown",
});

/** Deletes an ended execution. */
export const deleteScript = queueScript({
  args: ["organization", "id"],
  lua: `
local status = redis.call('HGET', record_key(organization, id), 'status')
if not status then return 'unknown' end
if not is_final(status) then return 'running' end
local idem, created, completed, outputs = unpack(redis.call('HMGET', record_key(organization, id), 'idempotency', 'created_at', 'completed_at', 'outputs_stored'))
local function freed(field) return -redis.call('HSTRLEN', record_key(organization, id), field) end
keep_bytes(kept_key(organization), freed('request') + freed('files'), tonumber(created))
keep_bytes(kept_key(organization), freed('end') - tonumber(outputs or '0'), tonumber(completed))
redis.call('DEL', record_key(organization, id), stream_key(organization, id), outputs_key(organization, id))
redis.call('ZREM', base .. ':list:' .. organization, id)
redis.call('ZREM', base .. ':webhooks-due', organization .. '/' .. id)
if idem and idem ~= '' then redis.call('DEL', base .. ':idempotency:' .. organization .. ':' .. idem) end
return 'deleted'
`,
  reply: (reply): "unknown" | "running" | "deleted" => String(reply) as "unknown",
});

/**
 * Moves the base of priorities once tags are `distance` beyond it. Returns the base when it moved now or within the
 * last `settleMs`, else null.
 */
export const rebaseScript = queueScript({
  args: ["distance", "settleMs"],
  lua: `
local fair = base .. ':fair'
local state = redis.call('HMGET', fair, 'v', 'base', 'rebased_at')
local v, moving, rebased_at = tonumber(state[1] or '0'), tonumber(state[2] or '0'), tonumber(state[3] or '0')
if v - moving >= tonumber(distance) then
  redis.call('HSET', fair, 'base', text(v), 'rebased_at', text(now))
  -- An organization whose last tag has passed needs no entry: it starts like a new one.
  local fields = redis.call('HGETALL', fair)
  for i = 1, #fields, 2 do
    if string.find(fields[i], '^[nh]:') and tonumber(fields[i + 1]) <= v then redis.call('HDEL', fair, fields[i]) end
  end
  return {text(v)}
end
if rebased_at > 0 and now - rebased_at < tonumber(settle_ms) then return {text(moving)} end
return nil
`,
  reply: (reply): number | null => (Array.isArray(reply) ? Number(reply[0]) : null),
});

/** Waiting executions past their deadline, as organization/id, at most 100. */
export const overdueScript = queueScript({
  args: [],
  lua: `
return redis.call('ZRANGEBYSCORE', base .. ':waiting', '-inf', text(now), 'LIMIT', 0, 100)
`,
  reply: asTexts,
});

/**
 * Age of the oldest execution that waits for a worker, milliseconds; 0 when none waits. The waiting set is
 * authoritative, because processes of an older version remove entries from it alone.
 */
export const oldestWaitingScript = queueScript({
  args: [],
  lua: `
local since = base .. ':waiting-since'
for _ = 1, 1000 do
  local first = redis.call('ZRANGE', since, 0, 0, 'WITHSCORES')
  if not first[1] then return 0 end
  if redis.call('ZSCORE', base .. ':waiting', first[1]) then return math.max(0, now - tonumber(first[2])) end
  redis.call('ZREM', since, first[1])
end
return 0
`,
  reply: asNumber,
});

function submitReply(reply: ScriptReply): SubmitReply {
  const [kind, first, second = null, third] = reply as ScriptReply[];
  switch (String(kind)) {
    case "new":
      return { kind: "new", priority: Number(first), createdAt: Number(second), worker: String(third) };
    case "session":
      return { kind: "session", status: String(first) };
    case "replay":
      return { kind: "replay", bodySha256: String(first), record: second };
    case "stored":
      return { kind: "stored" };
    default:
      return refusalOf(reply);
  }
}
