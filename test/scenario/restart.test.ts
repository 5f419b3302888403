import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import type { RouseEvent } from '../../functions/contract/events.ts'
import linear from '../../functions/examples/linear.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** A gateway is killed and started anew under its own id: what was suspended goes on, and nobody outside notices. */

/** Waits for the callee's phone and rings it; says what it saw when none comes. */
const waiting = routed(async (call) => {
  const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
  call.push()
  const phone = await registered
  if (phone) call.fork(phone.contact)
  else call.reply(480, 'Nobody came')
})

function routed(handler: (call: Call) => unknown): SipRouter {
  return new SipRouter().invite('/:domain/:user', handler as (call: unknown) => Promise<void>)
}

async function started(app: SipRouter, options: WorldOptions = {}) {
  const w = await world({ app, ...options })
  const alice = await w.phone('alice')
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  w.ladder.clear()
  return { w, alice, phone }
}

/** bob's desk and mobile are awake. */
async function twoPhones(app: SipRouter, options: WorldOptions = {}) {
  const w = await world({ app, ...options })
  const alice = await w.phone('alice')
  const desk = await w.phone('desk', { user: 'bob', instance: 'urn:uuid:desk' })
  const mobile = await w.phone('mobile', { user: 'bob', instance: 'urn:uuid:mobile' })
  await desk.registers()
  await mobile.registers()
  w.ladder.clear()
  return { w, alice, desk, mobile }
}

/** What rings now may be joined by whoever registers later. */
const halted = routed((call) => {
  call.fork(call.contacts)
  call.halt('60s')
})

async function end(w: World): Promise<void> {
  await w.assertQuiet()
  assert.deepEqual(w.errors, [])
  assert.equal(w.counters.get('bugs'), 0)
  await w.stop()
}

test('a call that waits for a phone goes on after a restart: the phone registers, rings, answers, and is talked to', async () => {
  const { w, alice, phone } = await started(waiting)
  await alice.invites('bob')
  await w.advance(4000)
  await w.restart()
  assert.equal(w.counters.get('resumed calls'), 1)
  assert.equal(w.newestCall.state, 'suspended')
  await w.advance(1000)
  await phone.wakes()
  await w.advance(2000)
  await phone.answers()
  await alice.hangsUp()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> push urn:uuid:phone
    0 gw -> alice 182
    4000 gw -> alice 100
    5000 phone -> gw REGISTER
    5000 gw -> phone 200 REGISTER
    5000 gw -> function /invite/example.com/bob wait.resumed
    5000 gw -> phone INVITE bob
    5000 phone -> gw 180
    5000 gw -> alice 180
    7000 phone -> gw 200 INVITE
    7000 gw -> alice 200 INVITE
    7000 alice -> gw ACK
    7000 gw -> phone ACK
    7000 alice -> gw BYE
    7000 gw -> phone BYE
    7000 phone -> gw 200 BYE
    7000 gw -> alice 200 BYE
  `)
  await end(w)
})

test('a linear handler comes back to where it was: its journal survives, and nothing is pushed twice', async () => {
  const { w, alice, phone } = await started(linear)
  const desk = await w.phone('desk', { user: 'bob', instance: 'urn:uuid:desk' })
  await desk.registers()
  w.ladder.clear()
  await alice.invites('bob')
  await w.advance(5000)
  await w.restart()
  await w.advance(13_000)
  await w.restart()
  await phone.wakes()
  await phone.answers()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 100
    0 gw -> desk INVITE bob
    0 desk -> gw 180
    0 gw -> alice 180
    15000 gw -> function /invite/example.com/bob wait.timed_out
    15000 gw -> desk CANCEL
    15000 desk -> gw 200 CANCEL
    15000 desk -> gw 487 INVITE
    15000 gw -> push urn:uuid:phone
    15000 gw -> desk ACK
    18000 phone -> gw REGISTER
    18000 gw -> phone 200 REGISTER
    18000 gw -> function /invite/example.com/bob wait.resumed
    18000 gw -> phone INVITE bob
    18000 phone -> gw 180
    18000 gw -> alice 180
    18000 phone -> gw 200 INVITE
    18000 gw -> alice 200 INVITE
    18000 alice -> gw ACK
    18000 gw -> phone ACK
  `)
  await alice.hangsUp()
  await end(w)
})

