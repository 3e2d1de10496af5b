import { asFlag, asNumber, asTexts, type ScriptReply } from "../../redis/script.ts";
import { queueScript, type Refusal, refusalOf } from "../core/script-prelude.ts";

/** Every change of an execution's state, one script each. See script-prelude.ts for what they share. */

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
local full = refusal(organization, total_max, org_max)
if full then return full end
if kept_bytes(kept_key(organization), retention) >= tonumber(kept_bytes_max) then return {'stored'} end
local worker = ''
if session ~= '' then
  local status, owner = touch_session(organization, session)
  if status ~= 'active' then return {'session', status} end
  worker = owner
end
local deadline, tag, priority = take_place(organization, id, priority_class, wait_ms)
if session == '' then wait_for_worker(organization, id) end
local expires = now + retention
redis.call('HSET', record_key(organization, id), 'status', 'queued', 'request', request_json, 'files', files_json, 'created_at', text(now),
  'deadline_at', text(deadline), 'expires_at', text(expires), 'tag', text(tag), 'attempt', '0', 'webhook_id', webhook_id,
  'events_ms', events_ms, 'idempotency', idempotency_hash, 'id', id, 'worker', worker, 'trace', trace, 'usage_ms', usage_ms, 'v', version)
redis.call('PEXPIREAT', record_key(organization, id), text(expires))
add_to_list(base .. ':list:' .. organization, id, retention, expires)
-- The mark stays until the job is in the queue, see unqueued.ts.
redis.call('ZADD', base .. ':unqueued', text(now), organization .. '/' .. id)
redis.call('PEXPIRE', base .. ':unqueued', day)
if idempotency_hash ~= '' then redis.call('SET', idem_key, body_sha256 .. ' ' .. id, 'PXAT', text(expires)) end
keep_bytes(kept_key(organization), #request_json + #files_json)
redis.call('PEXPIRE', kept_key(organization), retention + hour)
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

export type StartVerdict = "run" | "newer" | "ended" | "gone" | "cancelled" | "deadline" | "worker_lost";

/**
 * A worker takes an execution, or receives the reason why it must not. A repeated `call` returns the first reply again.
 * The ends are JSON, stored for an execution that must not run. `versionMax` is the newest version that the worker
 * reads.
 */
export const startScript = queueScript({
  args: [
    "organization",
    "id",
    "attemptsMax",
    "deadlineEnd",
    "cancelledUnrunEnd",
    "cancelledPartlyEnd",
    "workerLostEnd",
    "call",
    "versionMax",
  ],
  lua: `
local record = record_key(organization, id)
local state = redis.call('HMGET', record, 'status', 'attempt', 'cancel', 'deadline_at', 'tag', 'started_at', 'taken_by', 'v')
local status, attempt = state[1], tonumber(state[2])
if not status then return {'gone'} end
if tonumber(state[8] or '0') > tonumber(version_max) then return {'newer'} end
if status == 'in_progress' and state[7] == call then return {'run', redis.call('HGETALL', record)} end
if is_final(status) then return {'ended', redis.call('HGETALL', record)} end
leave_place(organization, id, state[5])
redis.call('ZREM', base .. ':unqueued', organization .. '/' .. id)
local dropped = nil
if state[3] then
  dropped = 'cancelled'
  finish(organization, id, 'cancelled', 'cancelled', attempt == 0 and cancelled_unrun_end or cancelled_partly_end, '0')
elseif attempt == 0 and now > tonumber(state[4]) then
  dropped = 'deadline'
  finish(organization, id, 'errored', 'timeout', deadline_end, '0')
elseif attempt >= tonumber(attempts_max) then
  dropped = 'worker_lost'
  finish(organization, id, 'errored', 'worker_lost', worker_lost_end, '0')
end
if dropped then return {dropped, redis.call('HGETALL', record)} end
redis.call('HSET', record, 'status', 'in_progress', 'attempt', attempt + 1, 'taken_by', call)
if not state[6] then redis.call('HSET', record, 'started_at', text(now)) end
append(organization, id, 'started', attempt + 1)
wake(organization, id)
return {'run', redis.call('HGETALL', record)}
`,
  reply: (reply): { verdict: StartVerdict; record: ScriptReply } => {
    const [verdict, record = null] = reply as ScriptReply[];
    return { verdict: String(verdict) as StartVerdict, record };
  },
});

/**
 * Puts a first attempt that got no sandbox back into its old place in the queue. False when it must end now because it
 * was cancelled, its deadline has passed, or it is not the first attempt.
 */
export const backInQueueScript = queueScript({
  args: ["organization", "id", "attempt"],
  lua: `
local record = record_key(organization, id)
local state = redis.call('HMGET', record, 'status', 'attempt', 'cancel', 'deadline_at', 'created_at')
local deadline = tonumber(state[4] or '0')
if state[1] ~= 'in_progress' or state[2] ~= attempt or state[2] ~= '1' or state[3] or now >= deadline then return 0 end
redis.call('HSET', record, 'status', 'queued', 'attempt', '0')
redis.call('HDEL', record, 'started_at', 'taken_by')
redis.call('ZADD', base .. ':waiting', text(deadline), organization .. '/' .. id)
redis.call('ZADD', base .. ':waiting:' .. organization, text(deadline), id)
redis.call('ZADD', base .. ':waiting-since', state[5], organization .. '/' .. id)
for _, key in ipairs({':waiting', ':waiting:' .. organization, ':waiting-since'}) do
  redis.call('PEXPIRE', base .. key, day + deadline - now)
end
local last = redis.call('XREVRANGE', stream_key(organization, id), '+', '-', 'COUNT', 1)[1]
if last and last[2][1] == 'started' then redis.call('XDEL', stream_key(organization, id), last[1]) end
return 1
`,
  reply: asFlag,
});

/**
 * Appends outputs, as JSON in the further arguments, to the event stream of a run, unless another attempt is the
 * current one or the execution has ended. A batch that is sent twice, as after a lost connection, is added once.
 * Returns how many outputs were added.
 */
export const outputScript = queueScript({
  args: ["organization", "id", "attempt", "batchNumber"],
  lua: `
local record, stream = record_key(organization, id), stream_key(organization, id)
local state = redis.call('HMGET', record, 'status', 'attempt', 'batch', 'events_ms')
local batch = attempt .. '.' .. batch_number
if state[1] ~= 'in_progress' or state[2] ~= attempt or state[3] == batch then return 0 end
redis.call('HSET', record, 'batch', batch)
for at = rest, #ARGV do redis.call('XADD', stream, 'MAXLEN', '~', 20000, '*', 'output', ARGV[at]) end
redis.call('PEXPIRE', stream, state[4])
wake(organization, id)
return #ARGV - rest + 1
`,
  reply: asNumber,
});

/**
 * Stores the end of a run and appends the outputs that the event stream lacks, as JSON in the further arguments.
 * Returns the time of the end, or 0 when it was ignored: the execution has ended, or the attempt is no longer the
 * current one because its worker lost the lock. A repeated `call` returns the first reply again.
 */
export const finishScript = queueScript({
  args: ["organization", "id", "attempt", "finalStatus", "cause", "endJson", "zipped", "call", "cpuMs", "bytesIn", "bytesOut"],
  lua: `
local state = redis.call('HMGET', record_key(organization, id), 'attempt', 'ended_by', 'completed_at', 'status')
if state[2] == call then return state[3] end
if state[1] ~= attempt or state[4] ~= 'in_progress' then return 0 end
for at = rest, #ARGV do redis.call('XADD', stream_key(organization, id), 'MAXLEN', '~', 20000, '*', 'output', ARGV[at]) end
finish(organization, id, final_status, cause, end_json, zipped, {cpu_ms, bytes_in, bytes_out})
redis.call('HSET', record_key(organization, id), 'ended_by', call)
count_run()
return text(now)
`,
  reply: asNumber,
});

/**
 * Ends an execution that no worker runs any more, in any attempt. With `onlyIfStatus`, only from that status. False
 * when it had already ended, is gone, or has another status.
 */
export const endScript = queueScript({
  args: ["organization", "id", "finalStatus", "cause", "endJson", "onlyIfStatus"],
  lua: `
local status = redis.call('HGET', record_key(organization, id), 'status')
if not status then
  stop_waiting(organization, id)
  return 0
end
if only_if_status ~= '' and status ~= only_if_status then return 0 end
return finish(organization, id, final_status, cause, end_json, '0')
`,
  reply: asFlag,
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

/** Deletes an ended execution and returns its record. */
export const deleteScript = queueScript({
  args: ["organization", "id"],
  lua: `
local record = redis.call('HGETALL', record_key(organization, id))
if #record == 0 then return 'unknown' end
if not is_final(redis.call('HGET', record_key(organization, id), 'status')) then return 'running' end
local idem, created, completed = unpack(redis.call('HMGET', record_key(organization, id), 'idempotency', 'created_at', 'completed_at'))
local function freed(field) return -redis.call('HSTRLEN', record_key(organization, id), field) end
keep_bytes(kept_key(organization), freed('request') + freed('files'), tonumber(created))
keep_bytes(kept_key(organization), freed('end'), tonumber(completed))
redis.call('DEL', record_key(organization, id), stream_key(organization, id))
redis.call('ZREM', base .. ':list:' .. organization, id)
redis.call('ZREM', base .. ':webhooks-due', organization .. '/' .. id)
if idem and idem ~= '' then redis.call('DEL', base .. ':idempotency:' .. organization .. ':' .. idem) end
return record
`,
  reply: (reply): "unknown" | "running" | { record: ScriptReply } =>
    Array.isArray(reply) ? { record: reply } : (String(reply) as "unknown"),
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
