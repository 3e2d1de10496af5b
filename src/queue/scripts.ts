import { Script } from "./script.ts";

/**
 * Every change of an execution's state is one script, so that a crash between two steps can not leave half of it,
 * and so that it costs one round trip. Time is Redis' own: processes on different machines agree on it.
 * KEYS[1] is the base `{prefix}`; all other names are built from it and lie in the same slot.
 */
const prelude = `
local base = KEYS[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function text(number) return string.format('%.0f', number) end
local function record_key(org, id) return base .. ':record:' .. org .. ':' .. id end
local function stream_key(org, id) return base .. ':stream:' .. org .. ':' .. id end
local function wake(org, id, message) redis.call('PUBLISH', base .. ':wake:' .. org .. ':' .. id, message) end
local day = 86400000
local function stop_waiting(org, id)
  redis.call('ZREM', base .. ':waiting:' .. org, id)
  return redis.call('ZREM', base .. ':waiting', org .. '/' .. id)
end
local function is_final(status) return status ~= 'queued' and status ~= 'in_progress' end
local function append(org, id, kind, value)
  local retention = redis.call('HGET', record_key(org, id), 'events_ms')
  if not retention then return end
  redis.call('XADD', stream_key(org, id), 'MAXLEN', '~', 20000, '*', kind, value)
  redis.call('PEXPIRE', stream_key(org, id), retention)
end
-- The first writer wins: an execution that has ended is never changed again.
local function finish(org, id, status, cause, body, zipped)
  local record = record_key(org, id)
  local current = redis.call('HGET', record, 'status')
  if not current or is_final(current) then return 0 end
  redis.call('HSET', record, 'status', status, 'cause', cause, 'end', body, 'end_zipped', zipped, 'completed_at', text(now))
  stop_waiting(org, id)
  append(org, id, 'ended', '1')
  local webhook = redis.call('HGET', record, 'webhook_id')
  if webhook and webhook ~= '' then
    redis.call('ZADD', base .. ':webhooks-due', text(now), org .. '/' .. id)
    redis.call('PEXPIRE', base .. ':webhooks-due', day)
  end
  wake(org, id, 'ended')
  return 1
end
local function count_run()
  local bucket = base .. ':rate:' .. text(math.floor(now / 10000))
  redis.call('INCR', bucket)
  redis.call('EXPIRE', bucket, 120)
end
`;

/**
 * Idempotency, admission, the share of the organization, its place in the queue, and the record, at once.
 * ARGV: org, id, idempotency key hash or '', body hash, total max, organization max, wait ms, retention ms, events ms,
 *       'high' or 'normal', webhook id or '', request JSON, files JSON
 * Returns {'new', priority, now} · {'replay', body hash, …record} · {'full', which, waiting, now, six rate counters}
 */
