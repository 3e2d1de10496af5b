import { asFlag, asNothing, asTextOrNull, asTexts, type ScriptReply } from "../../redis/script.ts";
import { queueScript, type Refusal, refusalOf } from "../core/script-prelude.ts";

/** Every change of a session's state, one script each. See script-prelude.ts for what they share. */

/**
 * Checks admission, as for an execution, and the session limit of the organization, takes a place in the queue, and
 * writes the record and the initial file index: alternating names and entries as further arguments. At the session
 * limit, the least recently used session that gives way is evicted.
 */
export const sessionCreateScript = queueScript({
  args: [
    "organization",
    "id",
    "queueTotalMax",
    "queuePerOrganizationMax",
    "waitMs",
    "retentionMs",
    "sessionsMax",
    "name",
    "memoryMb",
    "minutes",
    "restoredFrom",
    "givesWay",
    "givesWayAfterMs",
    "restoresCells",
  ],
  lua: `
local wait_ms, retention = tonumber(wait_ms), tonumber(retention_ms)
local live = live_key(organization)
redis.call('ZREMRANGEBYSCORE', live, '-inf', '(' .. text(now))
local full, nothing_waits = refusal(organization, tonumber(queue_total_max), tonumber(queue_per_organization_max))
if full then return full end
local full_of_sessions = redis.call('ZCARD', live) >= tonumber(sessions_max)
for _, other in ipairs(full_of_sessions and redis.call('ZRANGE', live, 0, -1) or {}) do
  if give_way(organization, other, tonumber(gives_way_after_ms)) then
    full_of_sessions = false
    break
  end
end
if full_of_sessions then return {'many'} end
local deadline, tag, priority = take_place(organization, id, 'normal', wait_ms, nothing_waits)
wait_for_worker(organization, id)
local record = session_key(organization, id)
redis.call('HSET', record, 'id', id, 'status', 'starting', 'name', name, 'memory_mb', memory_mb, 'minutes', minutes,
  'restored_from', restored_from, 'gives_way', gives_way, 'restores_cells', restores_cells, 'created_at', text(now), 'deadline_at', text(deadline), 'tag', text(tag), 'retention_ms', retention_ms)
local files = base .. ':session-files:' .. organization .. ':' .. id
for i = rest, #ARGV, 2 do redis.call('HSET', files, ARGV[i], ARGV[i + 1]) end
keep_session(organization, id, minutes, retention)
add_to_list(base .. ':session-list:' .. organization, id, retention * 2, now + retention * 2)
return {'new', priority, text(now)}
`,
  reply: (reply): { kind: "new"; priority: number } | { kind: "many" } | Refusal => {
    const [kind, priority] = reply as ScriptReply[];
    if (String(kind) === "new") return { kind: "new", priority: Number(priority) };
    return String(kind) === "many" ? { kind: "many" } : refusalOf(reply);
  },
});

/** A worker takes a session that waits for a sandbox. Returns the record, or null when it is no longer wanted. */
export const sessionStartScript = queueScript({
  args: ["organization", "id"],
  lua: `
local state = redis.call('HMGET', session_key(organization, id), 'status', 'deadline_at', 'tag')
if state[1] ~= 'starting' then return nil end
leave_place(organization, id, state[3])
if now > tonumber(state[2]) then
  end_session(organization, id, 'lost')
  return nil
end
return redis.call('HGETALL', session_key(organization, id))
`,
  reply: (reply): ScriptReply => reply,
});

/** The sandbox is ready. False when no caller waits for the session any more. */
export const sessionActivateScript = queueScript({
  args: ["organization", "id", "worker"],
  lua: `
local record = session_key(organization, id)
local state = redis.call('HMGET', record, 'status', 'minutes', 'retention_ms')
if state[1] ~= 'starting' then return 0 end
redis.call('HSET', record, 'status', 'active', 'worker', worker)
redis.call('SADD', base .. ':sessions-of:' .. worker, organization .. '/' .. id)
redis.call('SADD', base .. ':session-workers', worker)
for _, key in ipairs({':session-workers', ':sessions-of:' .. worker}) do
  redis.call('PEXPIRE', base .. key, math.max(2 * tonumber(state[3]), 2 * day))
end
keep_session(organization, id, state[2], state[3])
announce_end(organization, id)
return 1
`,
  reply: asFlag,
});

/** The status, or `unknown`, and the owner of an active session, whose idle time restarts. */
export const sessionTouchScript = queueScript({
  args: ["organization", "id"],
  lua: `
local status, worker = touch_session(organization, id)
return {status, worker or ''}
`,
  reply: (reply): { status: string; worker: string } => {
    const [status, worker] = reply as ScriptReply[];
    return { status: String(status), worker: String(worker) };
  },
});

/** Returns the record, after marking a session whose worker is silent as lost. */
export const sessionLookScript = queueScript({
  args: ["organization", "id"],
  lua: `
local record = session_key(organization, id)
local state = redis.call('HMGET', record, 'status', 'worker')
if state[1] == 'active' and redis.call('PTTL', base .. ':worker:' .. state[2]) < heartbeat_fresh then
  end_session(organization, id, 'lost')
end
return redis.call('HGETALL', record)
`,
  reply: (reply): ScriptReply => reply,
});

