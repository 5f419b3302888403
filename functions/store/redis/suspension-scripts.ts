import { GRACE_MS } from './keys.ts'
import { KEEP, Script } from './script.ts'

/**
 * KEYS: the transaction. ARGV: now, its rev, its JSON, last expiry of all that is written here, how many subscriptions to add, two for
 * each: id, JSON; then the ids of those to drop. An older rev is not written.
 * Gives the JSON of the subscriptions that were dropped or replaced.
 */
export const SUSPEND = new Script(`
${KEEP}
local key, at, gone = KEYS[1], 6, {}
local function take(field)
  local held = redis.call('HGET', key, field)
  if held then gone[#gone + 1] = held end
end
if tonumber(redis.call('HGET', key, 'rev') or '-1') <= tonumber(ARGV[2]) then
  redis.call('HSET', key, 'rev', ARGV[2], 'data', ARGV[3])
end
local adds = tonumber(ARGV[5])
for i = at + 2 * adds, #ARGV do
  take('s' .. ARGV[i])
  redis.call('HDEL', key, 's' .. ARGV[i])
end
for i = at, at + 2 * adds - 1, 2 do
  take('s' .. ARGV[i])
  redis.call('HSET', key, 's' .. ARGV[i], ARGV[i + 1])
end
keep(key, math.max(math.ceil(ARGV[4] - ARGV[1]), 0) + ${GRACE_MS})
return gone
`)

/** KEYS: a gateway's index of suspended transactions. ARGV: now, a transaction, its expiry. */
export const NOTE = new Script(`
${KEEP}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - ${GRACE_MS})
redis.call('ZADD', KEYS[1], 'GT', ARGV[3], ARGV[2])
keep(KEYS[1], math.max(math.ceil(ARGV[3] - ARGV[1]), 0) + ${GRACE_MS})
return 1
`)