export const submitScript = new Script(`${prelude}
local org, id, idem, sha = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local total_max, org_max, wait_ms, retention = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local idem_key = base .. ':idempotency:' .. org .. ':' .. idem
if idem ~= '' then
  local seen = redis.call('GET', idem_key)
  if seen then
    local old = redis.call('HGETALL', record_key(org, string.sub(seen, 66)))
    if #old > 0 then return {'replay', string.sub(seen, 1, 64), old} end
  end
end
local waiting, mine, fair = base .. ':waiting', base .. ':waiting:' .. org, base .. ':fair'
-- Counted by deadline, so that what a crashed process left behind takes no share for ever.
local full = nil
local depth = redis.call('ZCOUNT', waiting, text(now), '+inf')
if depth >= total_max then full = 'total' end
redis.call('ZREMRANGEBYSCORE', mine, '-inf', '(' .. text(now))
if not full and redis.call('ZCARD', mine) >= org_max then full = 'organization' end
if full then
  local reply = {'full', full, depth, text(now)}
  local bucket = math.floor(now / 10000)
  for i = 0, 5 do reply[#reply + 1] = redis.call('GET', base .. ':rate:' .. text(bucket - i)) or '0' end
  return reply
end
-- Start-time fair queueing: tags grow for ever, a priority is a tag's distance from the moving base.
if redis.call('ZCARD', waiting) == 0 then redis.call('DEL', fair) end
local v = tonumber(redis.call('HGET', fair, 'v') or '0')
local moving = tonumber(redis.call('HGET', fair, 'base') or '0')
local normal = math.max(v, tonumber(redis.call('HGET', fair, 'n:' .. org) or '0')) + 1
redis.call('HSET', fair, 'n:' .. org, text(normal))
local tag = normal
if ARGV[10] == 'high' then
  tag = math.max(v, tonumber(redis.call('HGET', fair, 'h:' .. org) or '0')) + 1
  redis.call('HSET', fair, 'h:' .. org, text(tag))
end
redis.call('PEXPIRE', fair, day)
local deadline, expires = now + wait_ms, now + retention
redis.call('ZADD', waiting, text(deadline), org .. '/' .. id)
redis.call('PEXPIRE', waiting, day + wait_ms)
redis.call('ZADD', mine, text(deadline), id)
redis.call('PEXPIRE', mine, day + wait_ms)
redis.call('HSET', record_key(org, id), 'status', 'queued', 'request', ARGV[12], 'files', ARGV[13], 'created_at', text(now),
  'deadline_at', text(deadline), 'expires_at', text(expires), 'tag', text(tag), 'attempt', '0', 'webhook_id', ARGV[11],
  'events_ms', ARGV[9], 'idempotency', idem, 'id', id)
redis.call('PEXPIREAT', record_key(org, id), text(expires))
local list = base .. ':list:' .. org
redis.call('ZREMRANGEBYSCORE', list, '-inf', text((now - retention) * 1000))
local last = redis.call('ZREVRANGE', list, 0, 0, 'WITHSCORES')
local order = math.max(now * 1000, last[2] and tonumber(last[2]) + 1 or 0)
redis.call('ZADD', list, text(order), id)
redis.call('PEXPIREAT', list, text(expires))
if idem ~= '' then redis.call('SET', idem_key, sha .. ' ' .. id, 'PXAT', text(expires)) end
local priority = math.min(math.max(tag - moving, 1), 2097151)
return {'new', priority, text(now)}
`);

/** ARGV: org, idempotency key hash. Returns nil or {body hash, record}. */
export const replayScript = new Script(`${prelude}
local seen = redis.call('GET', base .. ':idempotency:' .. ARGV[1] .. ':' .. ARGV[2])
if not seen then return nil end
local record = redis.call('HGETALL', record_key(ARGV[1], string.sub(seen, 66)))
if #record == 0 then return nil end
return {string.sub(seen, 1, 64), record}
`);

/**
 * A worker takes an execution, or learns why it must not.
 * ARGV: org, id, attempts max, then end JSON for: deadline, cancelled unrun, cancelled partly, worker lost
 * Returns {'gone'} · {'ended', record} · {'deadline' | 'cancelled' | 'worker_lost', record} · {'run', record}
 */
export const startScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
local record = record_key(org, id)
local state = redis.call('HMGET', record, 'status', 'attempt', 'cancel', 'deadline_at', 'tag', 'started_at')
local status, attempt = state[1], tonumber(state[2])
if not status then return {'gone'} end
if is_final(status) then return {'ended', redis.call('HGETALL', record)} end
if stop_waiting(org, id) == 1 then
  local v = tonumber(redis.call('HGET', base .. ':fair', 'v') or '0')
  if tonumber(state[5]) > v then redis.call('HSET', base .. ':fair', 'v', state[5]) end
  redis.call('PEXPIRE', base .. ':fair', day)
end
local dropped = nil
if state[3] then
  dropped = 'cancelled'
  finish(org, id, 'cancelled', 'cancelled', attempt == 0 and ARGV[5] or ARGV[6], '0')
elseif attempt == 0 and now > tonumber(state[4]) then
  dropped = 'deadline'
  finish(org, id, 'errored', 'timeout', ARGV[4], '0')
elseif attempt >= tonumber(ARGV[3]) then
  dropped = 'worker_lost'
  finish(org, id, 'errored', 'worker_lost', ARGV[7], '0')
