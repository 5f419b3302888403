import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SipRouter } from 'rouse'
import type { Store } from '../../functions/store/store.ts'
import { settled } from '../support/fake-clock.ts'
import { FragileLink } from '../support/fragile-link.ts'
import type { Phone, PhoneOptions } from '../support/phone.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'

/** A phone whose connection breaks while it talks, and that has registered over another one since, is reached by that one. */

const B = { address: '10.0.0.2', port: 5060 }
const ENDS = ['callee', 'caller'] as const

/** Rings whoever is registered, until somebody says the word: then the call is over. */
function app(): SipRouter {
  const sip = new SipRouter()
  sip.invite('/:domain/:user', (call) => {
    call.subscribe('word', {}, 'end', { until: 'ended' })
    call.fork(call.contacts)
  })
  sip.on('end', (call) => call.hangup('time is up'))
  return sip
}

interface Scene {
  w: World
  /** The phone that loses its connection. */
  mobile: Phone
  /** The one at the other end, over UDP, which loses nothing. */
  desk: Phone
}

/** They talk; the mobile, at one end of the call, is over TCP. */
async function talking(
  end: (typeof ENDS)[number],
  options: WorldOptions & { mobile?: Partial<PhoneOptions> } = {},
): Promise<Scene> {
  const { mobile: more, ...rest } = options
  const w = await world(rest)
  await w.advance(0)
  const desk = await w.phone('desk')
  const mobile = await w.phone('mobile', { transport: 'tcp', ...more })
  await desk.registers()
  await mobile.registers()
  const [caller, callee] = end === 'callee' ? [desk, mobile] : [mobile, desk]
  await caller.invites(callee.user)
  await callee.answers()
  w.ladder.clear()
  w.ladder.beginsNow()
  return { w, mobile, desk }
}

/** The connection of a phone is gone, and it has made another one, over which it has registered. */
async function reconnects({ w, mobile }: Scene): Promise<void> {
  await mobile.vanish()
  await mobile.connect()
  await mobile.registers()
  w.ladder.clear()
}

/** INFO, and then re-INVITE and ACK, of the desk come to the mobile, wherever that is. */
async function isReached({ w, desk }: Scene, there: Phone): Promise<void> {
  await desk.sendsInDialog('INFO')
  await desk.sendsInDialog('INVITE')
  await there.answers()
  await ack(desk)
  w.ladder.assert(`
    0 desk -> gw INFO
    0 gw -> mobile INFO
    0 mobile -> gw 200 INFO
    0 gw -> desk 200 INFO
    0 desk -> gw INVITE
    0 gw -> desk 100
    0 gw -> mobile INVITE
    0 mobile -> gw 180
    0 gw -> desk 180
    0 mobile -> gw 200 INVITE
    0 gw -> desk 200 INVITE
    0 desk -> gw ACK
    0 gw -> mobile ACK
  `)
}

async function quiet({ w }: Scene): Promise<void> {
  await w.assertQuiet()
  for (const engine of w.engines) assert.deepEqual([...engine.calls], [])
  assert.equal(w.counters.get('bugs'), 0)
  assert.deepEqual(w.errors, [])
  await w.stop()
}

/** What a store is asked for. */
function counting() {
  const lookups: string[] = []
  const link = (store: Store): Store =>
    new Proxy(store, {
      get: (_, name: keyof Store) => {
        const act = (store[name] as (...args: unknown[]) => unknown).bind(store)
        if (name !== 'lookup') return act
        return (aor: string) => {
          lookups.push(aor)
          return act(aor)
        }
      },
    })
  return { lookups, link }
}

function requestsTo(phone: Phone, method: string): number {
  return phone.received.filter((message) => message.isRequest && message.method === method).length
}

function lastStatus(phone: Phone, method: string): number {
  return phone.last((message) => !message.isRequest && message.method === method).status
}

