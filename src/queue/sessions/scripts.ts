import { Script } from "../../redis/script.ts";
import { prelude } from "../core/script-prelude.ts";

/** Every change of a session's state, each at once. See script-prelude.ts for what they share. */

/**
 * Admission as an execution has it, the organization's cap, a place in the shared queue, the record, its first files.
 * At the organization's cap, the one of its sessions that was used longest ago and gives way makes room.
 * ARGV: org, id, total max, queue share max, wait ms, retention ms, sessions max, name, MiB, minutes, restored from or '',
 *       gives way 1 or 0, idle ms after which one gives way, then file name and index entry by turns
 * Returns {'new', priority, now} · {'many'} · {'full', …} as submitScript
 */
export const sessionCreateScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
local wait_ms, retention = tonumber(ARGV[5]), tonumber(ARGV[6])
local live = live_key(org)
redis.call('ZREMRANGEBYSCORE', live, '-inf', '(' .. text(now))
local full = refusal(org, tonumber(ARGV[3]), tonumber(ARGV[4]))
if full then return full end
local full_of_sessions = redis.call('ZCARD', live) >= tonumber(ARGV[7])
for _, other in ipairs(full_of_sessions and redis.call('ZRANGE', live, 0, -1) or {}) do
  if give_way(org, other, tonumber(ARGV[13])) then
    full_of_sessions = false
    break
  end
end
if full_of_sessions then return {'many'} end
local deadline, tag, priority = take_place(org, id, 'normal', wait_ms)
wait_for_worker(org, id)
local record = session_key(org, id)
redis.call('HSET', record, 'id', id, 'status', 'starting', 'name', ARGV[8], 'memory_mb', ARGV[9], 'minutes', ARGV[10],
  'restored_from', ARGV[11], 'gives_way', ARGV[12], 'created_at', text(now), 'deadline_at', text(deadline), 'tag', text(tag), 'retention_ms', ARGV[6])
local files = base .. ':session-files:' .. org .. ':' .. id
for i = 14, #ARGV, 2 do redis.call('HSET', files, ARGV[i], ARGV[i + 1]) end
keep_session(org, id, ARGV[10], retention)
add_to_list(base .. ':session-list:' .. org, id, retention * 2, now + retention * 2)
return {'new', priority, text(now)}
`);

/** A worker takes a session that waits for its sandbox. ARGV: org, id. Returns the record, or nil when it is not to be made any more. */
export const sessionStartScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
local state = redis.call('HMGET', session_key(org, id), 'status', 'deadline_at', 'tag')
if state[1] ~= 'starting' then return nil end
leave_place(org, id, state[3])
if now > tonumber(state[2]) then
  end_session(org, id, 'lost')
  return nil
end
return redis.call('HGETALL', session_key(org, id))
`);

/** ARGV: org, id, worker. Returns 1, or 0 when nobody waits for it any more. */
export const sessionActivateScript = new Script(`${prelude}
local org, id, worker = ARGV[1], ARGV[2], ARGV[3]
local record = session_key(org, id)
local state = redis.call('HMGET', record, 'status', 'minutes', 'retention_ms')
if state[1] ~= 'starting' then return 0 end
redis.call('HSET', record, 'status', 'active', 'worker', worker)
redis.call('SADD', base .. ':sessions-of:' .. worker, org .. '/' .. id)
redis.call('SADD', base .. ':session-workers', worker)
for _, key in ipairs({':session-workers', ':sessions-of:' .. worker}) do
  redis.call('PEXPIRE', base .. key, math.max(2 * tonumber(state[3]), 2 * day))
end
keep_session(org, id, state[2], state[3])
tell_end(org, id)
return 1
`);

/** ARGV: org, id. Returns {status or 'unknown', worker or ''}; an active one's idle time begins anew. */
export const sessionTouchScript = new Script(`${prelude}
local status, worker = touch_session(ARGV[1], ARGV[2])
return {status, worker or ''}
`);

/** ARGV: org, id. Returns the record as it is now, its worker's silence noticed. */
export const sessionLookScript = new Script(`${prelude}
local record = session_key(ARGV[1], ARGV[2])
local state = redis.call('HMGET', record, 'status', 'worker')
if state[1] == 'active' and redis.call('PTTL', base .. ':worker:' .. state[2]) < heartbeat_fresh then
  end_session(ARGV[1], ARGV[2], 'lost')
end
return redis.call('HGETALL', record)
`);