test('phones that ring at the kill ring on: the 200 of one reaches the caller, the other is cancelled, no INVITE goes out twice', async () => {
  const { w, alice, desk, mobile } = await twoPhones(halted)
  await alice.invites('bob')
  await w.advance(3000)
  await w.restart()
  w.ladder.clear()
  await w.advance(2000)
  await mobile.answers()
  w.ladder.assert(`
    5000 mobile -> gw 200 INVITE
    5000 gw -> alice 200 INVITE
    5000 alice -> gw ACK
    5000 gw -> desk CANCEL
    5000 desk -> gw 200 CANCEL
    5000 desk -> gw 487 INVITE
    5000 gw -> mobile ACK
    5000 gw -> desk ACK
  `)
  assert.equal(desk.incoming.length, 1)
  await alice.hangsUp()
  await end(w)
})

test('a phone answers while the gateway is away: it repeats its 200, and the repeat reaches the caller', async () => {
  const { w, alice, mobile } = await twoPhones(halted)
  await alice.invites('bob')
  await w.kill()
  await mobile.answers()
  await w.advance(1000)
  await w.restart()
  mobile.respond(mobile.incoming[0]!.invite, 200, { tag: mobile.incoming[0]!.tag })
  await w.advance(0)
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(w)
})

test('a call that only rings, and waits for nothing, rings on and is answered after a kill; one that ends sooner is never written', async () => {
  const plain = routed((call) => call.fork(call.contacts))
  const { w, alice, desk, mobile } = await twoPhones(plain, { gateway: { cluster: { pool: 'east' } } })
  await alice.invites('bob')
  await w.advance(499)
  await alice.cancels()
  await w.advance(1000)
  assert.deepEqual(w.writes, { suspend: 0, resume: 0, release: 0 })
  await alice.invites('bob')
  await w.advance(500)
  assert.equal(w.writes.suspend, 1)
  await w.kill()
  await w.advance(2000)
  await w.start()
  await w.advance(1000)
  await mobile.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(desk.incoming.at(-1)!.state, 'ended')
  assert.equal(mobile.incoming.length, 2)
  await alice.hangsUp()
  await end(w)
})

test('a phone that has not answered at all before the kill is sent the same INVITE again, and rings once (RFC 3261 17.1.1.2)', async () => {
  const { w, alice, desk, mobile } = await twoPhones(halted)
  const sent: string[] = []
  w.network.onDatagram((_, to, octets) => {
    const text = Buffer.from(octets).toString('latin1')
    if (to.address !== desk.options.address || !text.startsWith('INVITE')) return false
    return sent.push(text) < 4
  })
  await alice.invites('bob')
  await w.advance(700)
  await w.kill()
  await w.advance(2000)
  w.ladder.clear()
  await w.restart()
  await w.advance(500)
  w.ladder.assert(`
    3200 gw -> desk INVITE bob
    3200 desk -> gw 180
    3200 gw -> alice 180
  `)
  assert.deepEqual(sent, Array(4).fill(sent[0]))
  assert.equal(mobile.incoming.length, 1)
  await desk.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(w)
})

test('a phone that has not answered at all is given up when its time has passed, also while the gateway was away (timer B)', async () => {
  const { w, alice } = await started(
    routed((call) => {
      call.fork('sip:bob@10.0.0.77')
      call.halt('20s')
    }),
  )
  await alice.invites('bob')
  await w.advance(10_000)
  await w.restart()
  await w.advance(9000)
  await w.kill()
  await w.advance(20_000)
  w.ladder.clear()
  await w.restart()
  await w.advance(1000)
  assert.equal(w.ladder.text().includes('INVITE bob'), false)
  assert.equal(alice.finalStatus, 480)
  await end(w)
})

