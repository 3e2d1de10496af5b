import { asFlag, asNothing, asTexts, type ScriptReply } from "../../redis/script.ts";
import { queueScript } from "../core/script-prelude.ts";

/**
 * Every change of the calls of an execution to its caller's tools. The record's field `calls` says that there were some: `made`,
 * or `answered` once an answer may have had effects.
 */

/**
 * Makes calls known to the caller: triples of call id, name and call as JSON in the further arguments. False when the attempt is not
 * the current one.
 */
export const openCallsScript = queueScript({
  args: ["organization", "id", "attempt"],
  lua: `
local record, calls = record_key(organization, id), calls_key(organization, id)
local state = redis.call('HMGET', record, 'status', 'attempt', 'expires_at', 'calls', 'events_ms')
if state[1] ~= 'in_progress' or state[2] ~= attempt then return 0 end
if not state[4] then redis.call('HSET', record, 'calls', 'made') end
for at = rest, #ARGV, 3 do
  if redis.call('HSETNX', calls, ARGV[at], ARGV[at + 2]) == 1 then
    append(organization, id, state[5], 'tool_call', ARGV[at] .. ' ' .. ARGV[at + 1])
  end
end
redis.call('PEXPIREAT', calls, state[3])
announce_end(organization, id)
return 1
`,
  reply: asFlag,
});

export type AnswerReply = { kind: "taken" } | { kind: "unknown" | "ended" } | { kind: "no_call" | "answered" | "late"; callId: string };

/**
 * Takes answers of the caller, all or none: call id, outcome, SHA-256 and answer as JSON in the further arguments. An answer that is
 * sent again is taken again, without an effect.
 */
export const answerCallsScript = queueScript({
  args: ["organization", "id"],
  lua: `
local record, calls, answered = record_key(organization, id), calls_key(organization, id), answered_key(organization, id)
local status, expires, events = unpack(redis.call('HMGET', record, 'status', 'expires_at', 'events_ms'))
if not status then return {'unknown'} end
if is_final(status) then return {'ended'} end
for at = rest, #ARGV, 4 do
  if redis.call('HEXISTS', calls, ARGV[at]) == 0 then
    local before = redis.call('HGET', answered, ARGV[at])
    if not before then return {'no_call', ARGV[at]} end
    if before == 'timeout' then return {'late', ARGV[at]} end
    if before ~= ARGV[at + 2] then return {'answered', ARGV[at]} end
  end
end
for at = rest, #ARGV, 4 do
  if redis.call('HDEL', calls, ARGV[at]) == 1 then
    redis.call('HSET', answered, ARGV[at], ARGV[at + 2])
    redis.call('HSET', answers_key(organization, id), ARGV[at], ARGV[at + 3])
    append(organization, id, events, 'tool_output', ARGV[at] .. ' ' .. ARGV[at + 1])
  end
end
redis.call('PEXPIREAT', answered, expires)
redis.call('PEXPIREAT', answers_key(organization, id), expires)
redis.call('HSET', record, 'calls', 'answered')
redis.call('PUBLISH', base .. ':answers', id)
wake(organization, id)
return {'taken'}
`,
  reply: (reply): AnswerReply => {
    const [kind, callId] = (reply as ScriptReply[]).map(String);
    return { kind, callId } as AnswerReply;
  },
});

/**
 * The answers that have arrived, call id and answer as JSON. They stay until the worker names them, in the further arguments of a
 * later call: a reply may be lost.
 */
export const takeAnswersScript = queueScript({
  args: ["organization", "id", "attempt"],
  lua: `
if redis.call('HGET', record_key(organization, id), 'attempt') ~= attempt then return {} end
local answers = answers_key(organization, id)
for at = rest, #ARGV do redis.call('HDEL', answers, ARGV[at]) end
return redis.call('HGETALL', answers)
`,
  reply: (reply): Array<[callId: string, answerJson: string]> => {
    const flat = (reply as ScriptReply[]).map(String);
    return flat.flatMap((callId, at): Array<[string, string]> => (at % 2 === 0 ? [[callId, flat[at + 1] ?? ""]] : []));
  },
});

/** The time for an answer is over. False when the call has been answered. */
export const expireCallScript = queueScript({
  args: ["organization", "id", "callId"],
  lua: `
if redis.call('HDEL', calls_key(organization, id), call_id) == 0 then return 0 end
redis.call('HSET', answered_key(organization, id), call_id, 'timeout')
local expires, events = unpack(redis.call('HMGET', record_key(organization, id), 'expires_at', 'events_ms'))
redis.call('PEXPIREAT', answered_key(organization, id), expires)
append(organization, id, events, 'tool_output', call_id .. ' timeout')
wake(organization, id)
return 1
`,
  reply: asFlag,
});

/** A call is about to be posted to the caller's server, where it may have effects. */
export const markCalledScript = queueScript({
  args: ["organization", "id", "attempt"],
  lua: `
local record = record_key(organization, id)
if redis.call('HGET', record, 'attempt') == attempt then redis.call('HSET', record, 'calls', 'answered') end
`,
  reply: asNothing,
});

