import { limitDefaults } from "../../domain/limits.ts";
import { TOP_USAGE_KEPT_DAYS } from "../../domain/usage.ts";
import { keptBytesLua } from "../../redis/kept-bytes.ts";
import { Script, type ScriptDefinition, type ScriptReply } from "../../redis/script.ts";
import { HEARTBEAT_ALIVE_MS, HEARTBEAT_SILENT_MS } from "./keys.ts";

/** The key that BullMQ gives a job. A test compares the two. */
export const jobKeyLua = "local function job_key(queue, id) return base .. ':' .. queue .. ':' .. id end";

/**
 * Every change of an execution's state is one script, so it is atomic and costs one round trip. Scripts use the clock
 * of Redis, which all machines share. KEYS[1] is the base `{prefix}`. All other names are built from it and lie in the
 * same slot.
 */
const prelude = `
local base = KEYS[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
${keptBytesLua}
local function kept_key(org) return base .. ':kept:' .. org end
local function text(number) return string.format('%.0f', number) end
local function record_key(org, id) return base .. ':record:' .. org .. ':' .. id end
local function outputs_key(org, id) return base .. ':outputs:' .. org .. ':' .. id end
local function stream_key(org, id) return base .. ':stream:' .. org .. ':' .. id end
${jobKeyLua}
local function wake(org, id) redis.call('PUBLISH', base .. ':wake:' .. org .. ':' .. id, '') end
local function announce_end(org, id)
  wake(org, id)
  redis.call('PUBLISH', base .. ':ended', org .. '/' .. id)
end
local day = 86400000
local usage_ms = ${limitDefaults.usageKeptDaysMax * 86_400_000}
local heartbeat_fresh = ${HEARTBEAT_ALIVE_MS - HEARTBEAT_SILENT_MS}
local function stop_waiting(org, id)
  redis.call('ZREM', base .. ':waiting:' .. org, id)
  redis.call('ZREM', base .. ':waiting-since', org .. '/' .. id)
  return redis.call('ZREM', base .. ':waiting', org .. '/' .. id)
end
local function is_final(status) return status ~= 'queued' and status ~= 'in_progress' end
-- Retention is the record's events_ms. Without a record there is none, and no stream either.
local function append(org, id, retention, kind, value)
  if not retention then return end
  redis.call('XADD', stream_key(org, id), 'MAXLEN', '~', 20000, '*', kind, value)
  redis.call('PEXPIRE', stream_key(org, id), retention)
end
-- The organizations that use the most, by UTC day, for operators.
local function count_top(by, org, amount, today)
  local key = base .. ':usage-top:' .. by .. ':' .. text(today)
  local first = tonumber(redis.call('ZINCRBY', key, amount, org)) == tonumber(amount)
  if first then redis.call('PEXPIREAT', key, text((today + ${TOP_USAGE_KEPT_DAYS}) * day)) end
end
-- Usage is counted by UTC day. The record says how long it is kept; records of older versions have no usage_ms.
local function count_usage(org, kept, status, spent)
  local today = math.floor(now / day)
  local key = base .. ':usage:' .. org .. ':' .. text(today)
  local first = redis.call('HINCRBY', key, status, 1) == 1
  if spent then
    redis.call('HINCRBY', key, 'cpu_ms', spent[1])
    redis.call('HINCRBY', key, 'bytes_in', spent[2])
    redis.call('HINCRBY', key, 'bytes_out', spent[3])
  end
  if first then redis.call('PEXPIREAT', key, text((today + 1) * day + tonumber(kept or usage_ms))) end
  count_top('executions', org, 1, today)
  if spent then
    count_top('cpu_ms', org, spent[1], today)
    count_top('bytes', org, spent[2] + spent[3], today)
  end
end
-- Calls of the code to its caller's tools: those that wait, answers on their way to the worker, and what became of the answered.
local function calls_key(org, id) return base .. ':calls:' .. org .. ':' .. id end
local function answers_key(org, id) return base .. ':answers:' .. org .. ':' .. id end
local function answered_key(org, id) return base .. ':answered:' .. org .. ':' .. id end
local function forget_calls(org, id) redis.call('DEL', calls_key(org, id), answers_key(org, id), answered_key(org, id)) end
-- The first writer wins: an ended execution is never changed again and is counted once. ended_by is the call that a worker may repeat.
local function finish(org, id, status, cause, body, zipped, spent, ended_by)
  local record = record_key(org, id)
  local current, usage_kept, events, webhook, calls, created, expires =
    unpack(redis.call('HMGET', record, 'status', 'usage_ms', 'events_ms', 'webhook_id', 'calls', 'created_at', 'expires_at'))
  if not current or is_final(current) then return 0 end
  redis.call('HSET', record, 'status', status, 'cause', cause, 'end', body, 'end_zipped', zipped, 'completed_at', text(now), 'ended_by', ended_by or '')
  count_usage(org, usage_kept, status, spent)
  keep_bytes(kept_key(org), #body, now, expires and created and expires - created)
  -- A running execution gave up its place when a worker took it.
  if current == 'queued' then stop_waiting(org, id) end
  append(org, id, events, 'ended', '1')
  if calls then forget_calls(org, id) end
  if webhook and webhook ~= '' then
    redis.call('ZADD', base .. ':webhooks-due', text(now), org .. '/' .. id)
    redis.call('PEXPIRE', base .. ':webhooks-due', day)
  end
  announce_end(org, id)
  return 1
end
-- Returns why admission is refused, with the numbers for the error; nil when there is room, and whether nothing waits.
local function refusal(org, total_max, org_max)
  local waiting, mine = base .. ':waiting', base .. ':waiting:' .. org
  -- Only entries before their deadline count, so that leftovers of a crashed process expire. They are looked at when it matters.
  local function depth() return redis.call('ZCOUNT', waiting, text(now), '+inf') end
  local entries, full = redis.call('ZCARD', waiting), nil
  if entries >= total_max and depth() >= total_max then full = 'total' end
  if not full and redis.call('ZCARD', mine) >= org_max then
    redis.call('ZREMRANGEBYSCORE', mine, '-inf', '(' .. text(now))
    if redis.call('ZCARD', mine) >= org_max then full = 'organization' end
  end
  if not full then return nil, entries == 0 end
  local reply = {'full', full, depth(), text(now)}
  local bucket = math.floor(now / 10000)
  for i = 0, 5 do reply[#reply + 1] = redis.call('GET', base .. ':rate:' .. text(bucket - i)) or '0' end
  return reply
end
-- Start-time fair queueing: tags only grow, and a priority is a tag's distance from the moving base. When nothing waits, it starts
-- anew.
local function take_place(org, id, class, wait_ms, nothing_waits)
  local fair = base .. ':fair'
  local state = {}
  if nothing_waits then redis.call('DEL', fair) else state = redis.call('HMGET', fair, 'v', 'base', 'n:' .. org, 'h:' .. org) end
  local v, moving = tonumber(state[1] or '0'), tonumber(state[2] or '0')
  local normal = math.max(v, tonumber(state[3] or '0')) + 1
  local tag = normal
  if class == 'high' then
    tag = math.max(v, tonumber(state[4] or '0')) + 1
    redis.call('HSET', fair, 'n:' .. org, text(normal), 'h:' .. org, text(tag))
  else
    redis.call('HSET', fair, 'n:' .. org, text(normal))
  end
  redis.call('PEXPIRE', fair, day)
  local deadline = now + wait_ms
  redis.call('ZADD', base .. ':waiting', text(deadline), org .. '/' .. id)
  redis.call('PEXPIRE', base .. ':waiting', day + wait_ms)
  redis.call('ZADD', base .. ':waiting:' .. org, text(deadline), id)
  redis.call('PEXPIRE', base .. ':waiting:' .. org, day + wait_ms)
  return deadline, tag, math.min(math.max(tag - moving, 1), 2097151)
end
-- Only for jobs that any worker may take: cells that wait for their session say nothing about the load of the workers.
local function wait_for_worker(org, id)
  redis.call('ZADD', base .. ':waiting-since', text(now), org .. '/' .. id)
  redis.call('PEXPIRE', base .. ':waiting-since', day)
end
-- The first step of a worker that takes a job: the job gives up its place and the fair queue advances.
local function leave_place(org, id, tag)
  if stop_waiting(org, id) == 0 then return end
  local v = tonumber(redis.call('HGET', base .. ':fair', 'v') or '0')
  if tonumber(tag) > v then redis.call('HSET', base .. ':fair', 'v', tag) end
end
local function add_to_list(list, id, retention, expires)
  redis.call('ZREMRANGEBYSCORE', list, '-inf', text((now - retention) * 1000))
  local last = redis.call('ZREVRANGE', list, 0, 0, 'WITHSCORES')
  local order = math.max(now * 1000, last[2] and tonumber(last[2]) + 1 or 0)
  redis.call('ZADD', list, text(order), id)
  redis.call('PEXPIREAT', list, text(expires))
end
local function session_key(org, id) return base .. ':session:' .. org .. ':' .. id end
local function live_key(org) return base .. ':sessions-live:' .. org end
-- A session counts toward its organization's limit until its idle time has passed, even when its worker is gone.
local function keep_session(org, id, minutes, retention)
  redis.call('HSET', session_key(org, id), 'last_active_at', text(now))
  redis.call('PEXPIRE', session_key(org, id), retention)
  redis.call('PEXPIRE', base .. ':session-files:' .. org .. ':' .. id, retention)
  redis.call('ZADD', live_key(org), text(now + (tonumber(minutes) + 1) * 60000), id)
  redis.call('PEXPIRE', live_key(org), day)
end
local function end_session(org, id, status)
  local record = session_key(org, id)
  local worker = redis.call('HGET', record, 'worker')
  redis.call('HSET', record, 'status', status)
  redis.call('ZREM', live_key(org), id)
  if worker then redis.call('SREM', base .. ':sessions-of:' .. worker, org .. '/' .. id) end
  stop_waiting(org, id)
  announce_end(org, id)
end
-- Evicts a session that the service created for itself, if it was released or idle for idle_ms. Returns whether it did.
local function give_way(org, id, idle_ms)
  local state = redis.call('HMGET', session_key(org, id), 'status', 'gives_way', 'released', 'last_active_at')
  if state[1] ~= 'active' or state[2] ~= '1' then return false end
  if state[3] ~= '1' and now - tonumber(state[4]) < idle_ms then return false end
  end_session(org, id, 'expired')
  return true
end
-- Returns 'unknown', 'starting', 'expired' or 'lost', or 'active' and the owner. The idle time of an active session
-- restarts.
local function touch_session(org, id)
  local state = redis.call('HMGET', session_key(org, id), 'status', 'worker', 'minutes', 'retention_ms')
  if not state[1] then return 'unknown' end
  if state[1] ~= 'active' then return state[1] end
  if redis.call('PTTL', base .. ':worker:' .. state[2]) < heartbeat_fresh then
    end_session(org, id, 'lost')
    return 'lost'
  end
  keep_session(org, id, state[3], state[4])
  redis.call('HDEL', session_key(org, id), 'released')
  return 'active', state[2]
end
local function count_run()
  local bucket = base .. ':rate:' .. text(math.floor(now / 10000))
  if redis.call('INCR', bucket) == 1 then redis.call('EXPIRE', bucket, 120) end
end
`;

/** A script that starts with the prelude of the queue. */
export function queueScript<const Name extends string, Reply>(definition: Omit<ScriptDefinition<Name, Reply>, "prelude">) {
  return new Script({ ...definition, prelude });
}

/** Why admission is refused, with the numbers from which Retry-After is computed. */
export interface Refusal {
  kind: "full";
  scope: "total" | "organization";
  waiting: number;
  nowMs: number;
  /** Runs that ended in the current and earlier 10-second buckets, newest first. */
  rateCounters: number[];
}

/** Decodes what the Lua function `refusal` returns. */
export function refusalOf(reply: ScriptReply): Refusal {
  const [kind, scope, waiting, nowMs, ...counters] = reply as ScriptReply[];
  if (String(kind) !== "full") throw new Error(`a script returned ${String(kind)}`);
  const known = String(scope) === "total" ? "total" : "organization";
  return { kind: "full", scope: known, waiting: Number(waiting), nowMs: Number(nowMs), rateCounters: counters.map(Number) };
}