/** Ends a session that is starting or active. False when it was neither. */
export const sessionEndScript = queueScript({
  args: ["organization", "id", "finalStatus"],
  lua: `
local status = redis.call('HGET', session_key(organization, id), 'status')
if status ~= 'active' and status ~= 'starting' then return 0 end
end_session(organization, id, final_status)
return 1
`,
  reply: asFlag,
});

/** Releases a session that the service created for itself: it may be evicted until it is used again. */
export const sessionReleaseScript = queueScript({
  args: ["organization", "id"],
  lua: `
if redis.call('HGET', session_key(organization, id), 'status') == 'active' then redis.call('HSET', session_key(organization, id), 'released', '1') end
return 1
`,
  reply: asNothing,
});

/** Evicts a session to make room at a full worker. True when it was evicted. */
export const sessionGiveWayScript = queueScript({
  args: ["organization", "id", "idleMs"],
  lua: `
return give_way(organization, id, tonumber(idle_ms)) and 1 or 0
`,
  reply: asFlag,
});

/** Decides what a worker does with an idle session. `lost` covers every end other than expiry. */
export const sessionIdleScript = queueScript({
  args: ["organization", "id"],
  lua: `
local state = redis.call('HMGET', session_key(organization, id), 'status', 'last_active_at', 'minutes')
if state[1] == 'expired' then return 'expired' end
if state[1] ~= 'active' then return 'lost' end
if now - tonumber(state[2]) < tonumber(state[3]) * 60000 then return 'keep' end
end_session(organization, id, 'expired')
return 'expired'
`,
  reply: (reply): "keep" | "expired" | "lost" => String(reply) as "keep",
});

/** Deletes a session. Returns its last status and worker, or null when there is none. */
export const sessionDeleteScript = queueScript({
  args: ["organization", "id"],
  lua: `
local state = redis.call('HMGET', session_key(organization, id), 'status', 'worker')
if not state[1] then return nil end
end_session(organization, id, 'lost')
redis.call('DEL', session_key(organization, id), base .. ':session-files:' .. organization .. ':' .. id)
redis.call('ZREM', base .. ':session-list:' .. organization, id)
return {state[1], state[2] or ''}
`,
  reply: (reply): { status: string; worker: string } | null =>
    Array.isArray(reply) ? { status: String(reply[0]), worker: String(reply[1]) } : null,
});

/**
 * Updates the file index. The further arguments are `removedCount` names to remove, then alternating names and entries.
 * Restarts the idle time of an active session. Returns the names that exceeded the limit. Without a record of the
 * session, nothing is written.
 */
export const sessionFilesScript = queueScript({
  args: ["organization", "id", "filesMax", "removedCount"],
  lua: `
local files = base .. ':session-files:' .. organization .. ':' .. id
local retention = redis.call('HGET', session_key(organization, id), 'retention_ms')
if not retention then return {} end
local removed = tonumber(removed_count)
for i = rest, rest + removed - 1 do redis.call('HDEL', files, ARGV[i]) end
local refused = {}
for i = rest + removed, #ARGV, 2 do
  if redis.call('HEXISTS', files, ARGV[i]) == 1 or redis.call('HLEN', files) < tonumber(files_max) then
    redis.call('HSET', files, ARGV[i], ARGV[i + 1])
  else
    refused[#refused + 1] = ARGV[i]
  end
end
redis.call('PEXPIRE', files, retention)
local state = redis.call('HMGET', session_key(organization, id), 'status', 'minutes')
if state[1] == 'active' then keep_session(organization, id, state[2], retention) end
return refused
`,
  reply: asTexts,
});

/** Announces how many more sessions a worker accepts. A worker without room is removed from the list. */
export const sessionRoomScript = queueScript({
  args: ["worker", "room"],
  lua: `
local rooms = base .. ':session-room'
if tonumber(room) > 0 then redis.call('ZADD', rooms, room, worker) else redis.call('ZREM', rooms, worker) end
redis.call('PEXPIRE', rooms, day)
`,
  reply: asNothing,
});

/** The live worker with the most room for sessions, or null. Dead workers are removed from the list. */
export const workerWithMostRoomScript = queueScript({
  args: [],
  lua: `
local room = base .. ':session-room'
for _, worker in ipairs(redis.call('ZREVRANGE', room, 0, -1)) do
  if redis.call('PTTL', base .. ':worker:' .. worker) >= heartbeat_fresh then return worker end
  redis.call('ZREM', room, worker)
end
return nil
`,
  reply: asTextOrNull,
});

/** Workers with sessions whose heartbeat is overdue. */
export const silentWorkersScript = queueScript({
  args: [],
  lua: `
local silent = {}
for _, worker in ipairs(redis.call('SMEMBERS', base .. ':session-workers')) do
  if redis.call('PTTL', base .. ':worker:' .. worker) < heartbeat_fresh then silent[#silent + 1] = worker end
end
return silent
`,
  reply: asTexts,
});
