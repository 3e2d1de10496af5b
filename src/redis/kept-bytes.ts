/**
 * Bytes that an organization has stored and that have not expired. One hash per organization counts bytes by the hour
 * in which they were stored, so expired hours can be ignored. The same in TypeScript and in Lua.
 */
export const HOUR_MS = 60 * 60 * 1000;

export function hourOf(unixMs: number): string {
  return String(Math.floor(unixMs / HOUR_MS));
}

/** Sum over the hours within the retention. `hours` is the hash as Redis returns it. */
export function keptBytes(hours: Readonly<Record<string, string>>, keptMs: number, nowMs: number): number {
  const oldest = Math.floor((nowMs - keptMs) / HOUR_MS);
  return Object.entries(hours).reduce((sum, [hour, bytes]) => (Number(hour) < oldest ? sum : sum + Number(bytes)), 0);
}

/**
 * The script must define `now` first. `keep_bytes` extends the expiry of the hash with each new hour: `kept` is how long what
 * it counts is kept, milliseconds. Without `kept`, it gives a hash without expiry one of 25 hours.
 */
export const keptBytesLua = `
local hour = ${HOUR_MS}
local function keep_bytes(key, bytes, at, kept)
  local first = redis.call('HINCRBY', key, string.format('%.0f', math.floor((at or now) / hour)), bytes) == bytes
  if not first then return end
  if kept then redis.call('PEXPIRE', key, kept + 2 * hour) elseif redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, 25 * hour) end
end
local function kept_bytes(key, retention)
  local oldest, sum = math.floor((now - retention) / hour), 0
  local hours = redis.call('HGETALL', key)
  for i = 1, #hours, 2 do
    if tonumber(hours[i]) < oldest then redis.call('HDEL', key, hours[i]) else sum = sum + tonumber(hours[i + 1]) end
  end
  return sum
end`;
