import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Phone, PhoneOptions } from '../support/phone.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'
import { pushable } from './cast.ts'

/** Requests within a dialog find a phone that has gone to sleep meanwhile: RFC 8599 6. */

/** The PURR that the 200 to a REGISTER has brought. */
function purrOf(phone: Phone): string {
  const caps = phone.last(({ method, status }) => method === 'REGISTER' && status === 200).header('Feature-Caps')
  const purr = /\+sip\.pnspurr="([\w-]+)"/.exec(caps)?.[1]
  assert.ok(purr, caps)
  return purr
}

/** bob's phone, which puts its PURR into its dialogs, has answered alice's call. */
async function talking(phone: Partial<PhoneOptions> = {}, options: WorldOptions = {}) {
  const w = await world(options)
  const alice = await w.phone('alice')
  const bob = await w.phone('bob', { ...pushable('bob'), ...phone })
  await bob.registers()
  bob.dialogParams = `pn-purr=${purrOf(bob)}`
  await alice.invites('bob')
  await bob.answers()
  w.ladder.clear()
  return { w, alice, bob }
}

function lastStatus(phone: Phone, method: string): number {
  return phone.last((message) => !message.isRequest && message.method === method).status
}

function finals(phone: Phone, method: string): number {
  return phone.received.filter((message) => !message.isRequest && message.method === method).length
}

/** How many requests of a method have come to a phone, repeats too. */
function requestsTo(phone: Phone, method: string): number {
  return phone.received.filter((message) => message.isRequest && message.method === method).length
}

async function quiet(w: World): Promise<void> {
  await w.assertQuiet()
  assert.equal(w.counters.get('bugs'), 0)
  assert.deepEqual(w.errors, [])
  await w.stop()
}

test('an awake phone gets a request of its dialog at once, and no push', async () => {
  const { w, alice } = await talking()
  await alice.sendsInDialog('INFO')
  assert.equal(lastStatus(alice, 'INFO'), 200)
  await w.advance(5000)
  await alice.hangsUp()
  assert.deepEqual(w.pushes, [])
  await quiet(w)
})

test('a phone that sleeps is pushed, and gets the request where it registers', async () => {
  const { w, alice, bob } = await talking()
  await bob.vanish()
  await alice.sendsInDialog('INFO')
  await w.advance(3000)
  assert.equal(w.pushes.length, 1)
  assert.deepEqual([w.pushes[0]!.purpose, w.pushes[0]!.prid], ['request', 'token-of-bob'])
  await bob.wakes()
  w.ladder.assert(`
    0 alice -> gw INFO
    1500 gw -> push urn:uuid:bob
    3000 bob -> gw REGISTER
    3000 gw -> bob 200 REGISTER
    3000 gw -> bob INFO
    3000 bob -> gw 200 INFO
    3000 gw -> alice 200 INFO
  `)
  await alice.hangsUp()
  await quiet(w)
})

test('a phone whose connection is gone is pushed at once, and gets the request along its new one', async () => {
  const { w, alice, bob } = await talking({ transport: 'tcp' })
  await bob.vanish()
  await alice.sendsInDialog('INFO')
  assert.equal(w.pushes.length, 1)
  await w.advance(2000)
  await bob.connect()
  await bob.registers()
  assert.equal(lastStatus(alice, 'INFO'), 200)
  assert.equal(requestsTo(bob, 'INFO'), 1)
  await alice.hangsUp()
  await quiet(w)
})

test('a phone that has unregistered to sleep is woken for its dialog, and its re-INVITE is held for up to a minute', async () => {
  const { w, alice, bob } = await talking()
  await bob.registers({ expires: 0, contact: `<${bob.contact};pn-keep>;+sip.instance="<urn:uuid:bob>";expires=0` })
  assert.deepEqual((await w.store.lookup(bob.aor)).bindings, [])
  await bob.vanish()
  await alice.sendsInDialog('INVITE')
  assert.equal(w.pushes.length, 1, 'without a try')
  await w.advance(50_000)
  await bob.wakes()
  await bob.answers()
  assert.equal(lastStatus(alice, 'INVITE'), 200)
  await alice.hangsUp()
  await quiet(w)
})

test('whoever does not come in time is 480, while the sender still listens (Timer F)', async () => {
  const { w, alice, bob } = await talking()
  await bob.vanish()
  await alice.sendsInDialog('INFO')
  await w.advance(23_500)
  assert.equal(finals(alice, 'INFO'), 0)
  await w.advance(1500)
  assert.equal(lastStatus(alice, 'INFO'), 480)
  await bob.connect()
  await alice.hangsUp()
  await quiet(w)
})

