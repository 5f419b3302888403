import { GRACE_MS, SUFFIX } from './keys.ts'
import { KEEP, Script } from './script.ts'

/**
 * KEYS: the transaction. ARGV: now, its rev, its JSON, last expiry of all that is written here, how many subscriptions to add, two for
 * each: id, JSON; then the ids of those to drop. An older rev is not written, and nothing of one up to that of the release.
 * Gives the JSON of the subscriptions that were replaced.
 */
export const SUSPEND = new Script(`
${KEEP}
local key, at, replaced = KEYS[1], 6, {}
local rev = tonumber(redis.call('HGET', key, 'rev') or '-1')
if rev > tonumber(ARGV[2]) and redis.call('HEXISTS', key, 'data') == 0 then return replaced end
if rev <= tonumber(ARGV[2]) then
  redis.call('HSET', key, 'rev', ARGV[2], 'data', ARGV[3])
end
local adds = tonumber(ARGV[5])
for i = at + 2 * adds, #ARGV do redis.call('HDEL', key, 's' .. ARGV[i]) end
for i = at, at + 2 * adds - 1, 2 do
  replaced[#replaced + 1] = redis.call('HGET', key, 's' .. ARGV[i]) or nil
  redis.call('HSET', key, 's' .. ARGV[i], ARGV[i + 1])
end
keep(key, math.max(math.ceil(ARGV[4] - ARGV[1]), 0) + ${GRACE_MS})
return replaced
`)

/**
 * KEYS: the transaction. ARGV: now, its rev, its JSON, its expiry, the claim, for how long that stands. Gives 1 when it was claimed and
 * written, 0 when it was claimed before or a later rev is there.
 */
export const RESUME = new Script(`
${KEEP}
local key = KEYS[1]
if tonumber(redis.call('HGET', key, 'rev') or '-1') > tonumber(ARGV[2]) then return 0 end
if not redis.call('SET', key .. '${SUFFIX.claim}' .. ARGV[5], '1', 'NX', 'PX', ARGV[6]) then return 0 end
redis.call('HSET', key, 'rev', ARGV[2], 'data', ARGV[3])
keep(key, math.max(math.ceil(ARGV[4] - ARGV[1]), 0) + ${GRACE_MS})
return 1
`)

/** KEYS: the transaction. ARGV: the last rev that was written; only a later one is written now. */
export const RELEASE = new Script(`
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'rev', ARGV[1] + 1)
return redis.call('PEXPIRE', KEYS[1], ${GRACE_MS})
`)

/**
 * KEYS: a gateway's index of suspended transactions. ARGV: now, a transaction, its expiry. Comes after all else that is written with it.
 * Gives how many writes there were.
 */
export const NOTE = new Script(`
${KEEP}
local count, ttl = KEYS[1] .. '${SUFFIX.count}', math.max(math.ceil(ARGV[3] - ARGV[1]), 0) + ${GRACE_MS}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - ${GRACE_MS})
redis.call('ZADD', KEYS[1], 'GT', ARGV[3], ARGV[2])
keep(KEYS[1], ttl)
local writes = redis.call('INCR', count)
keep(count, ttl)
return writes
`)
