import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import type { LeaseStep, Store } from '../../functions/store/store.ts'
import type { GatewayProcess } from '../support/gateway-process.ts'
import type { Phone, PhoneOptions } from '../support/phone.ts'
import { type World, world } from '../support/world.ts'
import { pushable } from './cast.ts'
import { A, B, CLUSTER, Pool, SHARED } from './pool.ts'

/** A gateway that had a phone's connection, or a call, has died, and its lease has not lapsed yet: connections to it are refused. */

const C = { ...CLUSTER, id: 'gw-c', address: '10.0.0.3' }

const LEASES = {
  'while its lease lasts': 100,
  'when its lease has lapsed': 7000,
} as const

const ringing = new SipRouter().invite('/:domain/:user', (call) => void call.fork(call.contacts))

type ForkOptions = NonNullable<Parameters<Call['fork']>[1]>

interface Talk {
  pool: Pool
  c: GatewayProcess
  w: World
  alice: Phone
  /** Bob's phone, by TCP. */
  bob: Phone
}

/** Alice has called Bob by way of A; B has the connection of his phone, and C has nothing to do with it. */
async function talk(phone: Partial<PhoneOptions> = {}, options: ForkOptions = {}): Promise<Talk> {
  const pool = await Pool.start(
    new SipRouter().invite('/:domain/:user', (call) => void call.fork(call.contacts, options)),
  )
  const { w } = pool
  const starting = w.process(C)
  await w.advance(1500)
  const c = await starting
  await w.advance(3500)
  pool.to = B.address
  const bob = await w.phone('bob', { gateway: SHARED, transport: 'tcp', ...phone })
  const registered = await bob.registers()
  const purr = /\+sip\.pnspurr="([\w-]+)"/.exec(registered.text)?.[1]
  if (purr) bob.dialogParams = `pn-purr=${purr}`
  pool.to = A.address
  const alice = await w.phone('alice', { gateway: SHARED, transport: 'tcp' })
  await alice.invites('bob')
  await w.advance(100)
  await bob.answers()
  assert.equal(alice.finalStatus, 200)
  assert.equal(w.gateway.counts().dialogs, 1)
  return { pool, c, w, alice, bob }
}

/** The connection is gone with the gateway that had it: the phone opens another one, which comes to `gateway`. */
async function reconnects(pool: Pool, phone: Phone, gateway: { address: string }): Promise<void> {
  pool.to = gateway.address
  await phone.moveTo(phone.port)
}

/** Somebody listens where the Contact of the phone says (RFC 3261 18.1.1), and says 200 to all: what was heard. */
async function listensAtContact({ network }: World, { options, port }: Phone): Promise<string[]> {
  const heard: string[] = []
  await network.listen({ address: options.address, port }, (stream) => ({
    opened() {},
    closed() {},
    receive(octets) {
      const text = Buffer.from(octets).toString('latin1')
      heard.push(text)
      const fields = text.split('\r\n').filter((line) => /^(via|from|to|call-id|cseq):/i.test(line))
      stream.write(Buffer.from(['SIP/2.0 200 OK', ...fields, 'Content-Length: 0', '', ''].join('\r\n')))
    },
  }))
  return heard
}

/** @param alive the gateways that were not killed */
async function end({ pool, c, w }: Talk, alive: readonly string[]): Promise<void> {
  await w.advance(200_000)
  const gateways = { a: w, b: pool.b, c }
  for (const name of alive)
    assert.deepEqual(
      { ...gateways[name as 'a'].gateway.counts(), timers: 0 },
      { calls: 0, serverTransactions: 0, clientTransactions: 0, dialogs: 0, timers: 0 },
    )
  assert.deepEqual(w.errors, [])
  assert.equal(w.counters.get('bugs'), 0)
  for (const name of alive) if (name !== 'a') await gateways[name as 'b'].stop()
  if (alive.includes('a')) await w.stop()
  else await w.store.close()
}

