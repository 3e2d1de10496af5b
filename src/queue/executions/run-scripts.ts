import { asFlag, asNumber, type ScriptReply } from "../../redis/script.ts";
import { queueScript } from "../core/script-prelude.ts";

/** Every change of the state of an execution that a worker has taken. */

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
    "workerLostCalledEnd",
    "call",
    "versionMax",
  ],
  lua: `
local record = record_key(organization, id)
local state = redis.call('HMGET', record, 'status', 'attempt', 'cancel', 'deadline_at', 'tag', 'started_at', 'taken_by', 'v', 'calls', 'events_ms')
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
elseif attempt > 0 and state[9] == 'answered' then
  -- The caller's tools have effects, which a further attempt would repeat.
  dropped = 'worker_lost'
  finish(organization, id, 'errored', 'worker_lost', worker_lost_called_end, '0')
elseif attempt >= tonumber(attempts_max) then
  dropped = 'worker_lost'
  finish(organization, id, 'errored', 'worker_lost', worker_lost_end, '0')
end
if dropped then return {dropped, redis.call('HGETALL', record)} end
if state[9] then forget_calls(organization, id) end
redis.call('HSET', record, 'status', 'in_progress', 'attempt', attempt + 1, 'taken_by', call, 'started_at', state[6] or text(now))
append(organization, id, state[10], 'started', attempt + 1)
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
 * Stores the end of a run. The further arguments are first the parts of outputs that are stored apart, then, as JSON,
 * the outputs that the event stream lacks. Returns the time of the end, or 0 when it was ignored: the execution has ended, or the attempt is no longer the
 * current one because its worker lost the lock. A repeated `call` returns the first reply again.
 */
export const finishScript = queueScript({
  args: [
    "organization",
    "id",
    "attempt",
    "finalStatus",
    "cause",
    "endJson",
    "zipped",
    "outputsParts",
    "outputsBytes",
    "call",
    "cpuMs",
    "bytesIn",
    "bytesOut",
  ],
  lua: `
local state = redis.call('HMGET', record_key(organization, id), 'attempt', 'ended_by', 'completed_at', 'status', 'expires_at', 'created_at')
if state[2] == call then return state[3] end
if state[1] ~= attempt or state[4] ~= 'in_progress' then return 0 end
local events = rest + tonumber(outputs_parts)
for at = events, #ARGV do redis.call('XADD', stream_key(organization, id), 'MAXLEN', '~', 20000, '*', 'output', ARGV[at]) end
if events > rest then
  local stored = 0
  for at = rest, events - 1 do
    stored = stored + #ARGV[at]
    redis.call('RPUSH', outputs_key(organization, id), ARGV[at])
  end
  redis.call('PEXPIREAT', outputs_key(organization, id), state[5])
  redis.call('HSET', record_key(organization, id), 'outputs_bytes', outputs_bytes, 'outputs_stored', text(stored))
  keep_bytes(kept_key(organization), stored, now, state[5] and state[6] and state[5] - state[6])
end
finish(organization, id, final_status, cause, end_json, zipped, {cpu_ms, bytes_in, bytes_out}, call)
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
