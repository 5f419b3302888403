import { ABSENT_MS, SUFFIX } from './keys.ts'
import { KEEP, POSITION, Script } from './script.ts'

/** Reads the lines of an AOR's key, without those that nobody took for so long that they are forgotten. */
const READ = `
local refreshing = false
local function read(key, now)
  local lines = {}
  for line in string.gmatch(redis.call('GET', key) or '', '[^\\n]+') do
    local binding = cjson.decode(line)
    binding.line = line
    refreshing = refreshing or binding.refresh ~= nil
    if binding.expiresAt > now - ${ABSENT_MS} then lines[#lines + 1] = binding end
  end
  return lines
end
`

/** Whether the refresh of a binding counts: `isRefreshable`, of a live binding. */
const REFRESHABLE = `
local function refreshable(binding, now)
  if not binding.refresh or binding.asleep or binding.expiresAt <= now then return false end
  return not (binding.push and binding.push.invalidSince)
end
`

/** Writes an AOR's bindings and its places in the three indexes. */
const WRITE = `
${REFRESHABLE}
local function write(base, aor, bindings, now)
  local key, expiry, names = base .. '${SUFFIX.aor}' .. aor, base .. '${SUFFIX.expiry}', base .. '${SUFFIX.names}'
  local refresh = base .. '${SUFFIX.refresh}'
  if #bindings == 0 then
    if refreshing then redis.call('ZREM', refresh, aor) end
    redis.call('DEL', key)
    redis.call('ZREM', expiry, aor)
    redis.call('ZREM', names, aor)
    return ''
  end
  local lines, first, last, due = {}, bindings[1].expiresAt, now, nil
  for i, binding in ipairs(bindings) do
    lines[i] = binding.line
    if refreshable(binding, now) then due = math.min(due or binding.refresh.at, binding.refresh.at) end
    first, last = math.min(first, binding.expiresAt), math.max(last, binding.expiresAt)
  end
  local text, ttl = table.concat(lines, '\\n'), math.ceil(last - now) + ${ABSENT_MS}
  redis.call('SET', key, text, 'PX', ttl)
  redis.call('ZADD', expiry, first, aor)
  redis.call('ZADD', names, 0, aor)
  keep(expiry, ttl)
  keep(names, ttl)
  if due then
    redis.call('ZADD', refresh, due, aor)
    keep(refresh, ttl)
  elseif refreshing then
    redis.call('ZREM', refresh, aor)
  end
  return text
end
`

/** KEYS: the AOR's key. ARGV: microseconds by which the servers' clocks may differ. Gives bindings and position. */
export const LOOKUP = new Script(`
${POSITION}
return { redis.call('GET', KEYS[1]) or '', position(-ARGV[1]) }
`)

/**
 * `applyRegister` in Lua; test/functions/store compares the two. Bindings are only read, never written anew, so that each comes back
 * byte for byte; in the line of one that falls asleep its expiry and CSeq are replaced: a quote within a text has a backslash, so these names
 * are found nowhere else.
 * KEYS: the part's base. ARGV: aor, now, Call-ID, CSeq, most contacts, how many removals ('*' for all), four for each: contact,
 * device, instance, until when to keep it or ''; then four for each binding put: contact, device, instance, line. An instance is '' or 'i' and its value.
 * Gives what came of it, the bindings, those removed, and for each one put whether it was there before.
 */