for (const [when, ms] of Object.entries(LEASES)) {
  for (const to of [A, C])
    test(`the gateway of a phone’s connection has died (${when}): its BYE by way of ${to.id} reaches the gateway of the call`, async () => {
      const all = await talk()
      const { pool, w, alice, bob } = all
      pool.b.kill()
      await w.advance(ms)
      await reconnects(pool, bob, to)
      await bob.hangsUp()
      await w.advance(100)
      assert.equal(bob.received.at(-1)?.status, 200)
      assert.match(alice.received.at(-1)!.start, /^BYE/)
      assert.equal(w.gateway.counts().dialogs, 0)
      await end(all, ['a', 'c'])
    })

  test(`the gateway of a phone’s connection has died (${when}): a BYE for it goes to its Contact`, async () => {
    const all = await talk()
    const { pool, w, alice, bob } = all
    const heard = await listensAtContact(w, bob)
    pool.b.kill()
    await w.advance(ms)
    await alice.hangsUp()
    await w.advance(100)
    assert.equal(alice.received.at(-1)?.status, 200)
    assert.match(heard.join(), /^BYE sip:bob@/)
    assert.doesNotMatch(heard.join(), /\r\nRoute:/)
    assert.equal(w.gateway.counts().dialogs, 0)
    await end(all, ['a', 'c'])
  })

  test(`the gateway of a call has died (${when}): a request by way of any other goes on by the rest of its routes, to either end`, async () => {
    const all = await talk()
    const { pool, w, alice, bob } = all
    await w.kill()
    await w.advance(ms)
    await reconnects(pool, alice, C)
    await alice.presses('5')
    await w.advance(100)
    assert.match(bob.received.at(-1)!.start, /^INFO/)
    assert.equal(alice.received.at(-1)?.status, 200)
    const heard = await listensAtContact(w, alice)
    await bob.hangsUp()
    await w.advance(100)
    assert.match(heard.join(), /^BYE sip:alice@/)
    assert.equal(bob.received.at(-1)?.status, 200)
    await end(all, ['b', 'c'])
  })

  test(`the gateway of a phone’s connection has died (${when}): its re-INVITE and the ACK to it come through`, async () => {
    const all = await talk()
    const { pool, w, alice, bob } = all
    pool.b.kill()
    await w.advance(ms)
    await reconnects(pool, bob, C)
    const before = alice.received.length
    await bob.sendsInDialog('INVITE')
    await w.advance(100)
    alice.respond(alice.received.at(-1)!, 200)
    await w.advance(100)
    assert.equal(bob.received.at(-1)?.status, 200)
    await bob.sendsInDialog('ACK')
    await w.advance(100)
    assert.deepEqual(
      alice.received.slice(before).map(({ method }) => method),
      ['INVITE', 'ACK'],
    )
    await bob.hangsUp()
    await w.advance(100)
    await end(all, ['a', 'c'])
  })
}

test('all that its routes name have died, and nobody is at the Contact: each is tried once, and the sender hears 500', async () => {
  const all = await talk()
  const { pool, w, alice } = all
  pool.b.kill()
  await w.kill()
  await w.advance(100)
  await reconnects(pool, alice, C)
  const before = w.counters.get('tcp.connected')
  await alice.hangsUp()
  await w.advance(100)
  assert.equal(alice.received.at(-1)?.status, 500)
  assert.equal(w.counters.get('tcp.connected') - before, 3, 'A, B, and the Contact of the phone')
  await end(all, ['c'])
})

test('a request that is addressed to a gateway which has died, and not only sent by way of it, hears 480', async () => {
  const all = await talk()
  const { pool, w, alice, bob } = all
  pool.b.kill()
  await w.advance(100)
  const { routes } = alice.outgoing!
  alice.outgoing = { ...alice.outgoing!, target: `sip:bob@${B.address}:5060;transport=tcp`, routes: routes.slice(0, 1) }
  await alice.presses('5')
  await w.advance(100)
  assert.equal(alice.received.at(-1)?.status, 480)
  await reconnects(pool, bob, A)
  await bob.hangsUp()
  await end(all, ['a', 'c'])
})

test('the gateways of the call and of a phone’s connection have died: the phone is woken for what is asked of it (RFC 8599 6)', async () => {
  const all = await talk(pushable('bob'))
  const { pool, w, alice, bob } = all
  await w.kill()
  pool.b.kill()
  await w.advance(100)
  await reconnects(pool, alice, C)
  await alice.hangsUp()
  await w.advance(2000)
  assert.deepEqual(
    w.pushes.map(({ purpose, prid }) => [purpose, prid]),
    [['request', 'token-of-bob']],
  )
  await reconnects(pool, bob, C)
  await bob.registers()
  await w.advance(1000)
  assert.ok(bob.last(({ isRequest, method }) => isRequest && method === 'BYE'))
  assert.equal(alice.received.at(-1)?.status, 200)
  await end(all, ['c'])
})