for (const end of ENDS) {
  test(`a ${end} that has reconnected hears the BYE of the other end`, async () => {
    const scene = await talking(end)
    await reconnects(scene)
    await scene.desk.hangsUp()
    scene.w.ladder.assert(`
      0 desk -> gw BYE
      0 gw -> mobile BYE
      0 mobile -> gw 200 BYE
      0 gw -> desk 200 BYE
    `)
    await quiet(scene)
  })

  test(`a ${end} that has reconnected gets INFO, and then re-INVITE and ACK, and is looked up once`, async () => {
    const { lookups, link } = counting()
    const scene = await talking(end, { link })
    const { desk, mobile } = scene
    await reconnects(scene)
    lookups.length = 0
    await isReached(scene, mobile)
    await desk.hangsUp()
    assert.equal(requestsTo(mobile, 'BYE'), 1)
    assert.deepEqual(lookups, [mobile.aor])
    await quiet(scene)
  })

  test(`each time that a ${end} reconnects it is looked up again`, async () => {
    const { lookups, link } = counting()
    const scene = await talking(end, { link })
    for (let times = 1; times <= 3; times++) {
      await reconnects(scene)
      lookups.length = 0
      await scene.desk.sendsInDialog('INFO')
      await scene.desk.sendsInDialog('INFO')
      assert.deepEqual(lookups, [scene.mobile.aor])
    }
    assert.equal(requestsTo(scene.mobile, 'INFO'), 6)
    await scene.desk.hangsUp()
    await quiet(scene)
  })

  test(`a ${end} that has reconnected hears the gateway hang up, and so does the other end`, async () => {
    const scene = await talking(end, { app: app() })
    await reconnects(scene)
    await scene.w.publish('word', {})
    for (const phone of [scene.mobile, scene.desk]) assert.equal(requestsTo(phone, 'BYE'), 1)
    assert.match(scene.mobile.last(({ method }) => method === 'BYE').header('Reason'), /time is up/)
    await quiet(scene)
  })

  test(`a ${end} that has come back with another address in its Contact is known by its instance (RFC 5626 4.1)`, async () => {
    const scene = await talking(end, { mobile: { instance: 'urn:uuid:Mobile', showsInstance: true } })
    scene.mobile.port = 5999
    await reconnects(scene)
    await scene.desk.hangsUp()
    assert.equal(requestsTo(scene.mobile, 'BYE'), 1)
    await quiet(scene)
  })

  test(`another device of the ${end} with the same address is not taken for the one that talks (RFC 5626 6)`, async () => {
    const scene = await talking(end, { mobile: { instance: 'urn:uuid:1', showsInstance: true } })
    const { w, mobile, desk } = scene
    await mobile.vanish()
    const other = await w.phone('other', { ...mobile.options, name: 'other', user: 'mobile', instance: 'urn:uuid:2' })
    await other.registers()
    await desk.hangsUp()
    assert.equal(requestsTo(other, 'BYE'), 0)
    await quiet(scene)
  })

  test(`whoever registers the address of the ${end} as somebody else gets nothing of its dialogs`, async () => {
    const scene = await talking(end, { app: app() })
    const { w, mobile, desk } = scene
    await mobile.vanish()
    const thief = await w.phone('thief', { transport: 'tcp' })
    await thief.registers({ contact: `<${mobile.contact}>` })
    await desk.sendsInDialog('INFO')
    await w.publish('word', {})
    assert.equal(requestsTo(desk, 'BYE'), 1)
    assert.equal(thief.received.filter(({ isRequest }) => isRequest).length, 0)
    await quiet(scene)
  })

  test(`while the ${end} has not come back a request of the dialog fails at once, as to any phone that is gone`, async () => {
    const scene = await talking(end)
    await scene.mobile.vanish()
    await scene.desk.hangsUp()
    await scene.w.advance(0)
    scene.w.ladder.assert(`
      0 desk -> gw BYE
      0 gw -> desk 500 BYE
    `)
    await quiet(scene)
  })

  test(`a ${end} that is not registered any more is tried at its Contact`, async () => {
    const scene = await talking(end)
    const { w, mobile, desk } = scene
    await mobile.registers({ expires: 0 })
    await mobile.vanish()
    const { address } = mobile.options
    const heard: string[] = []
    await w.network.listen({ address, port: mobile.port }, () => ({
      opened() {},
      receive: (octets) => void heard.push(Buffer.from(octets).toString()),
      closed() {},
    }))
    await desk.hangsUp()
    assert.match(heard.join(''), /^BYE /)
    await quiet(scene)
  })

  test(`while the store is away, a ${end} that has reconnected is tried at its Contact`, async () => {
    const fragile = new FragileLink()
    const scene = await talking(end, { link: fragile.link })
    await reconnects(scene)
    fragile.isAway = true
    await scene.desk.sendsInDialog('INFO')
    await scene.w.advance(0)
    assert.equal(lastStatus(scene.desk, 'INFO'), 500)
    await fragile.comesBack()
    await scene.desk.hangsUp()
    assert.equal(requestsTo(scene.mobile, 'BYE'), 1)
    await quiet(scene)
  })

  test(`a ${end} that has come back to another gateway is reached through that one`, async () => {
    const scene = await talking(end, { app: app(), gateway: { id: 'gw', cluster: { pool: 'east' } } })
    const { w, mobile, desk } = scene
    const starting = w.process({ id: 'gw-b', address: B.address, cluster: { pool: 'west' } })
    await w.advance(1500)
    const b = await starting
    await mobile.vanish()
    const there = await w.phone('mobile', { ...mobile.options, gateway: B })
    await there.registers()
    w.ladder.clear()
    w.ladder.beginsNow()
    await isReached(scene, there)
    await w.publish('word', {})
    assert.equal(requestsTo(there, 'BYE'), 1)
    assert.equal(requestsTo(desk, 'BYE'), 1)
    await w.assertQuiet()
    assert.equal(w.counters.get('bugs'), 0)
    await b.stop()
    await w.stop()
  })
}