test('the caller repeats the INVITE during the restart and after it: it is absorbed, and the function is not asked again (RFC 3261 17.2.1)', async () => {
  const { w, alice } = await twoPhones(halted)
  await alice.invites('bob')
  await w.kill()
  await alice.retransmits()
  await w.restart()
  w.ladder.clear()
  await alice.retransmits()
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> alice 180
  `)
  assert.equal(w.invocations.length, 1)
  assert.deepEqual(
    alice.received.filter(({ status }) => status === 180).map((ringing) => ringing.header('To')),
    Array(3)
      .fill(alice.received.findLast(({ status }) => status === 180)!.header('To'))
      .with(0, alice.received[1]!.header('To')),
  )
  await alice.cancels()
  await end(w)
})

test('CANCEL after a restart: 200, 487, and what rings is cancelled (RFC 3261 9.2, 16.10)', async () => {
  const { w, alice } = await twoPhones(halted)
  await alice.invites('bob')
  await w.restart()
  w.ladder.clear()
  await alice.cancels([['Reason', 'SIP;cause=600']])
  w.ladder.assert(`
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
    0 gw -> desk CANCEL
    0 desk -> gw 200 CANCEL
    0 desk -> gw 487 INVITE
    0 gw -> mobile CANCEL
    0 mobile -> gw 200 CANCEL
    0 mobile -> gw 487 INVITE
    0 gw -> desk ACK
    0 gw -> mobile ACK
    0 gw -> alice 487 INVITE
    0 alice -> gw ACK
  `)
  await end(w)
})

test('CANCEL of a call that waits, after a restart: 487 at once, and the late phone does not ring', async () => {
  const { w, alice, phone } = await started(waiting)
  await alice.invites('bob')
  await w.restart()
  await alice.cancels()
  assert.equal(alice.finalStatus, 487)
  await phone.wakes()
  assert.equal(phone.incoming.length, 0)
  await end(w)
})

test('a branch whose CANCEL was under way at the kill is cancelled once more, and its 487 ends the call', async () => {
  const { w, alice, mobile, desk } = await twoPhones(halted)
  await alice.invites('bob')
  const lost = (to: { port: number; address: string }) => to.address === desk.options.address
  w.network.onDatagram((_, to, octets) => lost(to) && Buffer.from(octets).toString('latin1').startsWith('CANCEL'))
  await alice.cancels()
  assert.equal(mobile.incoming[0]?.state, 'ended')
  assert.equal(desk.incoming[0]?.state, 'ringing')
  w.network.onDatagram(() => false)
  await w.restart()
  assert.equal(desk.incoming[0]?.state, 'ended')
  assert.equal(alice.finalStatus, 487)
  await end(w)
})

test('the failure that was heard before the restart is the answer of the call after it, word for word (RFC 3261 16.7 step 6)', async () => {
  const { w, alice, mobile, desk } = await twoPhones(halted)
  await alice.invites('bob')
  await mobile.declines(486)
  const busy = mobile.sent.findLast(({ status }) => status === 486)!
  await w.restart()
  await desk.declines(404)
  await w.advance(60_000)
  assert.equal(alice.finalStatus, 486)
  assert.equal(alice.outgoing?.final?.header('To'), busy.header('To'))
  await end(w)
})

test('targets that were still to be tried are tried after the restart, and the time of those that ring goes on', async () => {
  const sequential = routed((call) => {
    call.fork(call.contacts, { mode: 'sequential', ringFor: '10s' })
    call.halt('60s')
  })
  const { w, alice, mobile, desk } = await twoPhones(sequential)
  await alice.invites('bob')
  await w.advance(4000)
  const [first, second] = mobile.incoming.length > 0 ? [mobile, desk] : [desk, mobile]
  await w.restart()
  await w.advance(5999)
  assert.equal(second.incoming.length, 0)
  await w.advance(1)
  assert.equal(first.incoming[0]?.state, 'ended')
  await w.restart()
  await second.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(w)
})

test('the halt has what is left of its time', async () => {
  const { w, alice } = await started(routed((call) => call.halt('30s')))
  await alice.invites('bob')
  await w.advance(10_000)
  await w.restart()
  await w.advance(19_999)
  assert.equal(alice.finalStatus, 0)
  await w.advance(1)
  assert.equal(alice.finalStatus, 480)
  await end(w)
})

test('a MESSAGE to a sleeping phone is delivered after a restart, and let go when its sender has given up (RFC 4320)', async () => {
  for (const awayMs of [3000, 40_000]) {
    const app = new SipRouter().message('/:domain/:user', async (call) => {
      const phone = await call.wait('contact.registered', { aor: call.aor }, '20s')
      if (phone) call.fork(phone.contact)
    })
    const { w, alice, phone } = await started(app)
    await alice.messages('bob', 'hello')
    await w.kill()
    await w.advance(awayMs)
    await w.restart()
    await phone.wakes()
    assert.equal(phone.received.filter(({ method }) => method === 'MESSAGE').length > 0, awayMs === 3000)
    assert.equal(w.counters.get('resumed calls'), awayMs === 3000 ? 1 : 0)
    await end(w)
  }
})

test('a caller on TCP, whose connection went with the gateway, is answered over a new one (RFC 3261 18.2.2)', async () => {
  const { w, phone } = await started(waiting)
  const carol = await w.phone('carol', { transport: 'tcp' })
  let heard = ''
  const events = {
    opened() {},
    receive(octets: Uint8Array) {
      heard += Buffer.from(octets).toString('latin1')
    },
    closed() {},
  }
  await w.network.listen({ address: carol.options.address, port: carol.port }, () => events)
  await carol.invites('bob')
  await w.restart()
  await phone.wakes()
  await phone.answers()
  assert.deepEqual(
    [...heard.matchAll(/^SIP\/2.0 \d+/gm)].map(([line]) => line),
    ['SIP/2.0 100', 'SIP/2.0 182', 'SIP/2.0 180', 'SIP/2.0 200'],
  )
  await phone.hangsUp()
  await end(w)
})

test('a gateway that is stopped waits for every event that it has raised, not for the last one alone', async () => {
  const slow = Promise.withResolvers<void>()
  const kept: string[] = []
  const link: WorldOptions['link'] = (store) =>
    new Proxy(store, {
      get: (_, name: keyof typeof store) => {
        if (name !== 'publish') return store[name]
        return async (events: RouseEvent[]) => {
          if (events.some(({ type }) => type === 'asked')) await slow.promise
          await store.publish(events)
          kept.push(...events.map(({ type }) => type))
        }
      },
    })
  const app = routed((call) => {
    call.publish('asked')
    call.reply(486)
  })
  const w = await world({ app, link })
  const alice = await w.phone('alice')
  await alice.invites('bob')
  let isStopped = false
  const stopped = w.gateway.stop().then(() => {
    isStopped = true
  })
  await w.advance(100)
  assert.deepEqual([isStopped, kept.includes('cdr.created')], [false, true])
  slow.resolve()
  await stopped
  assert.ok(kept.includes('asked'))
})

test('a gateway that is stopped leaves its suspended calls to the next one, branches over connections included', async () => {
  const { w, alice, desk } = await twoPhones(halted)
  const carol = await w.phone('carol', { user: 'bob', transport: 'tcp', rings: false, instance: 'urn:uuid:carol' })
  await carol.registers()
  await alice.invites('bob')
  assert.equal(carol.incoming.length, 1)
  await w.gateway.stop()
  await w.restart()
  assert.equal(w.counters.get('resumed calls'), 1)
  await desk.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(w)
})

test('a thousand calls that wait are taken up at once, and all of them go on', async () => {
  const app = routed(async (call) => call.reply((await call.wait('word', {}, '60s')) ? 486 : 480))
  const { w, alice } = await started(app, { hides: () => true })
  await Promise.all(Array.from({ length: 1000 }, () => alice.invites('bob')))
  const before = performance.now()
  await w.restart()
  assert.ok(performance.now() - before < 2000)
  assert.equal(w.counters.get('resumed calls'), 1000)
  assert.equal(w.gateway.counts().calls, 1000)
  assert.equal(await w.publish('word', {}), 1000)
  await w.advance(1000)
  const answered = alice.received.filter(({ status }) => status === 486)
  assert.equal(new Set(answered.map((response) => response.header('Call-ID'))).size, 1000)
  await end(w)
})

test('who was pushed for a call that is over is told so also by the process that comes next, and by one that was not there when it was pushed', async () => {
  const push: NonNullable<WorldOptions['push']> = ({ purpose }) => ({
    outcome: purpose === 'cancel' ? 'unsupported' : 'accepted',
  })
  for (const order of ['pushed, restarted, cancelled', 'pushed, cancelled, restarted']) {
    const { w, alice, phone } = await started(waiting, { push })
    await alice.invites('bob')
    await w.advance(4000)
    if (order.endsWith('cancelled')) await w.restart()
    await alice.cancels()
    await w.advance(1000)
    if (order.endsWith('restarted')) await w.restart()
    assert.deepEqual(
      w.pushes.map(({ purpose, reason }) => reason ?? purpose),
      ['call', 'caller_gone'],
      order,
    )
    w.ladder.clear()
    await phone.wakes()
    await w.advance(100)
    assert.deepEqual([w.ladder.count('gw -> phone INVITE'), w.ladder.count('gw -> phone CANCEL')], [1, 1], order)
    await end(w)
  }
})

test('a push that is due is sent by the process that comes next, once', async () => {
  const { w, alice } = await started(
    routed(async (call) => {
      const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
      call.push(call.aor, {}, { skipIfRingingWithin: '3s' })
      await registered
    }),
  )
  await alice.invites('bob')
  await w.advance(1000)
  await w.restart()
  assert.equal(w.pushes.length, 0)
  await w.advance(5000)
  assert.equal(w.pushes.length, 1)
  await alice.cancels()
  await end(w)
})

test('what was to be told of a call that is over, and cannot be read, is released and holds nobody up', async () => {
  const { w, alice, phone } = await started(waiting)
  const about = { gateway: 'gw', rev: 1, callId: 'over', expiresAt: w.clock.now() + 60_000 }
  for (const [index, state] of ['{', '{}'].entries()) {
    const transaction = { id: `farewell-${index}`, ...about, state }
    await w.store.suspend({ transaction, add: [], drop: [], since: '0' })
  }
  await alice.invites('bob')
  await w.restart()
  await phone.wakes()
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await end(w)
})
