import assert from 'node:assert/strict'
import { test } from 'node:test'
import { annotate, fromEvent, hangup, publish, push, reply, SipRouter, send } from 'rouse'
import { type WorldOptions, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** hangup, send, annotate, push; and what inline reactions make of them. */

async function started(app: SipRouter, options: WorldOptions = {}) {
  const w = await world({ app, ...options })
  const alice = await w.phone('alice')
  const bob = await w.phone('bob')
  await bob.registers()
  w.ladder.clear()
  return { w, alice, bob }
}

/** Rings the callee and hangs up when it is told to. */
function endable(): SipRouter {
  const sip = new SipRouter()
  sip.invite('/:domain/:user', (call) => {
    call.subscribe('end', { call: call.id }, 'end', { until: 'ended' })
    call.fork(call.contacts)
    if (call.contacts.length === 0) call.halt('10s')
  })
  sip.on('end', (call, event) =>
    call.hangup(event.why || undefined, event.status ? { status: Number(event.status) } : {}),
  )
  return sip
}

test('hangup while it rings: the final response that was asked for with its reason, and CANCEL with the same (RFC 3261 16.10, RFC 3326)', async () => {
  const { w, alice, bob } = await started(endable())
  await alice.invites('bob')
  w.ladder.clear()
  await w.publish('end', { call: alice.outgoing!.invite.header('Call-ID'), why: 'Not today', status: '603' })
  assert.equal(alice.outgoing?.final?.start, 'SIP/2.0 603 Not today')
  assert.equal(bob.last(({ method }) => method === 'CANCEL').header('Reason'), 'SIP;text="Not today"')
  w.ladder.assert(`
    0 gw -> function /on/end subscription.matched
    0 gw -> alice 603 INVITE
    0 alice -> gw ACK
    0 gw -> bob CANCEL
    0 bob -> gw 200 CANCEL
    0 bob -> gw 487 INVITE
    0 gw -> bob ACK
  `)
  await w.assertQuiet()
  await w.stop()
})

test('hangup while nothing rings, in a halted call: 480', async () => {
  const { w, alice } = await started(endable())
  await alice.invites('nobody')
  await w.publish('end', { call: alice.outgoing!.invite.header('Call-ID'), why: '' })
  assert.equal(alice.finalStatus, 480)
  await w.assertQuiet()
  await w.stop()
})

test('hangup of an answered call: BYE both ways, repeated until it is answered (RFC 3261 15.1.1, 17.1.2.2)', async () => {
  const { w, alice, bob } = await started(endable())
  await alice.invites('bob')
  await bob.answers()
  w.network.silent(bob.options.address, 5060)
  let byes = 0
  w.network.onDatagram((_from, to, octets) => {
    if (to.address === bob.options.address && Buffer.from(octets).toString().startsWith('BYE')) byes++
    return false
  })
  await w.publish('end', { call: alice.outgoing!.invite.header('Call-ID'), why: 'over' })
  assert.equal(w.ladder.count('gw -> alice BYE'), 1)
  assert.equal(w.gateway.counts().dialogs, 0)
  await w.advance(32_000)
  assert.equal(byes, 11)
  await w.assertQuiet()
  await w.stop()
})

test('hangup after the call has ended does nothing', async () => {
  const { w, alice, bob } = await started(endable())
  await alice.invites('bob')
  await bob.answers()
  await alice.hangsUp()
  w.ladder.clear()
  assert.equal(await w.publish('end', { call: alice.outgoing!.invite.header('Call-ID'), why: '' }), 0)
  assert.equal(w.ladder.text(), '')
  await w.assertQuiet()
  await w.stop()
})

test('hangup right after a fork: the phone is not left ringing (RFC 3261 9.1)', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.fork(call.contacts)
    call.hangup('at once', { status: 486 })
  })
  const { w, alice, bob } = await started(app)
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 486)
  await w.advance(1000)
  assert.ok(!bob.incoming.some(({ state }) => state === 'ringing'))
  await w.assertQuiet()
  await w.stop()
})