test('when the push fails nobody waits: 480', async () => {
  const { w, alice, bob } = await talking({ transport: 'tcp' }, { push: () => ({ outcome: 'failed', error: 'no' }) })
  await bob.vanish()
  await alice.sendsInDialog('INFO')
  assert.equal(lastStatus(alice, 'INFO'), 480)
  await bob.connect()
  await bob.registers()
  await alice.hangsUp()
  await quiet(w)
})

test('a re-INVITE that is cancelled while the phone sleeps is 487 at once', async () => {
  const { w, alice, bob } = await talking({ transport: 'tcp' })
  await bob.vanish()
  await alice.sendsInDialog('INVITE')
  const reInvite = alice.sent.findLast(({ method }) => method === 'INVITE')!
  alice.send(reInvite.text.replace(/^INVITE/, 'CANCEL').replace(/CSeq: (\d+) INVITE/, 'CSeq: $1 CANCEL'))
  await w.advance(0)
  assert.equal(lastStatus(alice, 'INVITE'), 487)
  await bob.connect()
  await bob.registers()
  assert.equal(requestsTo(bob, 'INVITE'), 1, 'the one of the call')
  await alice.hangsUp()
  await quiet(w)
})

test('requests that come together for one phone wake it once', async () => {
  const { w, alice, bob } = await talking({ transport: 'tcp' })
  await bob.vanish()
  for (let count = 0; count < 5; count++) await alice.sendsInDialog('INFO')
  await w.advance(1000)
  assert.equal(w.pushes.length, 1)
  await bob.connect()
  await bob.registers()
  assert.equal(requestsTo(bob, 'INFO'), 5)
  await alice.hangsUp()
  await quiet(w)
})

test('a PURR that nobody has given out wakes nobody', async () => {
  const { w, alice, bob } = await talking()
  const forged = `${bob.dialogParams.slice(0, -2)}xx`
  await bob.vanish()
  alice.outgoing!.target = alice.outgoing!.target.replace(bob.dialogParams, forged)
  await alice.sendsInDialog('INFO')
  await w.advance(31_000)
  assert.deepEqual(w.pushes, [])
  await w.stop()
})

test('a NOTIFY to a subscriber that sleeps wakes it (6.2.1)', async () => {
  const w = await world()
  const bob = await w.phone('bob', { ...pushable('bob'), transport: 'tcp' })
  const presence = await w.phone('presence')
  await bob.registers()
  bob.dialogParams = `pn-purr=${purrOf(bob)}`
  await presence.registers()
  await bob.requests('SUBSCRIBE', 'sip:presence@example.com', { headers: [['Event', 'presence']] })
  const subscribe = presence.last(({ method }) => method === 'SUBSCRIBE')
  await bob.vanish()
  const [, target] = /<(.*)>/.exec(subscribe.header('Contact'))!
  const headers: [string, string][] = [
    ['Via', `SIP/2.0/UDP ${presence.options.address}:5060;branch=z9hG4bK-notify;rport`],
    ['Max-Forwards', '70'],
    ...subscribe.headers('Record-Route').map((route): [string, string] => ['Route', route]),
    ['From', `${subscribe.header('To')};tag=watcher`],
    ['To', subscribe.header('From')],
    ['Call-ID', subscribe.header('Call-ID')],
    ['CSeq', '1 NOTIFY'],
    ['Content-Length', '0'],
  ]
  presence.send(
    `NOTIFY ${target} SIP/2.0\r\n${headers.map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n`,
  )
  await w.advance(1000)
  assert.equal(w.pushes.length, 1)
  await bob.connect()
  await bob.registers()
  assert.equal(lastStatus(presence, 'NOTIFY'), 200)
  await quiet(w)
})

test('the phone may register with another gateway, which gets the request to it', async () => {
  const B = { address: '10.0.0.2', port: 5060 }
  const { w, alice, bob } = await talking({ transport: 'tcp' }, { gateway: { id: 'gw', cluster: { pool: 'east' } } })
  const starting = w.process({ id: 'gw-b', address: B.address, cluster: { pool: 'west' } })
  await w.advance(1500)
  const b = await starting
  await bob.vanish()
  await alice.sendsInDialog('INFO')
  const moved = await w.phone('bob', { ...pushable('bob'), transport: 'tcp', gateway: B })
  await w.advance(700)
  await moved.registers()
  await w.advance(500)
  assert.equal(lastStatus(alice, 'INFO'), 200)
  assert.equal(requestsTo(moved, 'INFO'), 1)
  await b.stop()
  await w.stop()
})