/**
 * Calls to MCP servers of the operator, which api processes make. `server-calls` holds the open ones by call id, a list for each
 * label those that no process has taken, and `server-call-leases` the taken ones, by the time until which their process has them.
 */
const serverCalls = `
local open, leases, day_ms = base .. ':server-calls', base .. ':server-call-leases', 86400000
local function queue_of(label) return base .. ':server-calls:' .. label end
local function offer(label, call_id)
  redis.call('RPUSH', queue_of(label), call_id)
  redis.call('PEXPIRE', queue_of(label), day_ms)
  redis.call('PUBLISH', base .. ':server-calls', '')
end
`;

/** Offers a call to the api processes. False when the attempt is not the current one. */
export const offerServerCallScript = queueScript({
  args: ["organization", "id", "attempt", "callId", "label", "readOnly", "callJson"],
  lua: `${serverCalls}
local record = record_key(organization, id)
local state = redis.call('HMGET', record, 'status', 'attempt')
if state[1] ~= 'in_progress' or state[2] ~= attempt then return 0 end
if read_only == '1' then redis.call('HSETNX', record, 'calls', 'made') else redis.call('HSET', record, 'calls', 'answered') end
redis.call('HSET', open, call_id, call_json)
redis.call('PEXPIRE', open, day_ms)
offer(label, call_id)
return 1
`,
  reply: asFlag,
});

/** Takes calls of attempts that still run, for a lease: pairs of label and number of calls in the further arguments. Replies with the calls as JSON. */
export const takeServerCallsScript = queueScript({
  args: ["leaseMs"],
  lua: `${serverCalls}
local taken = {}
for at = rest, #ARGV, 2 do
  local left = tonumber(ARGV[at + 1])
  while left > 0 do
    local call_id = redis.call('LPOP', queue_of(ARGV[at]))
    if not call_id then break end
    local json = redis.call('HGET', open, call_id)
    local call = json and cjson.decode(json)
    local state = call and redis.call('HMGET', record_key(call.organization, call.id), 'status', 'attempt')
    if call and state[1] == 'in_progress' and state[2] == text(call.attempt) then
      redis.call('ZADD', leases, text(now + lease_ms), call_id)
      taken[#taken + 1] = json
      left = left - 1
    elseif call then
      redis.call('HDEL', open, call_id)
    end
  end
end
redis.call('PEXPIRE', leases, day_ms)
return taken
`,
  reply: asTexts,
});

/** Renews the leases of the calls in the further arguments. Replies with those that wait no more, or that another process has. */
export const renewServerCallsScript = queueScript({
  args: ["leaseMs"],
  lua: `${serverCalls}
local gone = {}
for at = rest, #ARGV do
  if redis.call('HEXISTS', open, ARGV[at]) == 1 and redis.call('ZSCORE', leases, ARGV[at]) then
    redis.call('ZADD', leases, text(now + lease_ms), ARGV[at])
  else
    gone[#gone + 1] = ARGV[at]
  end
end
return gone
`,
  reply: asTexts,
});

/**
 * Ends the calls of processes that are gone. One without effects is offered again; another gets the answer `lostJson`, because it
 * may have had effects.
 */
export const sweepServerCallsScript = queueScript({
  args: ["lostJson"],
  lua: `${serverCalls}
for _, call_id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', text(now), 'LIMIT', 0, 100)) do
  redis.call('ZREM', leases, call_id)
  local json = redis.call('HGET', open, call_id)
  local call = json and cjson.decode(json)
  if call and call.readOnly then
    offer(call.label, call_id)
  elseif call then
    redis.call('HDEL', open, call_id)
    redis.call('HSET', answers_key(call.organization, call.id), call_id, lost_json)
    redis.call('PEXPIRE', answers_key(call.organization, call.id), day_ms)
    redis.call('PUBLISH', base .. ':answers', call.id)
  end
end
`,
  reply: asNothing,
});

/** Passes the answer of a server on to the worker, unless the call does not wait any more. */
export const answerServerCallScript = queueScript({
  args: ["organization", "id", "callId", "answerJson"],
  lua: `${serverCalls}
redis.call('ZREM', leases, call_id)
if redis.call('HDEL', open, call_id) == 0 then return end
local status, expires = unpack(redis.call('HMGET', record_key(organization, id), 'status', 'expires_at'))
if not status or is_final(status) then return end
redis.call('HSET', answers_key(organization, id), call_id, answer_json)
redis.call('PEXPIREAT', answers_key(organization, id), expires)
redis.call('PUBLISH', base .. ':answers', id)
`,
  reply: asNothing,
});

/** The code does not wait for the call any more. */
export const withdrawServerCallScript = queueScript({
  args: ["callId"],
  lua: `${serverCalls}
redis.call('HDEL', open, call_id)
redis.call('ZREM', leases, call_id)
`,
  reply: asNothing,
});
