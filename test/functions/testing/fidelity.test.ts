import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fork, fromEvent, SipRouter } from 'rouse'
import { createApp } from '../../../functions/examples/app.ts'
import callPickup from '../../../functions/examples/call-pickup.ts'
import dtmfScreening from '../../../functions/examples/dtmf-screening.ts'
import linear from '../../../functions/examples/linear.ts'
import pushWakeUp from '../../../functions/examples/push-wake-up.ts'
import { type Cast, inTheKit, onTheGateway, type Story } from './stages.ts'

/**
 * The testing kit is only as good as it does what the gateway does: each story is told to both, and they must ask the function the same,
 * at the same time, in the same state, and the caller must hear the same.
 */
function sameOnBoth(title: string, sip: SipRouter, cast: Cast, story: Story): void {
  test(`as the gateway does: ${title}`, async () => {
    const gateway = await onTheGateway(sip, cast, story)
    const kit = await inTheKit(sip, cast, story)
    assert.ok(gateway.asked.length > 0)
    assert.deepEqual(kit, gateway)
  })
}

const BOB = 'sip:bob@example.com'
const one: Cast = { phones: { desk: {} } }
const two: Cast = { phones: { desk: {}, tablet: {} } }
const picker: Cast = { phones: { desk: {}, carol: { user: 'carol' } } }
const byQ: Cast = { phones: { desk: { q: 1 }, tablet: { q: 0.5 } } }
const office: Cast = { phones: { desk: {}, phone: { isAsleep: true }, voicemail: { user: 'voicemail' } } }
const sleeper: Cast = { phones: { phone: { isAsleep: true } } }

// functions/examples/linear.ts

sameOnBoth('linear: the desk answers', linear, one, async (s) => {
  await s.invites(BOB)
  await s.advance(5000)
  await s.answers('desk')
  await s.hangsUp()
})

sameOnBoth(
  'linear: the desk declines, 15 s later the phone wakes at another port and answers',
  linear,
  office,
  async (s) => {
    await s.invites(BOB)
    await s.advance(2000)
    await s.fails('desk', 486)
    await s.advance(13_000)
    await s.registers('phone', 5070)
    await s.answers('phone')
    await s.hangsUp()
  },
)

sameOnBoth('linear: the desk is silent, nobody comes, the voicemail answers', linear, office, async (s) => {
  await s.invites(BOB)
  await s.advance(15_000)
  await s.advance(25_000)
  await s.answers('voicemail')
})

sameOnBoth('linear: the caller gives up while the phone is waited for', linear, office, async (s) => {
  await s.invites(BOB)
  await s.advance(20_000)
  await s.cancels()
  await s.registers('phone', 5070)
})

const twice = new SipRouter().invite('/:domain/:user', async (call) => {
  const first = await call.ring(call.contacts.slice(0, 1), { for: '10s' })
  if (first.answered) return
  const second = await call.ring([...call.contacts].reverse(), { for: '10s' })
  if (!second.answered) call.reply(second.status)
})

sameOnBoth(
  'linear: the desk rings in vain, then both ring, the tablet declines and the desk answers',
  twice,
  two,
  async (s) => {
    await s.invites(BOB)
    await s.advance(12_000)
    await s.fails('tablet', 486)
    await s.answers('desk')
    await s.hangsUp()
  },
)

sameOnBoth(
  'linear: the desk rings in vain, then both ring, and the tablet declines everywhere',
  twice,
  two,
  async (s) => {
    await s.invites(BOB)
    await s.advance(12_000)
    await s.fails('tablet', 603)
  },
)

sameOnBoth('linear: nobody is registered', twice, { phones: {} }, async (s) => {
  await s.invites(BOB)
})

// functions/examples/push-wake-up.ts

sameOnBoth('push wake-up: the phone joins the ringing desk and answers', pushWakeUp, office, async (s) => {
  await s.invites(BOB)
  await s.advance(3000)
  await s.registers('phone', 5070)
  await s.answers('phone')
})

sameOnBoth('push wake-up: nobody comes in time, 480', pushWakeUp, sleeper, async (s) => {
  await s.invites(BOB)
  await s.advance(29_999)
  await s.advance(1)
  await s.advance(10_000)
})

sameOnBoth('push wake-up: who wakes and declines ends the wait', pushWakeUp, sleeper, async (s) => {
  await s.invites(BOB)
  await s.advance(4000)
  await s.registers('phone', 5070)
  await s.fails('phone', 486)
})

sameOnBoth('push wake-up: nobody is registered at all', pushWakeUp, { phones: {} }, async (s) => {
  await s.invites(BOB)
  await s.advance(30_000)
})

// functions/examples/dtmf-screening.ts, call-pickup.ts, app.ts

for (const digit of ['2', '3']) {
  sameOnBoth(`screening: the digit ${digit}`, dtmfScreening, one, async (s) => {
    await s.invites(BOB)
    await s.answers('desk')
    await s.advance(2000)
    await s.presses(digit)
  })
}

sameOnBoth('pick-up: the ringing call comes to another phone', callPickup, picker, async (s) => {
  await s.invites(BOB)
  await s.raises('pickup', { aor: BOB, contact: 'sip:carol@10.0.0.21:5060', by: 'sip:carol@example.com' })
  await s.advance(4000)
  await s.fails('carol', 404)
})

sameOnBoth('the default app: a MESSAGE waits for the phone to wake', createApp(), sleeper, async (s) => {
  await s.messages(BOB)
  await s.advance(15_000)
})

sameOnBoth('the default app: a domain that is not ours is 404', createApp(), one, async (s) => {
  await s.invites('sip:bob@elsewhere.test')
})