test('send: a MESSAGE of its own to a URI, with from, headers and a body in UTF-8 (RFC 3428)', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.send('MESSAGE', 'sip:carol@10.0.0.70', {
      from: 'sip:router@example.com',
      headers: { set: { Subject: 'Missed call' } },
      contentType: 'text/plain',
      body: 'Grüße von alice',
    })
    call.reply(486)
  })
  const { w, alice } = await started(app)
  const carol = await w.phone('carol', { address: '10.0.0.70' })
  await alice.invites('bob')
  w.ladder.assert(`
    0 alice -> gw INVITE bob
    0 gw -> function /invite/example.com/bob
    0 gw -> carol MESSAGE carol
    0 carol -> gw 200 MESSAGE
    0 gw -> alice 486 INVITE
    0 alice -> gw ACK
  `)
  const message = carol.last(({ method }) => method === 'MESSAGE')
  assert.equal(message.uri, 'sip:carol@10.0.0.70')
  assert.match(message.header('From'), /^<sip:router@example\.com>;tag=.+/)
  assert.equal(message.header('To'), '<sip:carol@10.0.0.70>')
  assert.equal(message.header('Subject'), 'Missed call')
  assert.equal(message.header('Content-Type'), 'text/plain')
  assert.equal(Buffer.from(message.body, 'latin1').toString(), 'Grüße von alice')
  assert.equal(Number(message.header('Content-Length')), message.body.length)
  await w.assertQuiet()
  await w.stop()
})

test('send: NOTIFY to every registered contact of an AOR, OPTIONS to a contact; a target nobody can reach harms nothing', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.send('NOTIFY', 'sip:bob@example.com', {
      headers: { set: { Event: 'check-sync', 'Subscription-State': 'terminated' } },
    })
    call.send('OPTIONS', call.contacts[0]!)
    call.send('OPTIONS', 'sip:nobody@unknown.example')
    call.reply(486)
  })
  const { w, alice, bob } = await started(app)
  const tablet = await w.phone('tablet', { user: 'bob' })
  await w.advance(1)
  await tablet.registers()
  await alice.invites('bob')
  assert.equal(alice.finalStatus, 486)
  for (const phone of [bob, tablet])
    assert.equal(phone.last(({ method }) => method === 'NOTIFY').header('Event'), 'check-sync')
  assert.equal(w.ladder.count('gw -> tablet OPTIONS') + w.ladder.count('gw -> bob OPTIONS'), 1)
  await w.assertQuiet()
  await w.stop()
})

test('annotate: notes are with the call for people who look, also after it has ended', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.annotate({ customer: '4711', vip: true })
    call.annotate({ customer: '4712' })
    call.reply(486)
  })
  const { w, alice } = await started(app)
  await alice.invites('bob')
  assert.deepEqual(w.newestCall.annotations, { customer: '4712', vip: 'true' })
  assert.equal(w.newestCall.state, 'ended')
  assert.equal(w.newestCall.status, 486)
  await w.assertQuiet()
  await w.stop()
})

test('push: data of the handler goes along, and each device is pushed once for a call (RFC 8599)', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.push(call.aor, { greeting: 'hello' })
    call.push()
    call.halt('5s')
  })
  const { w, alice } = await started(app)
  await sleepingPhone(w, 'carol')
  await alice.invites('carol')
  assert.equal(w.pushes.length, 1)
  const { aor, provider, prid, param, data, call } = w.pushes[0]!
  assert.deepEqual(
    { aor, provider, prid, param, data },
    {
      aor: 'sip:carol@example.com',
      provider: 'fcm',
      prid: 'token-of-carol',
      param: 'app',
      data: { greeting: 'hello' },
    },
  )
  assert.equal(call?.displayName, 'alice')
  assert.equal(call?.from, 'sip:alice@example.com')
  await alice.cancels()
  await w.assertQuiet()
  await w.stop()
})

