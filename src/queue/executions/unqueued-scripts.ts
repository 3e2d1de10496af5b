import { Script } from "../../redis/script.ts";
import { prelude } from "../core/script-prelude.ts";

/** ARGV: org, id. Returns 1, or 0 when the execution has been withdrawn meanwhile. */
export const confirmScript = new Script(`${prelude}
redis.call('ZREM', base .. ':unqueued', ARGV[1] .. '/' .. ARGV[2])
return redis.call('EXISTS', record_key(ARGV[1], ARGV[2]))
`);

/**
 * ARGV: ms since it was noted. Withdraws what waits without a job and without an idempotency key, at most 100 at once.
 * Returns {organization/id, priority, worker or '', session or ''} for each that is to be queued.
 */
export const unqueuedScript = new Script(`${prelude}
local notes = base .. ':unqueued'
local wanted = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', notes, '-inf', text(now - tonumber(ARGV[1])), 'LIMIT', 0, 100)) do
  local org, id = string.match(member, '^(.*)/([^/]*)$')
  local record = record_key(org, id)
  local state = redis.call('HMGET', record, 'status', 'worker', 'idempotency', 'tag', 'request')
  local worker = state[2] or ''
  local queue = worker == '' and ':executions:' or (':sessions-' .. worker .. ':')
  if state[1] ~= 'queued' or redis.call('EXISTS', base .. queue .. id) == 1 then
    redis.call('ZREM', notes, member)
  elseif state[3] and state[3] ~= '' then
    local moving = tonumber(redis.call('HGET', base .. ':fair', 'base') or '0')
    local priority = math.min(math.max(tonumber(state[4]) - moving, 1), 2097151)
    wanted[#wanted + 1] = {member, text(priority), worker, worker ~= '' and cjson.decode(state[5])['container'] or ''}
  else
    redis.call('ZREM', notes, member)
    stop_waiting(org, id)
    redis.call('DEL', record, stream_key(org, id))
    redis.call('ZREM', base .. ':list:' .. org, id)
  end
end
return wanted
`);
