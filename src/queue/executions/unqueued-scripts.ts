import { asFlag, type ScriptReply } from "../../redis/script.ts";
import { queueScript } from "../core/script-prelude.ts";

/** Removes the mark that an execution has no job yet. False when the execution was withdrawn meanwhile. */
export const confirmScript = queueScript({
  args: ["organization", "id"],
  lua: `
redis.call('ZREM', base .. ':unqueued', organization .. '/' .. id)
return redis.call('EXISTS', record_key(organization, id))
`,
  reply: asFlag,
});

export interface Unqueued {
  /** organization/id */
  member: string;
  priority: number;
  cell: { worker: string; session: string } | null;
}

/**
 * Withdraws executions that were marked unqueued at least `markedMs` ago and have neither a job nor an idempotency key,
 * at most 100 per call. Returns those with a key, which the caller must queue.
 */
export const unqueuedScript = queueScript({
  args: ["markedMs"],
  lua: `
local marks = base .. ':unqueued'
local wanted = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', marks, '-inf', text(now - tonumber(marked_ms)), 'LIMIT', 0, 100)) do
  local org, id = string.match(member, '^(.*)/([^/]*)$')
  local record = record_key(org, id)
  local state = redis.call('HMGET', record, 'status', 'worker', 'idempotency', 'tag', 'request')
  local worker = state[2] or ''
  local job = worker == '' and job_key('executions', id) or job_key('sessions-' .. worker, id)
  if state[1] ~= 'queued' or redis.call('EXISTS', job) == 1 then
    redis.call('ZREM', marks, member)
  elseif state[3] and state[3] ~= '' then
    local moving = tonumber(redis.call('HGET', base .. ':fair', 'base') or '0')
    local priority = math.min(math.max(tonumber(state[4]) - moving, 1), 2097151)
    wanted[#wanted + 1] = {member, text(priority), worker, worker ~= '' and cjson.decode(state[5])['container'] or ''}
  else
    redis.call('ZREM', marks, member)
    stop_waiting(org, id)
    redis.call('DEL', record, stream_key(org, id))
    redis.call('ZREM', base .. ':list:' .. org, id)
  end
end
return wanted
`,
  reply: (reply): Unqueued[] => (reply as ScriptReply[][]).map(unqueuedOf),
});

function unqueuedOf([member = null, priority = null, worker = null, session = null]: ScriptReply[]): Unqueued {
  const cell = String(worker) === "" ? null : { worker: String(worker), session: String(session) };
  return { member: String(member), priority: Number(priority), cell };
}