/** ARGV: org, id, status. Ends one that is starting or active; returns 1, or 0 when it was not. */
export const sessionEndScript = new Script(`${prelude}
local status = redis.call('HGET', session_key(ARGV[1], ARGV[2]), 'status')
if status ~= 'active' and status ~= 'starting' then return 0 end
end_session(ARGV[1], ARGV[2], ARGV[3])
return 1
`);

/** Who made a session for itself is done with it, until it is used again. ARGV: org, id. */
export const sessionReleaseScript = new Script(`${prelude}
if redis.call('HGET', session_key(ARGV[1], ARGV[2]), 'status') == 'active' then redis.call('HSET', session_key(ARGV[1], ARGV[2]), 'released', '1') end
return 1
`);

/** Makes room at a worker that has none. ARGV: org, id, idle ms. Returns 1 when the session gave way, or 0 when it does not. */
export const sessionGiveWayScript = new Script(`${prelude}
return give_way(ARGV[1], ARGV[2], tonumber(ARGV[3])) and 1 or 0
`);

/** What its worker does about a session that runs nothing. ARGV: org, id. Returns 'keep', 'expired', or 'lost' for one that is over otherwise. */
export const sessionIdleScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
local state = redis.call('HMGET', session_key(org, id), 'status', 'last_active_at', 'minutes')
if state[1] == 'expired' then return 'expired' end
if state[1] ~= 'active' then return 'lost' end
if now - tonumber(state[2]) < tonumber(state[3]) * 60000 then return 'keep' end
end_session(org, id, 'expired')
return 'expired'
`);

/** ARGV: org, id. Forgets a session; returns {status, worker or ''} as it was, or nil. */
export const sessionDeleteScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
local state = redis.call('HMGET', session_key(org, id), 'status', 'worker')
if not state[1] then return nil end
end_session(org, id, 'lost')
redis.call('DEL', session_key(org, id), base .. ':session-files:' .. org .. ':' .. id)
redis.call('ZREM', base .. ':session-list:' .. org, id)
return {state[1], state[2] or ''}
`);

/**
 * Brings the file index up to date; an active session's idle time begins anew.
 * ARGV: org, id, files max, count of names to remove, those names, then file name and index entry by turns.
 * Returns the names that found no room. An index is kept only while its session has a record.
 */
export const sessionFilesScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
local files = base .. ':session-files:' .. org .. ':' .. id
local retention = redis.call('HGET', session_key(org, id), 'retention_ms')
if not retention then return {} end
local removed = tonumber(ARGV[4])
for i = 5, 4 + removed do redis.call('HDEL', files, ARGV[i]) end
local refused = {}
for i = 5 + removed, #ARGV, 2 do
  if redis.call('HEXISTS', files, ARGV[i]) == 1 or redis.call('HLEN', files) < tonumber(ARGV[3]) then
    redis.call('HSET', files, ARGV[i], ARGV[i + 1])
  else
    refused[#refused + 1] = ARGV[i]
  end
end
redis.call('PEXPIRE', files, retention)
local state = redis.call('HMGET', session_key(org, id), 'status', 'minutes')
if state[1] == 'active' then keep_session(org, id, state[2], retention) end
return refused
`);

/** ARGV: worker, how many more sessions it takes; none takes it off. */
export const sessionRoomScript = new Script(`${prelude}
local room = base .. ':session-room'
if tonumber(ARGV[2]) > 0 then redis.call('ZADD', room, ARGV[2], ARGV[1]) else redis.call('ZREM', room, ARGV[1]) end
redis.call('PEXPIRE', room, day)
`);

/** Returns the living worker with the most room for sessions, or nil; the dead are taken off. */
export const roomiestWorkerScript = new Script(`${prelude}
local room = base .. ':session-room'
for _, worker in ipairs(redis.call('ZREVRANGE', room, 0, -1)) do
  if redis.call('PTTL', base .. ':worker:' .. worker) >= heartbeat_fresh then return worker end
  redis.call('ZREM', room, worker)
end
return nil
`);

/** Workers of sessions that have not been heard of for a while. */
export const silentWorkersScript = new Script(`${prelude}
local silent = {}
for _, worker in ipairs(redis.call('SMEMBERS', base .. ':session-workers')) do
  if redis.call('PTTL', base .. ':worker:' .. worker) < heartbeat_fresh then silent[#silent + 1] = worker end
end
return silent
`);