test('a re-INVITE to a phone that has reconnected has its media relayed as before, and so has the ACK', async () => {
  const sip = new SipRouter().invite('/:domain/:user', (call) => void call.fork(call.contacts, { media: 'rtpengine' }))
  const scene = await talking('callee', { app: sip, engines: 1 })
  const { w, desk, mobile } = scene
  await reconnects(scene)
  await desk.sendsInDialog('INVITE', { headers: [['Content-Type', 'application/sdp']], body: desk.offer })
  await mobile.answers()
  assert.deepEqual(
    w.ladder.arrows.filter(({ to }) => to === 'rtpengine').map(({ label }) => label.split(' ')[0]),
    ['offer', 'answer'],
  )
  assert.match(mobile.last(({ isRequest, method }) => isRequest && method === 'INVITE').body, /c=IN IP4 10\.0\.9\.1/)
  await ack(desk)
  await desk.hangsUp()
  assert.equal(requestsTo(mobile, 'BYE'), 1)
  await quiet(scene)
})

test('phones that are reached at their addresses, or by a connection that is there, are never looked up', async () => {
  for (const transport of ['udp', 'tcp'] as const) {
    const { lookups, link } = counting()
    const scene = await talking('callee', { link, mobile: { transport } })
    const { desk, mobile } = scene
    lookups.length = 0
    await desk.sendsInDialog('INFO')
    await mobile.sendsInDialog('INFO')
    await desk.hangsUp()
    assert.deepEqual(lookups, [])
    assert.equal(requestsTo(mobile, 'BYE'), 1)
    await quiet(scene)
  }
})

/** ACKs what has come of its re-INVITE, which only a phone that has made the call does by itself. */
async function ack(phone: Phone): Promise<void> {
  if (phone.outgoing) return
  const { text, cseq } = phone.sent.findLast(({ method }) => method === 'INVITE')!
  phone.send(
    text
      .replace(/^INVITE/, 'ACK')
      .replace(/CSeq: \d+ INVITE/, `CSeq: ${cseq} ACK`)
      .replace(/branch=z9hG4bK/, 'branch=z9hG4bK-ack')
      .replace(/Content-Length: \d+\r\n\r\n[\s\S]*$/, 'Content-Length: 0\r\n\r\n'),
  )
  await settled()
}