export const REGISTER = new Script(`
${KEEP}${READ}${WRITE}
local base, aor, now, callId, cseq, most = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local at = 7
local function contact()
  local named = { contact = ARGV[at], device = ARGV[at + 1] }
  if ARGV[at + 2] ~= '' then named.instance = string.sub(ARGV[at + 2], 2) end
  at = at + 3
  return named
end
local function same(binding, named)
  if binding.device == named.device then return true end
  if binding.contact ~= named.contact then return false end
  return binding.instance == nil or named.instance == nil or binding.instance == named.instance
end
local function live(binding) return binding.expiresAt > now end

local removals, puts = {}, {}
local all = ARGV[6] == '*'
for i = 1, tonumber(ARGV[6]) or 0 do
  removals[i] = contact()
  removals[i].keep = ARGV[at]
  at = at + 1
end
while at <= #ARGV do
  local put = contact()
  put.line = ARGV[at]
  local whole = cjson.decode(put.line)
  put.expiresAt, put.refresh, put.push, put.asleep = whole.expiresAt, whole.refresh, whole.push, whole.asleep
  at = at + 1
  puts[#puts + 1] = put
end

local stored, count = read(base .. '${SUFFIX.aor}' .. aor, now), 0
local refreshed = {}
for _, binding in ipairs(stored) do
  if live(binding) then count = count + 1 end
  for _, named in ipairs(removals) do
    if live(binding) and same(binding, named) then
      binding.leaves = true
      if named.keep ~= '' and binding.push and not binding.push.invalidSince then binding.keep = named.keep end
    end
  end
  if all and live(binding) then binding.leaves = true end
  for i, put in ipairs(puts) do
    if same(binding, put) then
      binding.replaced = true
      if live(binding) and not binding.asleep then refreshed[i] = true end
    end
  end
end

local function answer(what, removed)
  local lines, flags = {}, {}
  for i, binding in ipairs(stored) do lines[i] = binding.line end
  for i = 1, #puts do flags[i] = refreshed[i] and 1 or 0 end
  return { what, table.concat(lines, '\\n'), table.concat(removed, '\\n'), flags }
end

local function sleeper(binding)
  local line = string.gsub(binding.line, '"expiresAt":%d+', '"expiresAt":' .. binding.keep, 1)
  if binding.callId == callId then line = string.gsub(line, '"cseq":%d+', '"cseq":' .. ARGV[4], 1) end
  if not binding.asleep then line = string.sub(line, 1, -2) .. ',"asleep":true}' end
  local slept = cjson.decode(line)
  slept.line = line
  return slept
end

local after, removed, changed, countAfter = {}, {}, #puts > 0, 0
for _, binding in ipairs(stored) do
  local gone = binding.leaves or binding.replaced
  if gone and live(binding) and binding.callId == callId and binding.cseq >= cseq then return answer('order', {}) end
  if gone then
    changed = true
    if not binding.replaced and not binding.asleep then removed[#removed + 1] = binding.line end
    if not binding.replaced and binding.keep then after[#after + 1] = sleeper(binding) end
  else
    after[#after + 1] = binding
  end
end
for _, put in ipairs(puts) do after[#after + 1] = put end
for _, binding in ipairs(after) do if live(binding) then countAfter = countAfter + 1 end end
if countAfter > most and countAfter > count then return answer('too many contacts', {}) end

stored = after
if changed then
  write(base, aor, after, now)
  -- Names whose bindings nobody took in all that time; those that still have others are left to expire.
  local expiry = base .. '${SUFFIX.expiry}'
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', expiry, '-inf', now - ${ABSENT_MS}, 'LIMIT', 0, 2)) do
    write(base, old, read(base .. '${SUFFIX.aor}' .. old, now), now)
  end
end
return answer('ok', removed)
`)

/** KEYS: the part's base. ARGV: AOR, now, a binding's line as it was read, the line to write in its place. Gives whether it was still there. */
export const AMEND = new Script(`
${KEEP}${READ}${WRITE}
local base, aor, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
local bindings = read(base .. '${SUFFIX.aor}' .. aor, now)
for i, binding in ipairs(bindings) do
  if binding.line == ARGV[3] then
    bindings[i] = cjson.decode(ARGV[4])
    bindings[i].line = ARGV[4]
    write(base, aor, bindings, now)
    return 1
  end
end
return 0
`)

/** KEYS: one of the indexes. ARGV: now, the indexes of all parts: not for a cluster. Gives for each how many AORs are due. */
export const COUNT_DUE = new Script(`
local counts = {}
for i = 2, #ARGV do counts[i - 1] = redis.call('ZCOUNT', ARGV[i], '-inf', ARGV[1]) end
return counts
`)

/** KEYS: the part's base. ARGV: now, how many bindings at most. Gives bindings whose refresh is due. */
export const REFRESH_DUE = new Script(`
${KEEP}${READ}${WRITE}
local base, now, limit, due = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for _, aor in ipairs(redis.call('ZRANGEBYSCORE', base .. '${SUFFIX.refresh}', '-inf', now, 'LIMIT', 0, limit)) do
  local bindings, before = read(base .. '${SUFFIX.aor}' .. aor, now), #due
  for _, binding in ipairs(bindings) do
    if #due < limit and refreshable(binding, now) and binding.refresh.at <= now then due[#due + 1] = binding.line end
  end
  if #due >= limit then break end
  -- What made it due is over.
  if #due == before then
    refreshing = true
    write(base, aor, bindings, now)
  end
end
return due
`)

/** KEYS: the part's base. ARGV: now, how many bindings at most. Takes out and gives bindings that have expired. */
export const EXPIRE = new Script(`
${KEEP}${READ}${WRITE}
local base, now, limit, taken = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for _, aor in ipairs(redis.call('ZRANGEBYSCORE', base .. '${SUFFIX.expiry}', '-inf', now, 'LIMIT', 0, limit)) do
  local rest = {}
  for _, binding in ipairs(read(base .. '${SUFFIX.aor}' .. aor, now)) do
    if binding.expiresAt <= now and #taken < limit then taken[#taken + 1] = binding.line else rest[#rest + 1] = binding end
  end
  write(base, aor, rest, now)
  if #taken >= limit then break end
end
return taken
`)

/** KEYS: the part's base. ARGV: the AOR to go on after ('' begins), how many AORs. Gives AOR, bindings, AOR, bindings… */
export const PAGE = new Script(`
local after, found = ARGV[1] == '' and '-' or '(' .. ARGV[1], {}
for _, aor in ipairs(redis.call('ZRANGEBYLEX', KEYS[1] .. '${SUFFIX.names}', after, '+', 'LIMIT', 0, ARGV[2])) do
  found[#found + 1] = aor
  found[#found + 1] = redis.call('GET', KEYS[1] .. '${SUFFIX.aor}' .. aor) or ''
end
return found
`)