test('push: a device that rings already is not pushed', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.subscribe('now', {}, [push('sip:carol@example.com')])
    call.fork(call.contacts)
  })
  const { w, alice } = await started(app)
  const carol = await w.phone('carol', { instance: 'urn:uuid:carol', contactParams: 'pn-provider=fcm;pn-prid=x' })
  await carol.registers()
  await alice.invites('carol')
  await w.publish('now', {})
  assert.equal(w.pushes.length, 0)
  await alice.cancels()
  await w.assertQuiet()
  await w.stop()
})

test('push: what the provider says is an event; a provider that never answers does not hold up the call', async () => {
  const app = new SipRouter()
  app.invite('/:domain/:user', (call) => {
    call.subscribe('push.*', { aor: call.aor }, [annotate({ [call.user]: fromEvent('error') })])
    call.push()
    call.halt('5s')
  })
  const { w, alice } = await started(app, {
    push: ({ aor }) => {
      if (aor.includes('dead')) return { outcome: 'token_invalid', error: 'UNREGISTERED' }
      return new Promise(() => {})
    },
  })
  for (const name of ['dead', 'slow']) await sleepingPhone(w, name)
  await alice.invites('dead')
  await w.advance(0)
  assert.deepEqual(w.newestCall.annotations, { dead: 'UNREGISTERED' })
  await w.advance(5000)
  assert.equal(alice.finalStatus, 480)
  await alice.invites('slow')
  await w.advance(5000)
  assert.equal(alice.finalStatus, 480)
  await w.assertQuiet()
  await w.stop()
})

test('an inline reaction may reply, hang up, publish, send and annotate, with the words of the event', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.subscribe('order', { call: call.id }, [
      annotate({ by: fromEvent('by') }),
      publish('done', { by: fromEvent('by') }),
      send('MESSAGE', fromEvent('tell'), { body: fromEvent('by') }),
      reply(182, fromEvent('by')),
      hangup(fromEvent('by')),
    ])
    call.fork(call.contacts)
  })
  const { w, alice } = await started(app)
  const carol = await w.phone('carol', { address: '10.0.0.70' })
  await alice.invites('bob')
  w.ladder.clear()
  await w.publish('order', {
    call: alice.outgoing!.invite.header('Call-ID'),
    by: 'the boss',
    tell: 'sip:carol@10.0.0.70',
  })
  w.ladder.assert(`
    0 gw -> carol MESSAGE carol
    0 carol -> gw 200 MESSAGE
    0 gw -> alice 182
    0 gw -> alice 480 INVITE
    0 alice -> gw ACK
    0 gw -> bob CANCEL
    0 bob -> gw 200 CANCEL
    0 bob -> gw 487 INVITE
    0 gw -> bob ACK
  `)
  assert.equal(alice.last(({ status }) => status === 182).start, 'SIP/2.0 182 the boss')
  assert.equal(carol.last(({ method }) => method === 'MESSAGE').body, 'the boss')
  assert.deepEqual(w.newestCall.annotations, { by: 'the boss' })
  await w.assertQuiet()
  await w.stop()
})

test('an inline reaction whose event says something with CR and LF is not performed, and the call goes on (hostile event)', async () => {
  const app = new SipRouter().invite('/:domain/:user', (call) => {
    call.subscribe('order', {}, [reply(480, fromEvent('by'))])
    call.fork(call.contacts)
  })
  const { w, alice, bob } = await started(app)
  await alice.invites('bob')
  await w.publish('order', { by: 'x\r\nVia: SIP/2.0/UDP 6.6.6.6' })
  await w.publish('order', {})
  assert.equal(alice.finalStatus, 0)
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  await alice.hangsUp()
  await w.assertQuiet()
  await w.stop()
})
