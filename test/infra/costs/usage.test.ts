import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import type { Store } from '../../../functions/store/store.ts'
import { USAGES, type Usage } from '../../../infra/costs/usage.ts'
import { redisCounters } from '../../bench/redis-counters.ts'
import { redisSubject } from '../../conformance/redis-subject.ts'
import { absent } from '../../peers.ts'
import { sleepingPhone } from '../../scenario/cast.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { startRedis, type TestRedis } from '../../support/redis-server.ts'
import { type World, world } from '../../support/world.ts'

/**
 * The calls of the page about costs, counted: each is played in virtual time, then what its gateway asked of the store is asked of a real
 * Redis, which counts its commands.
 */

const REDIS_PORT = 27_320
/** What does not come with a call, since the gateway asks it once or by the clock, or is nothing to Redis. */
const NOT_OF_A_CALL = [
  'inbox',
  'close',
  'leases',
  'lastSeen',
  'suspended',
  'expire',
  'refreshDue',
  'registrations',
  'settle',
]

type Asked = { method: keyof Store; args: unknown[]; answer?: unknown }

const routed = (handler: (call: Call) => unknown) =>
  new SipRouter().invite('/:domain/:user', handler as (call: unknown) => Promise<void>)

const plain = routed((call) => call.fork(call.contacts))

function halted(reaction: 'late' | object[]): SipRouter {
  const app = routed((call) => {
    call.subscribe('contact.registered', { aor: call.aor }, reaction as never, { for: '30s' })
    call.push()
    call.fork(call.contacts)
    call.halt('30s')
  })
  return app.on('late', (call, event) => call.fork(event.contact))
}

const linear = routed(async (call) => {
  const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
  call.push()
  const phone = await registered
  if (phone) call.fork(phone.contact)
  else call.reply(480)
})

const APPS: [SipRouter, 'awake' | 'asleep'][] = [
  [plain, 'awake'],
  [halted([{ action: 'fork', targets: [{ fromEvent: 'contact' }] }]), 'asleep'],
  [halted('late'), 'asleep'],
  [linear, 'asleep'],
]

/** Remembers what is asked of a store. */
function remembering(asked: Asked[]) {
  return (store: Store) =>
    new Proxy(store, {
      get(target, method: keyof Store) {
        const value = target[method]
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          const answer = (value as (...args: unknown[]) => unknown).apply(target, args)
          if (NOT_OF_A_CALL.includes(method)) return answer
          const each: Asked = { method, args: structuredClone(args) }
          asked.push(each)
          return Promise.resolve(answer).then((settled) => {
            each.answer = settled
            return settled
          })
        }
      },
    })
}

/** @returns what was asked before the call, and by it */
async function played(
  app: SipRouter,
  phone: 'awake' | 'asleep',
): Promise<{ before: Asked[]; during: Asked[]; w: World }> {
  const asked: Asked[] = []
  const w = await world({ app, clock: new FakeClock(Date.now()), link: remembering(asked) })
  const alice = await w.phone('alice')
  const bob =
    phone === 'asleep'
      ? await sleepingPhone(w, 'phone', { user: 'bob' })
      : await w.phone('phone', { user: 'bob', instance: 'urn:uuid:phone' })
  if (phone === 'awake') await bob.registers()
  const before = asked.splice(0)
  await alice.invites('bob')
  await w.advance(8000)
  if (phone === 'asleep') await bob.wakes()
  await w.advance(1000)
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await w.advance(60_000)
  await alice.hangsUp()
  await w.assertQuiet(300_000)
  return { before, during: asked, w }
}

/** How many commands a Redis does for it. */
async function commandsOf(redis: TestRedis, before: Asked[], during: Asked[]): Promise<number> {
  // Once for nothing: scripts are loaded when they are first asked for.
  await replayed(redis, before, during)
  return replayed(redis, before, during)
}

/** Asks a store with nothing in it, and expects the answers that the gateway was given. */
async function replayed(redis: TestRedis, before: Asked[], during: Asked[]): Promise<number> {
  const { store, close } = redisSubject(redis.url)
  const replay = async (asked: Asked[]) => {
    for (const { method, args, answer } of asked) {
      const own = await (store[method] as (...args: unknown[]) => unknown).apply(store, args)
      if (typeof answer === 'boolean') assert.equal(own, answer, method)
    }
  }
  try {
    await replay(before)
    const at = await redisCounters(redis.url)
    await replay(during)
    const now = await redisCounters(redis.url)
    return now.commands - at.commands
  } finally {
    await close()
  }
}

test('calls ask functions, Redis and push as often as the page about costs says', {
  skip: absent('redis-server'),
}, async (t) => {
  const redis = await startRedis({ port: REDIS_PORT })
  t.after(() => redis.stop())
  const measured: Usage[] = []
  for (const [index, [app, phone]] of APPS.entries()) {
    const { before, during, w } = await played(app, phone)
    const commands = await commandsOf(redis, before, during)
    const { invocations, pushes } = w
    measured.push({
      call: USAGES[index]!.call,
      invocations: invocations.length,
      requests: during.length,
      commands,
      pushes: pushes.length,
    })
    await w.stop()
  }
  assert.deepEqual(measured, USAGES)
})
