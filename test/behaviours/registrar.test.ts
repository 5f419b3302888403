import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WireMessage } from '../support/wire.ts'
import { type World, world } from '../support/world.ts'
import { type Peer, peer, type RequestParts } from './peer.ts'
import { ALICE, BOB, CAROL, over } from './scene.ts'

/** The gateway without functions: it serves REGISTER itself and routes by its bindings. */
async function registrar(): Promise<{ w: World; bob: Peer }> {
  const w = await world()
  return { w, bob: await peer(w, 'bob', { address: BOB }) }
}

/** A REGISTER of bob@example.com and its answer. */
async function registers(bob: Peer, cseq: number, contact: string, parts: RequestParts = {}): Promise<WireMessage> {
  await bob.sends(register(bob, cseq, contact, parts))
  return bob.received.at(-1)!
}

function register(bob: Peer, cseq: number, contact: string, parts: RequestParts = {}): string {
  return bob.request('REGISTER', { uri: 'sip:example.com', callId: 'bob', cseq, contact, ...parts })
}

/** The values of Contact; the gateway's own responses have one a line. */
function contacts(response: WireMessage): string[] {
  return response.headers('Contact')
}

async function gone(w: World, bob: Peer): Promise<void> {
  await registers(bob, 4_000_000, '*', { callId: 'gone', headers: [['Expires', '0']] })
  await over(w)
}

test('RG1 REGISTER adds, refreshes, fetches and removes; the 200 lists what is left of each binding’s time (RFC 3261 10.3)', async () => {
  const { w, bob } = await registrar()
  assert.deepEqual(contacts(await registers(bob, 1, `<sip:bob@${BOB}>;expires=600`)), [`<sip:bob@${BOB}>;expires=600`])
  await w.advance(100_000)
  await registers(bob, 2, `<sip:bob@${CAROL}>;q=0.5;expires=300`)
  assert.deepEqual(contacts(await registers(bob, 3, '')).sort(), [
    `<sip:bob@${BOB}>;expires=500`,
    `<sip:bob@${CAROL}>;q=0.5;expires=300`,
  ])
  const refreshed = await registers(bob, 4, `<sip:bob@${BOB}>;expires=600`)
  assert.ok(contacts(refreshed).includes(`<sip:bob@${BOB}>;expires=600`))
  const removed = await registers(bob, 5, `<sip:bob@${CAROL}>;expires=0`)
  assert.deepEqual(contacts(removed), [`<sip:bob@${BOB}>;expires=600`])
  const empty = await registers(bob, 6, '*', { headers: [['Expires', '0']] })
  assert.deepEqual([empty.status, contacts(empty)], [200, []])
  await over(w)
})

test('RG1 a binding is gone when its time is over, and the callee then unavailable (RFC 3261 10.3)', async () => {
  const { w, bob } = await registrar()
  const alice = await peer(w, 'alice', { address: ALICE })
  await registers(bob, 1, `<sip:bob@${BOB}>;expires=60`)
  await alice.sends(alice.request('MESSAGE'))
  await bob.answers(bob.last('MESSAGE'), 200)
  await w.advance(60_000)
  assert.deepEqual(contacts(await registers(bob, 2, '')), [])
  await alice.sends(alice.request('MESSAGE'))
  alice.last('480 MESSAGE')
  await over(w)
})

for (const [what, contact, expires] of [
  ['with an Expires other than 0', '*', '60'],
  ['without Expires', '*', undefined],
  ['beside another contact', `*, <sip:bob@${BOB}>`, '0'],
] as const) {
  test(`RG2 a star ${what} is refused 400, and nothing is removed (RFC 3261 10.3 step 6)`, async () => {
    const { w, bob } = await registrar()
    await registers(bob, 1, `<sip:bob@${BOB}>`)
    const headers: [string, string][] = expires === undefined ? [] : [['Expires', expires]]
    assert.equal((await registers(bob, 2, contact, { headers })).status, 400)
    assert.equal(contacts(await registers(bob, 3, '')).length, 1)
    await gone(w, bob)
  })
}

test('RG3 a lower or equal CSeq with the same Call-ID is refused 500 and changes nothing (RFC 3261 10.3 step 7)', async () => {
  const { w, bob } = await registrar()
  await registers(bob, 5, `<sip:bob@${BOB}>;expires=600`)
  for (const cseq of [5, 4]) {
    assert.equal((await registers(bob, cseq, `<sip:bob@${BOB}>;expires=0`)).status, 500)
    assert.equal((await registers(bob, cseq, '*', { headers: [['Expires', '0']] })).status, 500)
  }
  assert.deepEqual(contacts(await registers(bob, 6, '')), [`<sip:bob@${BOB}>;expires=600`])
  await gone(w, bob)
})

test('RG4 an expiry below the minimum is refused 423 with Min-Expires (RFC 3261 10.3 step 7)', async () => {
  const { w, bob } = await registrar()
  const brief = await registers(bob, 1, `<sip:bob@${BOB}>;expires=59`)
  assert.deepEqual([brief.status, brief.header('Min-Expires')], [423, '60'])
  assert.deepEqual(contacts(await registers(bob, 2, '')), [])
  await over(w)
})

