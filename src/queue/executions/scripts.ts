import { Script } from "../../redis/script.ts";
import { prelude } from "../core/script-prelude.ts";

/**
 * Idempotency, admission, the share of the organization, its place in the queue, and the record, at once.
 * ARGV: org, id, idempotency key hash or '', body hash, total max, organization max, wait ms, retention ms, events ms,
 *       'high' or 'normal', webhook id or '', request JSON, files JSON, session id or '', traceparent or '', usage ms, version of the record,
 *       bytes that the organization may keep
 * Returns {'new', priority, now, worker of the session or ''} · {'session', why it takes nothing} · {'replay', body hash, …record} · {'full', which, waiting, now, six rate counters} · {'stored'}
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
local full = refusal(org, total_max, org_max)
if full then return full end
if kept_bytes(kept_key(org), retention) >= tonumber(ARGV[18]) then return {'stored'} end
local worker = ''
if ARGV[14] ~= '' then
  local status, owner = touch_session(org, ARGV[14])
  if status ~= 'active' then return {'session', status} end
  worker = owner
end
local deadline, tag, priority = take_place(org, id, ARGV[10], wait_ms)
if ARGV[14] == '' then wait_for_worker(org, id) end
local expires = now + retention
redis.call('HSET', record_key(org, id), 'status', 'queued', 'request', ARGV[12], 'files', ARGV[13], 'created_at', text(now),
  'deadline_at', text(deadline), 'expires_at', text(expires), 'tag', text(tag), 'attempt', '0', 'webhook_id', ARGV[11],
  'events_ms', ARGV[9], 'idempotency', idem, 'id', id, 'worker', worker, 'trace', ARGV[15], 'usage_ms', ARGV[16], 'v', ARGV[17])
redis.call('PEXPIREAT', record_key(org, id), text(expires))
add_to_list(base .. ':list:' .. org, id, retention, expires)
-- Until its job is seen in the queue, see unqueued.ts.
redis.call('ZADD', base .. ':unqueued', text(now), org .. '/' .. id)
redis.call('PEXPIRE', base .. ':unqueued', day)
if idem ~= '' then redis.call('SET', idem_key, sha .. ' ' .. id, 'PXAT', text(expires)) end
keep_bytes(kept_key(org), #ARGV[12] + #ARGV[13])
redis.call('PEXPIRE', kept_key(org), retention + hour)
return {'new', priority, text(now), worker}
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
 * A worker takes an execution, or learns why it must not. Sent again, it answers as it did the first time.
 * ARGV: org, id, attempts max, then end JSON for: deadline, cancelled unrun, cancelled partly, worker lost; name of this call, newest version it reads
 * Returns {'gone'} · {'newer'} · {'ended', record} · {'deadline' | 'cancelled' | 'worker_lost', record} · {'run', record}
 */
export const startScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
local record = record_key(org, id)
local state = redis.call('HMGET', record, 'status', 'attempt', 'cancel', 'deadline_at', 'tag', 'started_at', 'taken_by', 'v')
local status, attempt = state[1], tonumber(state[2])
if not status then return {'gone'} end
if tonumber(state[8] or '0') > tonumber(ARGV[9]) then return {'newer'} end
if status == 'in_progress' and state[7] == ARGV[8] then return {'run', redis.call('HGETALL', record)} end
if is_final(status) then return {'ended', redis.call('HGETALL', record)} end
leave_place(org, id, state[5])
redis.call('ZREM', base .. ':unqueued', org .. '/' .. id)
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
redis.call('HSET', record, 'status', 'in_progress', 'attempt', attempt + 1, 'taken_by', ARGV[8])
if not state[6] then redis.call('HSET', record, 'started_at', text(now)) end
append(org, id, 'started', attempt + 1)
wake(org, id)
return {'run', redis.call('HGETALL', record)}
`);

/**
 * A first attempt that got no sandbox takes its old place among what waits, as if no worker had taken it.
 * ARGV: org, id, attempt. Returns 1, or 0 when it has to end now: cancelled, past its deadline, or not the first attempt.
 */
export const backInQueueScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
local record = record_key(org, id)
local state = redis.call('HMGET', record, 'status', 'attempt', 'cancel', 'deadline_at', 'created_at')
local deadline = tonumber(state[4] or '0')
if state[1] ~= 'in_progress' or state[2] ~= ARGV[3] or state[2] ~= '1' or state[3] or now >= deadline then return 0 end
redis.call('HSET', record, 'status', 'queued', 'attempt', '0')
redis.call('HDEL', record, 'started_at', 'taken_by')
redis.call('ZADD', base .. ':waiting', text(deadline), org .. '/' .. id)
redis.call('ZADD', base .. ':waiting:' .. org, text(deadline), id)
redis.call('ZADD', base .. ':waiting-since', state[5], org .. '/' .. id)
for _, key in ipairs({':waiting', ':waiting:' .. org, ':waiting-since'}) do
  redis.call('PEXPIRE', base .. key, day + deadline - now)
end
local last = redis.call('XREVRANGE', stream_key(org, id), '+', '-', 'COUNT', 1)[1]
if last and last[2][1] == 'started' then redis.call('XDEL', stream_key(org, id), last[1]) end
return 1
`);

