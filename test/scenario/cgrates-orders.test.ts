import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AuthorizeOptions, type Call, SipRouter } from 'rouse'
import { CgratesStandIn } from '../support/cgrates.ts'
import { seeded } from '../support/random.ts'
import type { WireMessage } from '../support/wire.ts'
import { type World, world } from '../support/world.ts'

/** One billed call through random trouble of CGRateS and of its gateway: whatever happens, in whatever order, the account is right. */

const FIRST_SEED = Number(process.env.FIRST_SEED ?? 1)
const SEEDS = Number(process.env.SEEDS ?? 120)

/** So long a call goes on at most when the answer to a debit is under way. */
const LATE_MS = 1000

type RequestType = NonNullable<AuthorizeOptions['requestType']>
const REQUEST_TYPES: RequestType[] = ['prepaid', 'prepaid', 'prepaid', 'postpaid', 'pseudoprepaid', 'rated']

const isBye = ({ isRequest, method }: WireMessage) => isRequest && method === 'BYE'

/** What goes wrong until it is over. */
interface Trouble {
  name: string
  begin(): unknown
  end(): unknown
}

class Chance {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seeded(seed)
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!
  }

  /** Milliseconds: a moment, or longer than most pauses. */
  span(): number {
    return this.below(this.of([1500, 20_000]))
  }
}

function billed(requestType: RequestType): SipRouter {
  const handler = async (call: Call) => {
    const auth = await call.authorize({ account: '1001', requestType })
    if (!auth.authorized) return call.reply(auth.code, auth.reason)
    call.fork(call.contacts)
  }
  return new SipRouter().invite('/:domain/:user', handler as (call: unknown) => Promise<void>)
}

function troublesOf(w: World, cgr: CgratesStandIn): Trouble[] {
  const methods = ['InitiateSession', 'UpdateSession', 'TerminateSession', 'ProcessCDR', 'GetActiveSessions']
  return [
    { name: 'CGRateS is dead', begin: () => cgr.dies(), end: () => cgr.comesBack() },
    { name: 'CGRateS is silent', begin: () => (cgr.isSilent = true), end: () => (cgr.isSilent = false) },
    ...methods.map((method) => ({
      name: `answers to ${method} are late`,
      begin: () => cgr.hold(method),
      end: () => cgr.release(method),
    })),
    { name: 'the gateway is killed', begin: () => w.kill(), end: () => w.start() },
    { name: 'the gateway is stopped', begin: () => halted(w), end: () => w.start() },
  ]
}

/** What it has to say before it ends takes time. */
async function halted(w: World): Promise<void> {
  let isDone = false
  void w.halt().then(() => (isDone = true))
  while (!isDone) await w.advance(100)
}

async function play(seed: number, told: string[]): Promise<void> {
  const chance = new Chance(seed)
  const requestType = chance.of(REQUEST_TYPES)
  const creditMs = (20 + chance.below(150)) * 1000
  const settings = {
    away: chance.of(['pass', 'refuse'] as const),
    timeoutMs: chance.of([2000, 20_000]),
    intervalMs: chance.of([2000, 10_000, 30_000]),
  }
  const cgr = new CgratesStandIn()
  const account = cgr.account('1001', creditMs / 1000)
  const gateway = { cluster: { pool: 'east' } }
  const w = await world({ app: billed(requestType), cgrates: { standIn: cgr, settings }, gateway })
  await w.advance(1000)
  const [alice, bob] = [await w.phone('alice'), await w.phone('bob')]
  await bob.registers()
  await alice.invites('bob')
  await bob.answers()

  const answeredAt = w.clock.now()
  const tell = (what: string) => told.push(`${w.clock.now() - answeredAt} ms: ${what}`)
  tell(`answered, ${requestType}, ${creditMs} ms of credit, ${JSON.stringify(settings)}`)
  const bye = () => [...alice.received, ...bob.received].find(isBye)
  const present = new Set<Trouble>()
  let isGatewaySteady = true
  const isGatewayAway = () => [...present].some(({ name }) => name.startsWith('the gateway'))
  const flip = async (trouble: Trouble) => {
    const isOver = present.delete(trouble)
    if (!isOver && trouble.name.startsWith('the gateway') && isGatewayAway()) return
    if (!isOver) present.add(trouble)
    if (isGatewayAway()) isGatewaySteady = false
    tell(isOver ? `no more: ${trouble.name}` : trouble.name)
    await (isOver ? trouble.end() : trouble.begin())
  }
  const hangUp = async () => {
    if (bye() || isGatewayAway()) return false
    tell('hung up')
    await alice.hangsUp()
    return true
  }

  const troubles = troublesOf(w, cgr)
  for (let steps = chance.below(14); steps > 0 && !bye(); steps--) {
    await w.advance(chance.span())
    await flip(chance.of(troubles))
  }
  await w.advance(chance.span())
  const isHungUp = chance.of([true, false]) && (await hangUp())
  for (const trouble of present) await flip(trouble)
  await w.advance(chance.span())
  if (!isHungUp) await hangUp()

  await w.assertQuiet(400_000)
  const reason = bye()?.header('Reason') ?? ''
  tell(`over: ${reason}; asked: ${cgr.asked.join(', ')}`)
  assert.deepEqual([cgr.faults, w.errors, w.counters.get('bugs'), cgr.sessions.size], [[], [], 0, 0])
  assert.equal(cgr.cdrs.size, 1)
  const [{ usageMs } = { usageMs: 0 }] = [...cgr.cdrs.values()]
  assert.equal(account.balanceMs, creditMs - usageMs)
  if (reason.includes('balance')) assert.ok(usageMs >= creditMs, `cut off with ${account.balanceMs} ms left`)
  const isLimited = requestType === 'prepaid' && settings.away === 'refuse' && isGatewaySteady
  if (isLimited) assert.ok(account.balanceMs >= -LATE_MS, `${account.balanceMs} ms are owed`)
  await halted(w)
  await w.store.close()
}

test('a billed call is recorded once, costs what it lasted, and is not cut off while there is credit, whatever fails meanwhile', async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const told: string[] = []
    await play(seed, told).catch((error) => {
      throw new Error([`FIRST_SEED=${seed}`, ...told, String(error)].join('\n'))
    })
  }
})