for (const [when, ms] of Object.entries(LEASES)) {
  test(`a new call to a phone whose connection was at a gateway that has died (${when}) hears 480 (RFC 5626 5.3.1)`, async () => {
    const all = await talk()
    const { pool, w, bob, alice } = all
    await bob.hangsUp()
    pool.b.kill()
    await w.advance(ms)
    await alice.invites('bob')
    await w.advance(100)
    assert.equal(alice.finalStatus, 480)
    await alice.requests('MESSAGE', bob.aor)
    await w.advance(100)
    assert.equal(alice.received.at(-1)?.status, 480)
    await end(all, ['a', 'c'])
  })

  test(`a phone whose connection was at a gateway that has died (${when}) keeps no other phone of its user from ringing`, async () => {
    const modes: ForkOptions[] = [{}, ...[[480], [503]].map((retryOn) => ({ mode: 'sequential' as const, retryOn }))]
    for (const options of modes) {
      const all = await talk({ instance: 'urn:uuid:mobile' }, options)
      const { pool, w, bob, alice } = all
      await bob.hangsUp()
      await bob.registers({ q: 1 })
      const desk = await w.phone('desk', { user: 'bob', gateway: SHARED, transport: 'tcp', instance: 'urn:uuid:desk' })
      await desk.registers({ q: 0.5 })
      pool.b.kill()
      await w.advance(ms)
      await alice.invites('bob')
      await w.advance(100)
      assert.equal(alice.finalStatus, 0)
      await desk.declines(486)
      assert.equal(alice.finalStatus, 486)
      await end(all, ['a', 'c'])
    }
  })
}

test('a new call to a phone whose connection is gone hears 480 of its own gateway, too', async () => {
  const w = await world({ app: ringing })
  const alice = await w.phone('alice')
  const contacts = { seen: undefined, hidden: '<sip:bob@192.168.1.4:5060;transport=tcp>' }
  for (const contact of Object.values(contacts)) {
    const bob = await w.phone('bob', { transport: 'tcp', address: '203.0.113.9' })
    await bob.registers(contact === undefined ? {} : { contact })
    await bob.vanish()
    await alice.invites('bob')
    await w.advance(100)
    assert.equal(alice.finalStatus, 480)
    await w.advance(7_200_000)
  }
  await w.assertQuiet()
  await w.stop()
})

for (const [when, ms] of Object.entries(LEASES))
  test(`of two gateways at addresses of their own, that of a phone’s connection has died (${when}): its BYE comes through`, async () => {
    const w = await world({ app: ringing, gateway: { id: 'gw', cluster: { pool: 'east' } } })
    const starting = w.process({ id: 'gw-b', address: B.address, cluster: { pool: 'west' } })
    await w.advance(1500)
    const b = await starting
    const alice = await w.phone('alice')
    const bob = await w.phone('bob', { gateway: { ...B, port: 5060 }, transport: 'tcp' })
    await bob.registers()
    await alice.invites('bob')
    await bob.answers()
    b.kill()
    await w.advance(ms)
    // A phone with an outbound proxy sends it there, with the routes as they are.
    bob.options.gateway = { address: A.address, port: 5060 }
    await bob.moveTo(bob.port)
    await bob.hangsUp()
    await w.advance(100)
    assert.match(alice.received.at(-1)!.start, /^BYE/)
    assert.equal(bob.received.at(-1)?.status, 200)
    await w.assertQuiet()
    assert.deepEqual(w.errors, [])
    await w.stop()
  })

test('a gateway that has lost the store only is not gone around: the call it has ends there', async () => {
  let isCutOff = false
  const lives: string[] = []
  const link = (store: Store): Store =>
    new Proxy(store, {
      get: (_, name: keyof Store) => {
        if (name !== 'leases') return store[name]
        return (step: LeaseStep) => {
          if (!lives.includes(step.life)) lives.push(step.life)
          return isCutOff && step.life === lives[1] ? Promise.reject(new Error('away')) : store.leases(step)
        }
      },
    })
  const w = await world({ app: ringing, gateway: { id: 'gw', cluster: { pool: 'east' } }, link })
  const starting = w.process({ id: 'gw-b', address: B.address, cluster: { pool: 'west' } })
  await w.advance(1500)
  const b = await starting
  const bob = await w.phone('bob', { transport: 'tcp' })
  await bob.registers()
  const alice = await w.phone('alice', { gateway: { ...B, port: 5060 } })
  await alice.invites('bob')
  await bob.answers()
  assert.equal(b.gateway.counts().dialogs, 1)
  isCutOff = true
  await w.advance(10_000)
  await bob.hangsUp()
  await w.advance(100)
  assert.match(alice.received.at(-1)!.start, /^BYE/)
  assert.equal(b.gateway.counts().dialogs, 0)
  await w.assertQuiet()
  await b.stop()
  await w.stop()
})
