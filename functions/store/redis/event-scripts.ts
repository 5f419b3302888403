import { ABSENT_MS, GRACE_MS, INBOX_LENGTH, SUFFIX } from './keys.ts'
import { KEEP, Script } from './script.ts'

/**
 * One event is recorded and matched in one step, and so is one subscription stored and compared with what was recorded: whichever comes
 * first, the other one sees it. All of one root is in one slot for that.
 */

/** Lua: takes a subscription out of the index, wherever it stands. */
const FORGET = `
local function forget(id)
  local held = redis.call('LRANGE', KEYS[1] .. '${SUFFIX.subscription}' .. id, 0, -1)
  for i = 2, #held do redis.call('ZREM', KEYS[1] .. '${SUFFIX.entries}' .. held[i], held[1]) end
  if #held > 0 then redis.call('DEL', KEYS[1] .. '${SUFFIX.subscription}' .. id) end
end
`

/**
 * KEYS: the root's base. ARGV: now, how long an event counts in microseconds, a position that the events come after; then for each event:
 * its JSON, its bucket, how many patterns, these, how many attributes, and three for each: name, value, length of the value.
 * Gives for each event the entries of the live subscriptions it may match, shape by shape.
 *
 * A position is this server's time, but one microsecond later than a look-up at that very time would get, always above the last one of
 * its stream, and above the given one unless that is a minute off.
 */
export const PUBLISH = new Script(`
local base, now, keep, floor, at = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), 4
local function next()
  at = at + 1
  return ARGV[at - 1]
end

local function record(json, bucket)
  local stream, time = base .. '${SUFFIX.recent}' .. bucket, redis.call('TIME')
  local position = time[1] * 1000000 + time[2] + 1
  if floor >= position and floor - position < 60000000 then position = floor + 1 end
  local oldest = string.format('%.0f', position - keep)
  local added = redis.pcall('XADD', stream, 'MINID', '~', oldest, string.format('%.0f-0', position), 'e', json)
  if type(added) == 'table' and added.err then
    local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    position = tonumber(string.match(last[1], '^%d+')) + 1
    redis.call('XADD', stream, string.format('%.0f-0', position), 'e', json)
  end
  redis.call('PEXPIRE', stream, math.ceil(keep / 500))
  return string.format('%.0f', position)
end

-- The key that an event has in a shape: the value itself of a single attribute, else each value after its length.
local function keyOf(shape, values)
  local count, key, single = 0, ''
  for name in string.gmatch(shape, '\\n([^\\n]*)') do
    if not values[name] then return nil end
    count, key = count + 1, key .. values[name].part
    if count == 1 then single = values[name].value end
  end
  return count == 1 and single or key
end

local answer = {}
while at <= #ARGV do
  -- Not an element: for a script that this one is part of.
  answer.position = record(next(), next())
  local patterns, values, found = {}, {}, {}
  for i = 1, tonumber(next()) do patterns[i] = next() end
  for i = 1, tonumber(next()) do
    local name, value, length = next(), next(), next()
    values[name] = { value = value, part = length .. ':' .. value }
  end
  for _, pattern in ipairs(patterns) do
    for _, shape in ipairs(redis.call('ZRANGEBYSCORE', base .. '${SUFFIX.shapes}' .. pattern, '(' .. now, '+inf')) do
      local key = keyOf(shape, values)
      if key then
        local entries = base .. '${SUFFIX.entries}' .. pattern .. '\\n' .. shape .. '\\n' .. key
        for _, entry in ipairs(redis.call('ZRANGEBYSCORE', entries, '(' .. now, '+inf')) do found[#found + 1] = entry end
      end
    end
  end
  answer[#answer + 1] = found
end
return answer
`)

/**
 * KEYS: the root's base. ARGV: now, the stream id to look from, how many buckets, these; then for each subscription: id, pattern, shape,
 * expiry, entry, how many places, these. One of the same id is replaced.
 * Gives the recent events of the buckets: id, JSON, id, JSON…
 */
export const SUBSCRIBE = new Script(`
${KEEP}${FORGET}
local base, now, since, at = KEYS[1], tonumber(ARGV[1]), ARGV[2], 3
local function next()
  at = at + 1
  return ARGV[at - 1]
end
local function add(key, member, expiry, option, ttl)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - ${GRACE_MS})
  if option then redis.call('ZADD', key, option, expiry, member) else redis.call('ZADD', key, expiry, member) end
  keep(key, ttl)
end

local recent = {}
for i = 1, tonumber(next()) do
  for _, one in ipairs(redis.call('XRANGE', base .. '${SUFFIX.recent}' .. next(), since, '+')) do
    recent[#recent + 1] = one[1]
    recent[#recent + 1] = one[2][2]
  end
end
while at <= #ARGV do
  local id, pattern, shape, expiry, entry = next(), next(), next(), next(), next()
  local held, ttl = base .. '${SUFFIX.subscription}' .. id, math.max(math.ceil(expiry - now), 0) + ${GRACE_MS}
  forget(id)
  redis.call('RPUSH', held, entry)
  for i = 1, tonumber(next()) do
    local place = next()
    redis.call('RPUSH', held, place)
    add(base .. '${SUFFIX.entries}' .. place, entry, expiry, nil, ttl)
  end
  redis.call('PEXPIRE', held, ttl)
  add(base .. '${SUFFIX.shapes}' .. pattern, shape, expiry, 'GT', ttl)
end
return recent
`)

/** KEYS: the root's base. ARGV: ids of subscriptions, which are taken out of the index. */
export const UNSUBSCRIBE = new Script(`
${FORGET}
for _, id in ipairs(ARGV) do forget(id) end
return #ARGV
`)

/** KEYS: a gateway's inbox. ARGV: entries, in order. */
export const DELIVER = new Script(`
for _, entry in ipairs(ARGV) do redis.call('XADD', KEYS[1], 'MAXLEN', '~', ${INBOX_LENGTH}, '*', 'd', entry) end
return redis.call('PEXPIRE', KEYS[1], ${ABSENT_MS})
`)
