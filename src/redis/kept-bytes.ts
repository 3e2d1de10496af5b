/**
 * How much an organization has stored and not yet let expire: bytes by the hour in which they were stored, in one hash for
 * each organization, so that what has expired stops counting. Scripts of the queue have a twin of this in Lua.
 */
export const HOUR_MS = 60 * 60 * 1000;

export function hourOf(unixMs: number): string {
  return String(Math.floor(unixMs / HOUR_MS));
}

/** Sum over the hours that are not older than the retention. `hours` is the hash as Redis gives it. */
export function keptBytes(hours: Readonly<Record<string, string>>, keptMs: number, nowMs: number): number {
  const oldest = Math.floor((nowMs - keptMs) / HOUR_MS);
  return Object.entries(hours).reduce((sum, [hour, bytes]) => (Number(hour) < oldest ? sum : sum + Number(bytes)), 0);
}

/** `now` is defined before it. The hash needs an expiry of its own: whoever adds to it gives one, or leaves the one it has. */
export const keptBytesLua = `
local hour = ${HOUR_MS}
local function keep_bytes(key, bytes, at)
  redis.call('HINCRBY', key, string.format('%.0f', math.floor((at or now) / hour)), bytes)
  if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, 25 * hour) end
end
local function kept_bytes(key, retention)
  local oldest, sum = math.floor((now - retention) / hour), 0
  local hours = redis.call('HGETALL', key)
  for i = 1, #hours, 2 do
    if tonumber(hours[i]) < oldest then redis.call('HDEL', key, hours[i]) else sum = sum + tonumber(hours[i + 1]) end
  end
  return sum
end`;