test('RG5 Path is stored, returned, and used as the Route of requests to the contact (RFC 3327 5)', async () => {
  const { w, bob } = await registrar()
  const alice = await peer(w, 'alice', { address: ALICE })
  const edge = await peer(w, 'edge', { address: '10.0.0.40' })
  const path = '<sip:10.0.0.40;lr>, <sip:inner.example.net;lr>'
  const headers: [string, string][] = [
    ['Require', 'path'],
    ['Supported', 'path'],
    ['Path', path],
  ]
  const ok = await registers(bob, 1, '<sip:bob@192.168.7.7>', { headers })
  assert.deepEqual([ok.status, ok.headers('Path').join(', ')], [200, path])
  await alice.sends(alice.request('MESSAGE', { headers: [['Route', '<sip:10.0.0.1;lr>']] }))
  const sent = edge.last('MESSAGE')
  assert.equal(sent.uri, 'sip:bob@192.168.7.7')
  assert.deepEqual(sent.headers('Route').join(', '), path)
  await edge.answers(sent, 200)
  await gone(w, bob)
})

test('RG6 the same instance and reg-id replace their binding from wherever they register; another reg-id is another one (RFC 5626 6)', async () => {
  const { w, bob } = await registrar()
  const device = (address: string, regId: number) =>
    `<sip:bob@${address}>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>";reg-id=${regId}`
  await registers(bob, 1, device(BOB, 1), { callId: 'first' })
  const moved = contacts(await registers(bob, 1, device(CAROL, 1), { callId: 'second' }))
  assert.deepEqual(moved.length, 1)
  assert.match(moved[0]!, new RegExp(CAROL))
  assert.equal(contacts(await registers(bob, 2, device(BOB, 2), { callId: 'second' })).length, 2)
  await gone(w, bob)
})

test('RG7 too many or oversized contacts are refused 403, and none of them is taken (RFC 3261 10.3)', async () => {
  const { w, bob } = await registrar()
  const many = Array.from({ length: 11 }, (_, index) => `<sip:bob@10.1.0.${index}>`).join(', ')
  assert.equal((await registers(bob, 1, many)).status, 403)
  const ten = Array.from({ length: 10 }, (_, index) => `<sip:bob@10.1.0.${index}>`).join(', ')
  assert.equal(contacts(await registers(bob, 2, ten)).length, 10)
  assert.equal((await registers(bob, 3, `<sip:bob@${BOB}>`)).status, 403)
  assert.equal((await registers(bob, 4, `<sip:bob@${BOB}>, <sip:${'b'.repeat(2100)}@${BOB}>`)).status, 403)
  assert.equal(contacts(await registers(bob, 5, '')).length, 10)
  await gone(w, bob)
})

test('RG8 push parameters are kept, told to nobody else, and the 200 announces the service (RFC 8599 5.3)', async () => {
  const { w, bob } = await registrar()
  const alice = await peer(w, 'alice', { address: ALICE })
  const contact = `<sip:bob@${BOB};pn-provider=fcm;pn-param=app;pn-prid=secret>`
  const ok = await registers(bob, 1, contact)
  assert.match(ok.headers('Feature-Caps').join(), /^\*;\+sip\.pns="fcm";\+sip\.pnspurr="[\w-]{40,}"$/)
  assert.deepEqual(contacts(ok), [`${contact};expires=3600`])
  const fetched = await registers(bob, 2, '')
  assert.ok(!fetched.text.includes('secret'))
  const [binding] = await w.gateway.registration('sip:bob@example.com')
  assert.deepEqual(binding?.push, { provider: 'fcm', prid: 'secret', param: 'app' })
  await alice.sends(alice.request('MESSAGE'))
  assert.ok(!bob.last('MESSAGE').text.includes('secret'))
  await bob.answers(bob.last('MESSAGE'), 200)
  await gone(w, bob)
})

test('RG9 a repeated REGISTER gets the same answer again and changes the location once (RFC 3261 17.2.2)', async () => {
  const { w, bob } = await registrar()
  const text = register(bob, 1, `<sip:bob@${BOB}>;expires=600`)
  await bob.sends(text, text)
  await w.advance(1000)
  await bob.sends(text)
  const [first, ...others] = bob.all('200 REGISTER')
  // the repeat that came before there was an answer got none of its own
  assert.deepEqual(
    others.map(({ text }) => text),
    [first!.text],
  )
  const [binding] = await w.gateway.registration('sip:bob@example.com')
  assert.equal(binding?.expiresAt, 600_000)
  await gone(w, bob)
})

test('RG10 two REGISTERs for one AOR at the same time are both kept (RFC 3261 10.3)', async () => {
  const { w, bob } = await registrar()
  const carol = await peer(w, 'carol', { address: CAROL })
  await Promise.all([
    bob.sends(register(bob, 1, `<sip:bob@${BOB}>`)),
    carol.sends(register(carol, 1, `<sip:bob@${CAROL}>`, { callId: 'carol' })),
  ])
  assert.equal(contacts(bob.last('200 REGISTER')).length + contacts(carol.last('200 REGISTER')).length, 3)
  assert.equal(contacts(await registers(bob, 2, '')).length, 2)
  await gone(w, bob)
})
