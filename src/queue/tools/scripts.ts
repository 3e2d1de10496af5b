import { asFlag, asNothing, type ScriptReply } from "../../redis/script.ts";
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
