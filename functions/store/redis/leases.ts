import type { GatewayLease, LeaseStep, SeenLease, Store } from '../store.ts'
import type { Commands } from './commands.ts'
import { type Keys, LEASES_MS } from './keys.ts'
import { Script } from './script.ts'

/**
 * KEYS: the leases. ARGV: life, 1 when it has just started, lifetime of a lease, secret, how many leases to take, three for each: gateway,
 * holder, JSON; how many to leave, their gateways; then the gateways to forget.
 * Gives the secret, how many leases were taken, their gateways, then three for each lease there is: what is left of it, whether it is
 * wanted, its JSON.
 * A lease is five lines: until, wanted (0 or 1), life, holder, JSON.
 */
const LEASES = new Script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local key, life, at = KEYS[1], ARGV[1], 6
local function read(gateway)
  local held = redis.call('HGET', key, 'l' .. gateway)
  if not held then return nil end
  local till, wanted, by, holder, json = string.match(held, '^(%d+)\\n(%d)\\n([^\\n]*)\\n([^\\n]*)\\n(.*)$')
  return { till = tonumber(till), wanted = wanted, life = by, holder = holder, json = json }
end
local function write(gateway, lease)
  local lines = { string.format('%.0f', lease.till), lease.wanted, lease.life, lease.holder, lease.json }
  redis.call('HSET', key, 'l' .. gateway, table.concat(lines, '\\n'))
end
local takes = tonumber(ARGV[5])
local leaves = tonumber(ARGV[at + 3 * takes])
local first = at + 3 * takes + 1
for i = first, #ARGV do
  local held = read(ARGV[i])
  if held and held.life == life then
    if i < first + leaves then
      held.till = now
      write(ARGV[i], held)
    else
      redis.call('HDEL', key, 'l' .. ARGV[i])
    end
  end
end
local taken = {}
for i = at, at + 3 * takes - 1, 3 do
  local gateway, holder, json = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local held = read(gateway)
  local isOwn = held and held.life == life
  local isOwner = holder == gateway
  if held and not isOwn and held.till > now and not (ARGV[2] == '1' and isOwner and held.holder == gateway) then
    if isOwner and held.wanted == '0' then
      held.wanted = '1'
      write(gateway, held)
    end
  else
    local wanted = isOwn and held.wanted or '0'
    write(gateway, { till = now + ARGV[3], wanted = wanted, life = life, holder = holder, json = json })
    taken[#taken + 1] = gateway
  end
end
redis.call('HSETNX', key, 'secret', ARGV[4])
redis.call('PEXPIRE', key, ${LEASES_MS})
local reply = { redis.call('HGET', key, 'secret'), #taken }
for _, gateway in ipairs(taken) do reply[#reply + 1] = gateway end
for _, field in ipairs(redis.call('HKEYS', key)) do
  if field ~= 'secret' then
    local held = read(string.sub(field, 2))
    if held.till < now - ${LEASES_MS} then
      redis.call('HDEL', key, field)
    else
      reply[#reply + 1] = string.format('%.0f', math.max(held.till - now, 0))
      reply[#reply + 1] = held.wanted
      reply[#reply + 1] = held.json
    end
  end
end
return reply
`)

/** Who acts for the calls of which gateway: one key, one round trip, by the clock of its server. */
export class RedisLeases {
  readonly #commands: Commands
  readonly #key: string

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands
    this.#key = keys.leases()
  }

  step({ life, isStart, take, leave, forget, ttlMs, secret }: LeaseStep): ReturnType<Store['leases']> {
    const taking = take.flatMap((lease) => [lease.gateway, lease.holder, JSON.stringify(lease)])
    const args = [
      life,
      isStart ? 1 : 0,
      Math.ceil(ttlMs),
      secret,
      take.length,
      ...taking,
      leave.length,
      ...leave,
      ...forget,
    ]
    return this.#commands.operation('leases', async (run) => {
      const [reply] = (await run([{ script: LEASES, key: this.#key, args }])) as [string[]]
      const [common = '', count = 0, ...rest] = reply
      const taken = rest.splice(0, Number(count))
      const seen: SeenLease[] = []
      for (let at = 0; at < rest.length; at += 3) {
        const lease = JSON.parse(rest[at + 2]!) as GatewayLease
        seen.push({ ...lease, leftMs: Number(rest[at]), isWanted: rest[at + 1] === '1' })
      }
      return { taken, seen, secret: common }
    })
  }
}
