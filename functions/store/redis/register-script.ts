import { PUBLISH } from './event-scripts.ts'
import { REGISTER } from './location-scripts.ts'
import { Script } from './script.ts'

/**
 * REGISTER, and what PUBLISH does for the one event that mostly comes of it, in one step. They are in two slots: not for a cluster.
 * KEYS: the part's base. ARGV: the base of the events' root, how many arguments of REGISTER, these; how many of PUBLISH when the binding is
 * new, these; those when it was there before.
 * Gives what REGISTER does and, unless it was refused or has removed something besides, what PUBLISH does, and the event's position.
 */
export const REGISTER_AND_PUBLISH = new Script(`
local root, at, all = ARGV[1], 2, ARGV
local function take(count)
  local some = {}
  for i = 1, count do some[i] = all[at + i - 1] end
  at = at + count
  return some
end
local function register(KEYS, ARGV)
  ${REGISTER.text}
end
local function publish(KEYS, ARGV)
  ${PUBLISH.text}
end

local outcome = register(KEYS, take(tonumber(take(1)[1])))
if outcome[1] ~= 'ok' or outcome[3] ~= '' then return outcome end
local whenNew = take(tonumber(take(1)[1]))
outcome[5] = publish({ root }, outcome[4][1] == 1 and take(#all - at + 1) or whenNew)
outcome[6] = outcome[5].position
return outcome
`)