end
if dropped then return {dropped, redis.call('HGETALL', record)} end
redis.call('HSET', record, 'status', 'in_progress', 'attempt', attempt + 1)
if not state[6] then redis.call('HSET', record, 'started_at', text(now)) end
append(org, id, 'started', attempt + 1)
wake(org, id, '')
return {'run', redis.call('HGETALL', record)}
`);

/**
 * Stores how a run ended. A worker whose attempt is no longer the current one has lost its lock and stores nothing.
 * ARGV: org, id, attempt, status, cause or '', end, zipped. Returns the time of the end, or 0 when it was ignored.
 */
export const finishScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
if redis.call('HGET', record_key(org, id), 'attempt') ~= ARGV[3] then return 0 end
local stored = finish(org, id, ARGV[4], ARGV[5], ARGV[6], ARGV[7])
if stored == 0 then return 0 end
count_run()
return text(now)
`);

/**
 * Ends what is not running any more, whatever its attempt. ARGV: org, id, status, cause, end, 'queued' or '' (only if so)
 * Returns 1, or 0 when it had ended, is gone, or is in another state than asked for.
 */
export const endScript = new Script(`${prelude}
local status = redis.call('HGET', record_key(ARGV[1], ARGV[2]), 'status')
if not status then
  stop_waiting(ARGV[1], ARGV[2])
  return 0
end
if ARGV[6] ~= '' and status ~= ARGV[6] then return 0 end
return finish(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], '0')
`);

/** ARGV: org, id, end JSON if it is waiting. Returns 'unknown' | 'final' | 'waiting' (ended now) | 'running' (flag set, workers told). */
export const cancelScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
local status = redis.call('HGET', record_key(org, id), 'status')
if not status then return 'unknown' end
if is_final(status) then return 'final' end
if status == 'queued' then
  finish(org, id, 'cancelled', 'cancelled', ARGV[3], '0')
  return 'waiting'
end
redis.call('HSET', record_key(org, id), 'cancel', '1')
redis.call('PUBLISH', base .. ':control', id)
return 'running'
`);

/** ARGV: org, id. Returns 'unknown' | 'running' | the record as it was. */
export const deleteScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
local record = redis.call('HGETALL', record_key(org, id))
if #record == 0 then return 'unknown' end
if not is_final(redis.call('HGET', record_key(org, id), 'status')) then return 'running' end
local idem = redis.call('HGET', record_key(org, id), 'idempotency')
redis.call('DEL', record_key(org, id), stream_key(org, id))
redis.call('ZREM', base .. ':list:' .. org, id)
redis.call('ZREM', base .. ':webhooks-due', org .. '/' .. id)
if idem and idem ~= '' then redis.call('DEL', base .. ':idempotency:' .. org .. ':' .. idem) end
return record
`);

/**
 * ARGV: distance at which to move the base, ms for which to look again.
 * Returns the base when it was moved now or lately, else nil.
 */
export const rebaseScript = new Script(`${prelude}
local fair = base .. ':fair'
local state = redis.call('HMGET', fair, 'v', 'base', 'rebased_at')
local v, moving, rebased_at = tonumber(state[1] or '0'), tonumber(state[2] or '0'), tonumber(state[3] or '0')
if v - moving >= tonumber(ARGV[1]) then
  redis.call('HSET', fair, 'base', text(v), 'rebased_at', text(now))
  -- An organization whose last tag has passed stands like one that was never here.
  local fields = redis.call('HGETALL', fair)
  for i = 1, #fields, 2 do
    if string.find(fields[i], '^[nh]:') and tonumber(fields[i + 1]) <= v then redis.call('HDEL', fair, fields[i]) end
  end
  return {text(v)}
end
if rebased_at > 0 and now - rebased_at < tonumber(ARGV[2]) then return {text(moving)} end
return nil
`);

/** Waiting executions past their deadline, as organization/id, at most 100. */
export const overdueScript = new Script(`${prelude}
return redis.call('ZRANGEBYSCORE', base .. ':waiting', '-inf', text(now), 'LIMIT', 0, 100)
`);