sameOnBoth('the default app: the linear form, with the desk busy and nobody to wake', createApp(), one, async (s) => {
  await s.invites('sip:*43bob@example.com')
  await s.fails('desk', 486)
  await s.advance(30_000)
})

// Races, and what forks come to

const race = new SipRouter().invite('/:domain/:user', async (call) => {
  const first = await Promise.race([
    call.ring(call.contacts, { for: '20s' }),
    call.wait('pickup', { aor: call.aor }, '20s'),
  ])
  if (first && 'contact' in first) {
    call.cancel({ reason: 'Picked up' })
    call.fork(first.contact)
  } else if (!first?.answered) call.reply(603)
})

sameOnBoth('race: the event comes first', race, picker, async (s) => {
  await s.invites(BOB)
  await s.raises('pickup', { aor: BOB, contact: 'sip:carol@10.0.0.21:5060' })
  await s.advance(2000)
  await s.answers('carol')
})

sameOnBoth('race: the phones say no first', race, picker, async (s) => {
  await s.invites(BOB)
  await s.fails('desk', 486)
  await s.raises('pickup', { aor: BOB, contact: 'sip:carol@10.0.0.21:5060' })
})

sameOnBoth('race: both deadlines at once', race, one, async (s) => {
  await s.invites(BOB)
  await s.advance(20_000)
  await s.advance(1000)
})

const both = new SipRouter().invite('/:domain/:user', async (call) => {
  const [red, blue] = await Promise.all([call.wait('red', {}, '10s'), call.wait('blue', { word: ['a', 'b'] }, '10s')])
  call.annotate({ red: red?.word ?? 'none', blue: blue?.word ?? 'none' })
  call.reply(480)
})

sameOnBoth('all: two events, the later one first, a filter with a list', both, one, async (s) => {
  await s.invites(BOB)
  await s.raises('blue', { word: 'c' })
  await s.raises('blue', { word: 'b' })
  await s.raises('red', { word: 'x' })
})

sameOnBoth('all: one event and one deadline', both, one, async (s) => {
  await s.invites(BOB)
  await s.advance(9999)
  await s.raises('red', { word: 'x' })
  await s.advance(1)
})

const inline = new SipRouter().invite('/:domain/:user', (call) => {
  call.subscribe('contact.registered', { aor: call.aor }, [fork(fromEvent('contact'))], { for: '30s' })
  call.push()
  call.fork(call.contacts, { onFailed: 'failed' })
  call.halt('30s')
})
inline.on('failed', (call, branch: { status: number }) => call.annotate({ failed: branch.status }))

sameOnBoth('an inline reaction forks without any invocation; onFailed is told', inline, office, async (s) => {
  await s.invites(BOB)
  await s.fails('desk', 486)
  await s.registers('phone', 5070)
  await s.fails('phone', 486)
})

const stepwise = new SipRouter().invite('/:domain/:user', (call) =>
  call.fork(call.contacts, { ringFor: '5s', onFailed: 'failed' }),
)
stepwise.on('failed', (call, branch: { status: number }) => call.annotate({ [`failed${branch.status}`]: 'yes' }))

sameOnBoth('by q: the next group after ringFor, then its failure is the answer', stepwise, byQ, async (s) => {
  await s.invites(BOB)
  await s.advance(5000)
  await s.fails('tablet', 404)
})

sameOnBoth('by q: a 603 ends it before the next group', stepwise, byQ, async (s) => {
  await s.invites(BOB)
  await s.fails('desk', 603)
})

const forks = new SipRouter().invite('/:domain/:user', (call) => call.fork(call.contacts, { mode: 'parallel' }))

for (const [first, second] of [
  [486, 503],
  [404, 486],
  [503, 503],
  [500, 408],
  [480, 603],
] as const) {
  sameOnBoth(`the best response of ${first} and ${second} (RFC 3261 16.7)`, forks, two, async (s) => {
    await s.invites(BOB)
    await s.fails('desk', first)
    await s.fails('tablet', second)
  })
}

sameOnBoth('one answers, the other is cancelled', forks, two, async (s) => {
  await s.invites(BOB)
  await s.answers('tablet')
  await s.hangsUp()
})

const durable = new SipRouter().invite('/:domain/:user', async (call) => {
  call.context.tries = 1
  call.subscribe('again', {}, 'again', { until: 'ended', name: 'again' })
  const contacts = await call.lookup('sip:carol@example.com')
  const ticket = await call.run('ticket', () => 'ticket-1')
  const ring = await call.ring(contacts, { for: '8s' })
  call.annotate({ ticket, ring: ring.status, tries: call.context.tries as number })
  if (!ring.answered) call.hangup('nobody', { status: 487 })
})
durable.on('again', async (call) => {
  call.context.tries = Number(call.context.tries) + 1
  const done = await call.wait('done', {}, '3s')
  call.annotate({ done: done !== null })
})
durable.onCancel((call) => call.publish('gave-up', { from: call.from.aor }))
const carol: Cast = { phones: { mobile: { user: 'carol' } } }

sameOnBoth('lookup, run, ring, a named handler that waits, a shared context', durable, carol, async (s) => {
  await s.invites(BOB)
  await s.raises('again', {})
  await s.advance(1000)
  await s.raises('done', {})
  await s.raises('again', {})
  await s.advance(7000)
})

sameOnBoth('a subscription that lives on when the call is answered', durable, carol, async (s) => {
  await s.invites(BOB)
  await s.answers('mobile')
  await s.raises('again', {})
  await s.advance(3000)
  await s.hangsUp()
  await s.raises('again', {})
})

sameOnBoth('the caller gives up, and onCancel is told', durable, carol, async (s) => {
  await s.invites(BOB)
  await s.cancels()
  await s.raises('again', {})
})
