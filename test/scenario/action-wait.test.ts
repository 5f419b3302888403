import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, type CallEvent, SipRouter } from 'rouse'
import type { Invocation } from '../../functions/contract/envelope.ts'
import { type WorldOptions, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** wait, subscribe, unsubscribe, lookup, publish; and the SDK's durable verbs over them. */

async function started(app: SipRouter, options: WorldOptions = {}) {
  const w = await world({ app, ...options })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  w.ladder.clear()
  return { w, alice, bob }
}

/** Waits for what `conditions` say and tells the caller in the reason of a 480 what came. */
function telling(wait: (call: Call) => Promise<CallEvent | null>): SipRouter {
  return new SipRouter().invite('/:domain/:user', async (call) => {
    const event = await wait(call)
    call.reply(480, event ? `${event.type} ${event.word ?? event.answered}` : 'nothing came')
  })
}

test('wait any of: the first of several events resumes the call, the others do nothing any more', async () => {
  const app = telling((call) => call.wait([{ event: 'red', filter: { word: ['a', 'b'] } }, { event: 'blue.*' }], '10s'))
  const { w, alice } = await started(app)
  await alice.invites('bob')
  assert.equal(await w.publish('red', { word: 'c' }), 0)
  assert.equal(await w.publish('blue.sky', { word: 'x' }), 1)
  assert.equal(alice.outgoing?.final?.start, 'SIP/2.0 480 blue.sky x')
  assert.equal(await w.publish('red', { word: 'a' }), 0)
  await w.assertQuiet()
  await w.stop()
})

test('wait any of: an event or the outcome of a fork, whichever comes first', async () => {
  for (const first of ['the fork', 'the event'] as const) {
    const app = telling((call) => {
      call.fork(call.contacts, { id: 'desk' })
      return call.wait([{ fork: 'desk' }, { event: 'word' }], '10s')
    })
    const { w, alice, bob } = await started(app)
    await alice.invites('bob')
    if (first === 'the fork') await bob.declines(486)
    else await w.publish('word', { word: 'stop' })
    assert.equal(
      alice.outgoing?.final?.start,
      first === 'the fork' ? 'SIP/2.0 480 fork false' : 'SIP/2.0 480 word stop',
    )
    assert.ok(!bob.incoming.some(({ state }) => state === 'ringing'))
    await w.assertQuiet()
    await w.stop()
  }
})

test('wait: the deadline is exact, and nothing comes of an event in the same wait afterwards', async () => {
  const app = telling((call) => call.wait('word', {}, '10s'))
  const { w, alice } = await started(app)
  await alice.invites('bob')
  await w.advance(9999)
  assert.equal(alice.finalStatus, 0)
  await w.advance(1)
  assert.equal(alice.outgoing?.final?.start, 'SIP/2.0 480 nothing came')
  assert.equal(await w.publish('word', { word: 'late' }), 0)
  await w.assertQuiet()
  await w.stop()
})

test('a call that waits can be seen with what it waits for', async () => {
  const app = new SipRouter().invite('/:domain/:user', async (call) => {
    call.subscribe('pickup', { aor: call.aor }, 'never')
    await call.wait([{ event: 'red' }, { event: 'blue.*' }], '10s')
  })
  app.on('never', () => {})
  const { w, alice } = await started(app)
  await alice.invites('bob')
  assert.equal(w.newestCall.state, 'suspended')
  const waiting = w.newestCall.waiting as Record<string, unknown>[]
  assert.deepEqual(
    waiting.map(({ wait, events }) => [wait, events]).filter(([wait]) => wait),
    [['wait-1', ['red', 'blue.*']]],
  )
  assert.ok(waiting.some(({ event, handler }) => event === 'pickup' && handler === 'never'))
  await alice.cancels()
  await w.assertQuiet()
  await w.stop()
})

test('Promise.race of two waits: the first settles, the other is ended with the call', async () => {
  const app = telling((call) => Promise.race([call.wait('red', {}, '10s'), call.wait('blue', {}, '20s')]))
  const { w, alice } = await started(app)
  await alice.invites('bob')
  await w.publish('blue', { word: 'won' })
  assert.equal(alice.outgoing?.final?.start, 'SIP/2.0 480 blue won')
  await w.assertQuiet()
  await w.stop()
})

test('Promise.race of a ring and a wait: the phone that wakes meanwhile is rung beside the desk', async () => {
  const app = new SipRouter().invite('/:domain/:user', async (call) => {
    const woken = call.wait('contact.registered', { aor: call.aor }, '20s')
    const desk = call.ring(call.contacts, { for: '20s' })
    call.push()
    const first = await Promise.race([woken.then((event) => event ?? undefined), desk.then(() => undefined)])
    if (first) call.fork(first.contact)
  })
  const { w, alice, bob } = await started(app)
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  await alice.invites('bob')
  await w.advance(3000)
  await phone.wakes()
  assert.equal(bob.ringing.state, 'ringing')
  await phone.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(bob.incoming[0]?.state, 'ended')
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('Promise.all of two waits: both have to come, in either order', async () => {
  const app = new SipRouter().invite('/:domain/:user', async (call) => {
    const [red, blue] = await Promise.all([call.wait('red', {}, '10s'), call.wait('blue', {}, '10s')])
    call.reply(480, `${red?.word} ${blue?.word}`)
  })
  const { w, alice } = await started(app)
  await alice.invites('bob')
  await w.publish('blue', { word: 'second' })
  assert.equal(alice.finalStatus, 0)
  await w.publish('red', { word: 'first' })
  assert.equal(alice.outgoing?.final?.start, 'SIP/2.0 480 first second')
  await w.assertQuiet()
  await w.stop()
})

test('a named handler waits as well: it is resumed itself, and the route is not run again', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('ask', { call: call.id }, 'asked')
    call.fork(call.contacts)
  })
  app.on('asked', async (call) => {
    const yes = await call.wait('confirmed', { call: call.id }, '5s')
    if (yes) call.hangup('confirmed', { status: 488 })
  })
  const { w, alice } = await started(app)
  await alice.invites('bob')
  const call = alice.outgoing!.invite.header('Call-ID')
  await w.publish('ask', { call })
  await w.advance(1000)
  await w.publish('confirmed', { call })
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> alice 100
    0 gw -> bob INVITE bob
    0 bob -> gw 180
    0 gw -> alice 180
    0 gw -> function /on/asked subscription.matched
    1000 gw -> function /on/asked wait.resumed
    1000 gw -> alice 488 INVITE
    1000 alice -> gw ACK
    1000 gw -> bob CANCEL
    1000 bob -> gw 200 CANCEL
    1000 bob -> gw 487 INVITE
    1000 gw -> bob ACK
  `)
  await w.assertQuiet()
  await w.stop()
})

test('call.run does its work once, whatever is awaited after it', async () => {
  let runs = 0
  const app = new SipRouter().invite('/:domain/:user', async (call) => {
    const ticket = await call.run('ticket', async () => `ticket-${++runs}`)
    await call.wait('red', {}, '10s')
    const contacts = await call.lookup('sip:bob@example.com')
    call.reply(480, `${ticket} ${contacts.length}`)
  })
  const { w, alice } = await started(app)
  await alice.invites('bob')
  await w.publish('red', {})
  await w.advance(0)
  assert.equal(alice.outgoing?.final?.start, 'SIP/2.0 480 ticket-1 1')
  assert.equal(runs, 1)
  await w.assertQuiet()
  await w.stop()
})

test('lookup: the contacts of another AOR, to be rung; of nobody, an empty list', async () => {
  const app = new SipRouter().invite('/:domain/:user', async (call) => {
    const nobody = await call.lookup('sip:nobody@example.com')
    const contacts = await call.lookup('sip:bob@example.com')
    if (nobody.length === 0) call.fork(contacts.map(({ uri }) => ({ uri, aor: 'sip:bob@example.com' })))
  })
  const { w, alice, bob } = await started(app)
  await alice.invites('support')
  await w.advance(0)
  assert.equal(bob.ringing.invite.uri, bob.shownContact)
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})

test('unsubscribe: by name, the others stay; without a name, all', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('red', {}, 'seen', { name: 'red' })
    call.subscribe('blue', {}, 'seen', { name: 'blue' })
    call.subscribe('order', {}, 'order')
    call.fork(call.contacts)
  })
  app.on('seen', (call, event) => call.annotate({ [event.type]: 'seen' }))
  app.on('order', (call, event) => call.unsubscribe(event.which || undefined))
  const { w, alice } = await started(app)
  await alice.invites('bob')
  await w.publish('order', { which: 'red' })
  assert.equal(await w.publish('red', {}), 0)
  assert.equal(await w.publish('blue', {}), 1)
  await w.publish('order', { which: '' })
  assert.equal(await w.publish('blue', {}), 0)
  assert.equal(await w.publish('order', {}), 0)
  assert.deepEqual(w.newestCall.annotations, { blue: 'seen' })
  await alice.cancels()
  await w.assertQuiet()
  await w.stop()
})

test('subscribe: a subscription with `for` ends at its time, and one of the same name replaces the earlier', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('red', { word: 'a' }, 'seen', { name: 'one' })
    call.fork(call.contacts)
  })
  app.on('seen', (call) => call.subscribe('red', { word: 'b' }, 'seen', { name: 'one', for: '5s' }))
  const { w, alice } = await started(app)
  await alice.invites('bob')
  assert.equal(await w.publish('red', { word: 'b' }), 0)
  assert.equal(await w.publish('red', { word: 'a' }), 1)
  assert.equal(await w.publish('red', { word: 'a' }), 0)
  await w.advance(4999)
  assert.equal(await w.publish('red', { word: 'b' }), 1)
  await w.advance(5001)
  assert.equal(await w.publish('red', { word: 'b' }), 0)
  await alice.cancels()
  await w.assertQuiet()
  await w.stop()
})

test('subscribe: of two of the same name in one answer only the later is stored', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('red', { word: 'a' }, 'seen', { name: 'one' })
    call.subscribe('red', { word: 'b' }, 'seen', { name: 'one' })
    call.fork(call.contacts)
  })
  app.on('seen', (call, event) => call.annotate({ [event.word]: 'seen' }))
  const { w, alice } = await started(app)
  await alice.invites('bob')
  const matched = [await w.publish('red', { word: 'a' }), await w.publish('red', { word: 'b' })]
  assert.deepEqual(w.newestCall.annotations, { b: 'seen' })
  await alice.cancels()
  await w.assertQuiet()
  await w.stop()
  assert.deepEqual(matched, [0, 1])
})

test('subscribe: what is for the ringing call ends with the answer, dtmf and call.* live until the call has ended', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('red', {}, 'seen')
    call.subscribe('blue', {}, 'seen', { until: 'ended' })
    call.subscribe('call.held', { callId: call.id }, 'seen')
    call.fork(call.contacts)
  })
  app.on('seen', () => {})
  const { w, alice, bob } = await started(app)
  await alice.invites('bob')
  const callId = alice.outgoing!.invite.header('Call-ID')
  assert.deepEqual([await w.publish('red', {}), await w.publish('blue', {})], [1, 1])
  await bob.answers()
  assert.deepEqual([await w.publish('red', {}), await w.publish('blue', {})], [0, 1])
  assert.equal(await w.publish('call.held', { callId }), 1)
  await alice.hangsUp()
  assert.deepEqual([await w.publish('blue', {}), await w.publish('call.held', { callId })], [0, 0])
  await w.assertQuiet()
  await w.stop()
})

test('publish: what one call publishes another one hears, attributes and all', async () => {
  const app = new SipRouter()
  app.invite('/:domain/operator', async (call) => {
    const event = await call.wait('queue.call', { skill: 'billing' }, '30s')
    call.reply(480, `for ${event?.by} ${event?.position}`)
  })
  app.invite('/:domain/:user', (call) => {
    call.publish('queue.call', { skill: 'billing', by: call.from.aor, position: 3 })
    call.reply(486)
  })
  const { w, alice, bob } = await started(app)
  await alice.invites('operator')
  await bob.invites('billing')
  assert.equal(alice.outgoing?.final?.start, 'SIP/2.0 480 for sip:bob@example.com 3')
  assert.equal(bob.finalStatus, 486)
  await w.assertQuiet()
  await w.stop()
})

test('a subscription to an attribute the event does not have is refused, and the caller hears 503 (strict filters)', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.subscribe('contact.registered', { user: 'bob' }, [{ action: 'hangup' }])
    call.fork(call.contacts)
  })
  const { w, alice } = await started(app)
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 503)
  assert.equal(w.ladder.count('gw -> bob'), 0)
  await w.assertQuiet()
  await w.stop()
})

test('call.* events of one call reach another: ringing, answered, ended with its duration', async () => {
  const seen: unknown[] = []
  const app = new SipRouter()
  app.invite('/:domain/watch', (call) => {
    call.subscribe('call.*', { to: 'sip:bob@example.com' }, 'seen')
    call.halt('1h')
  })
  app.on('seen', (_call, event) => void seen.push([event.type, event.code, event.duration]))
  app.invite('/:domain/:user', (call) => call.fork(call.contacts))
  const { w, alice, bob } = await started(app)
  const watcher = await w.phone('watcher')
  await watcher.invites('watch')
  await alice.invites('bob')
  await bob.answers()
  await w.advance(65_000)
  await alice.hangsUp()
  await alice.invites('bob')
  await bob.declines(486)
  await alice.invites('bob')
  await alice.cancels()
  assert.deepEqual(seen, [
    ['call.ringing', '180', undefined],
    ['call.answered', '200', undefined],
    ['call.ended', '200', 65],
    ['call.ringing', '180', undefined],
    ['call.failed', '486', undefined],
    ['call.ringing', '180', undefined],
    ['call.cancelled', '487', undefined],
  ])
  await watcher.cancels()
  await w.assertQuiet()
  await w.stop()
})

test('the context of a call is shared by its handlers and survives a wait', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', async (call) => {
    call.context.tries = 1
    call.subscribe('again', {}, 'again')
    await call.wait('done', {}, '10s')
    call.reply(480, `after ${call.context.tries}`)
  })
  app.on('again', (call) => {
    call.context.tries = Number(call.context.tries) + 1
  })
  const { w, alice } = await started(app)
  await alice.invites('bob')
  await w.publish('again', {})
  await w.publish('again', {})
  await w.publish('done', {})
  assert.equal(alice.outgoing?.final?.start, 'SIP/2.0 480 after 3')
  await w.assertQuiet()
  await w.stop()
})

test('onCancel: a function that wants to be told of the CANCEL is, and cannot hold it up', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', async (call) => void (await call.wait('red', {}, '10s')))
  app.onCancel((call) => call.publish('gave-up', { from: call.from.aor }))
  const { w, alice } = await started(app)
  await alice.invites('bob')
  w.ladder.clear()
  await alice.cancels()
  w.ladder.assert(`
    0 alice -> gw CANCEL
    0 gw -> alice 200 CANCEL
    0 gw -> function /invite/example.com/bob transaction.cancelled
    0 gw -> alice 487 INVITE
    0 alice -> gw ACK
  `)
  await w.assertQuiet()
  await w.stop()
})

test('an invocation tells the branches, the contacts and the state as they are then', async () => {
  const seen: Invocation['data']['transaction'][] = []
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('look', {}, 'look', { until: 'ended' })
    call.fork(call.contacts)
  })
  app.on('look', (call) => void seen.push({ state: call.state, branches: [...call.branches] } as never))
  const { w, alice, bob } = await started(app)
  await alice.invites('bob')
  await w.publish('look', {})
  await bob.answers()
  await w.publish('look', {})
  assert.deepEqual(
    seen.map(({ state, branches }) => [state, branches.map((branch) => [branch.state, branch.status])]),
    [
      ['proceeding', [['ringing', 180]]],
      ['answered', [['answered', 200]]],
    ],
  )
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})
