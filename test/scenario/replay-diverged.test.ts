import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import type { Action } from '../../functions/contract/actions.ts'
import { createInProcessHost } from '../../gateway/invocation/in-process.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** A function is replaced by a version that does something else while calls wait: each call still gets its final answer. */

type Handler = (call: Call) => unknown

const routed = (handler: Handler) => new SipRouter({ onError: () => {} }).invite('/:domain/:user', handler as never)

/** Waits for the phone, and pushes. */
const old: Handler = async (call) => {
  const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
  call.push()
  const phone = await registered
  if (phone) call.fork(phone.contact)
  else call.reply(480)
}

/** The same with something new in its middle. */
const changed: Handler = async (call) => {
  call.halt('30s')
  await old(call)
}

async function redeployed(before: Handler, after: Handler, options: WorldOptions = {}) {
  let sip = routed(before)
  const app = {
    fetch: (request: Request, env?: unknown) => sip.fetch(request, env),
    dispatch: (...args: Parameters<SipRouter['dispatch']>) => sip.dispatch(...args),
  }
  const w = await world({ app, ...options })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  w.ladder.clear()
  const redeploy = () => {
    sip = routed(after)
  }
  return { w, alice, phone, redeploy }
}

async function over(w: World): Promise<void> {
  await w.assertQuiet(400_000)
  assert.deepEqual(w.errors, [])
  await w.stop()
}

interface Entry {
  what: string
  diff?: string[]
}

test('waiting: not asked again, the caller hears 503 with Retry-After, and the timeline shows step by step what differs', async () => {
  const { w, alice, redeploy } = await redeployed(old, changed)
  await alice.invites('bob')
  const detail = () => w.newestCall.timeline as Entry[]
  redeploy()
  const before = w.invocations.length
  await w.advance(25_000)
  assert.equal(w.invocations.length, before + 1)
  assert.equal(alice.finalStatus, 503)
  assert.notEqual(alice.outgoing?.final?.header('Retry-After'), '')
  const told = detail().find(({ what }) => what.includes('replay.diverged'))
  assert.match(told?.what ?? '', /step 1 was wait .* and is now halt/)
  assert.deepEqual(
    told?.diff?.map((line) => line.slice(0, 10)),
    ['+ 1 halt {', '  1 wait {', '  2 push {', '+ 4 reply '],
  )
  await over(w)
})

test('the fallback is the version before: calls that it began, it ends', async () => {
  const clock = new FakeClock()
  const { w, alice, phone, redeploy } = await redeployed(old, changed, {
    clock,
    fallback: createInProcessHost(routed(old), clock),
  })
  await alice.invites('bob')
  redeploy()
  await w.advance(3000)
  await phone.wakes()
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(w.ladder.count('gw -> fallback'), 1)
  await alice.hangsUp()
  await over(w)
})

test('without an answer of the fallback the static actions are performed', async () => {
  const staticActions = [{ action: 'reply', status: 486 }] as Action[]
  const { w, alice, redeploy } = await redeployed(old, changed, { staticActions })
  await alice.invites('bob')
  redeploy()
  await w.advance(25_000)
  assert.equal(alice.finalStatus, 486)
  await over(w)
})

test('a phone rings already: it may still be answered, and if nobody does the caller hears it from Timer C', async () => {
  const ringing: Handler = async (call) => {
    await call.ring('sip:desk@10.0.0.99', { for: '15s' })
    call.reply(480)
  }
  const other: Handler = async (call) => {
    call.push()
    await ringing(call)
  }
  for (const answers of [true, false]) {
    const { w, alice, redeploy } = await redeployed(ringing, other)
    const desk = await w.phone('desk', { address: '10.0.0.99' })
    await alice.invites('bob')
    redeploy()
    await w.advance(16_000)
    assert.equal(alice.finalStatus, 0)
    if (answers) await desk.answers()
    else await w.advance(240_000)
    assert.equal(alice.finalStatus, answers ? 200 : 408)
    if (answers) await alice.hangsUp()
    await over(w)
  }
})

test('halted: it does not stay open for nothing, the caller hears 503', async () => {
  const halted: Handler = async (call) => {
    call.halt('60s')
    await call.wait('a', { key: 'x' }, '10s')
  }
  const { w, alice, redeploy } = await redeployed(halted, async (call) => {
    call.push()
    await halted(call)
  })
  await alice.invites('bob')
  redeploy()
  await w.advance(10_000)
  assert.equal(alice.finalStatus, 503)
  await over(w)
})

test('answered: they talk on', async () => {
  const talking: Handler = async (call) => {
    await call.ring('sip:desk@10.0.0.99', { for: '15s' })
    await call.wait('dtmf', { callId: call.id }, '60s')
    call.hangup()
  }
  const { w, alice, redeploy } = await redeployed(talking, async (call) => {
    call.push()
    await talking(call)
  })
  const desk = await w.phone('desk', { address: '10.0.0.99' })
  await alice.invites('bob')
  await desk.answers()
  assert.equal(alice.finalStatus, 200)
  redeploy()
  await w.advance(61_000)
  assert.equal(w.newestCall.state, 'answered')
  await alice.hangsUp()
  await over(w)
})

test('handler.failed is raised once for a divergence, also when the fallback has answered', async () => {
  for (const withFallback of [true, false]) {
    const clock = new FakeClock()
    const fallback = withFallback ? { fallback: createInProcessHost(routed(old), clock) } : {}
    const { w, alice, redeploy } = await redeployed(old, changed, { clock, ...fallback })
    let told = 0
    const publish = w.store.publish.bind(w.store)
    w.store.publish = (...args: Parameters<typeof publish>) => {
      told += JSON.stringify(args).split('"error":"replay.diverged"').length - 1
      return publish(...args)
    }
    await alice.invites('bob')
    redeploy()
    await w.advance(25_000)
    assert.equal(told, 1)
    await over(w)
  }
})