/**
 * Appends outputs of a run to its event stream, unless another attempt is the current one or the execution has ended. The
 * last batch sent again, as when the connection was cut before the answer came, adds nothing: a run sends one at a time.
 * ARGV: org, id, attempt, number of the batch in it, then output JSON for each entry. Returns how many were added.
 */
export const outputScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
local record, stream = record_key(org, id), stream_key(org, id)
local state = redis.call('HMGET', record, 'status', 'attempt', 'batch', 'events_ms')
local batch = ARGV[3] .. '.' .. ARGV[4]
if state[1] ~= 'in_progress' or state[2] ~= ARGV[3] or state[3] == batch then return 0 end
redis.call('HSET', record, 'batch', batch)
for at = 5, #ARGV do redis.call('XADD', stream, 'MAXLEN', '~', 20000, '*', 'output', ARGV[at]) end
redis.call('PEXPIRE', stream, state[4])
wake(org, id)
return #ARGV - 4
`);

/**
 * Stores how a run ended. A worker whose attempt is no longer the current one has lost its lock and stores nothing.
 * Sent again, as when the connection was cut before the answer came, it answers as it did the first time.
 * ARGV: org, id, attempt, status, cause or '', end, zipped, name of this call, cpu ms, bytes in, bytes out, then output JSON for
 * each entry that the event stream has not got yet.
 * Returns the time of the end, or 0 when it was ignored.
 */
export const finishScript = new Script(`${prelude}
local org, id = ARGV[1], ARGV[2]
local state = redis.call('HMGET', record_key(org, id), 'attempt', 'ended_by', 'completed_at', 'status')
if state[2] == ARGV[8] then return state[3] end
if state[1] ~= ARGV[3] or state[4] ~= 'in_progress' then return 0 end
for at = 12, #ARGV do redis.call('XADD', stream_key(org, id), 'MAXLEN', '~', 20000, '*', 'output', ARGV[at]) end
finish(org, id, ARGV[4], ARGV[5], ARGV[6], ARGV[7], {ARGV[9], ARGV[10], ARGV[11]})
redis.call('HSET', record_key(org, id), 'ended_by', ARGV[8])
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
local idem, created, completed = unpack(redis.call('HMGET', record_key(org, id), 'idempotency', 'created_at', 'completed_at'))
local function freed(field) return -redis.call('HSTRLEN', record_key(org, id), field) end
keep_bytes(kept_key(org), freed('request') + freed('files'), tonumber(created))
keep_bytes(kept_key(org), freed('end'), tonumber(completed))
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

/**
 * Returns how long the one has waited that waits longest for a worker, milliseconds; 0 when none waits. A process of an
 * older version takes things off the waiting set alone, so that set has the last word.
 */
export const oldestWaitingScript = new Script(`${prelude}
local since = base .. ':waiting-since'
for _ = 1, 1000 do
  local first = redis.call('ZRANGE', since, 0, 0, 'WITHSCORES')
  if not first[1] then return 0 end
  if redis.call('ZSCORE', base .. ':waiting', first[1]) then return math.max(0, now - tonumber(first[2])) end
  redis.call('ZREM', since, first[1])
end
return 0
`);
