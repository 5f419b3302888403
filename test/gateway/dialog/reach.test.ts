import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALONE, type Peers } from '../../../gateway/cluster/peers.ts'
import { sideOf } from '../../../gateway/dialog/dialog.ts'
import { binding, dialog, flow, reach } from './support.ts'

/** Where the ends of dialogs are looked for. */

const URI = 'sip:bob@10.0.0.9:5060;transport=tcp;ob'
const EDGE = '<sip:flow.x@10.0.0.2;lr>'
/** The other gateway is there. */
const PEERS: Peers = { ...ALONE, routeTo: ({ gateway, nat }) => (nat && gateway === 'gw-b' ? EDGE : undefined) }

test('an end without a flow, or with one that is there, is not lost', () => {
  const { callee } = dialog()
  callee.flow = undefined
  assert.deepEqual([reach().isLost(callee), reach().flowTo(callee)], [false, undefined])
  callee.flow = flow(2)
  assert.deepEqual([reach().isLost(callee), reach().flowTo(callee)], [false, callee.flow])
  for (const lost of [flow(1), 'unknown'] as const) {
    callee.flow = lost
    assert.deepEqual([reach().isLost(callee), reach().flowTo(callee)], [true, undefined])
  }
})

for (const before of [flow(1), 'unknown'] as const) {
  const which = before === 'unknown' ? 'is not known' : 'is gone'

  test(`an end whose flow ${which} has that of its registration from now on, with the Request-URI as it was`, async () => {
    const talk = dialog({ callee: before })
    const found = await reach().find(talk, talk.callee, URI)
    assert.deepEqual(found, { uri: URI, q: 1, device: 'bob', binding: undefined, flow: flow(2) })
    assert.deepEqual(talk.callee.flow, flow(2))
  })

  test(`an end whose flow ${which}, and that has registered the same address, is reached there without being looked up again`, async () => {
    const talk = dialog({ callee: before })
    const bindings = [binding({ received: { nat: false } })]
    assert.equal(await reach({ bindings }).find(talk, talk.callee, URI), undefined)
    assert.equal(reach().isLost(talk.callee), false)
  })

  test(`an end whose flow ${which} stays lost while nobody can say where it is`, async () => {
    const away = () => Promise.reject(new Error('away'))
    for (const options of [
      { bindings: [] },
      { alive: [] },
      { lookup: away },
      { bindings: [binding({ received: { gateway: 'gw-b' } })] },
      { bindings: [binding({ received: { listener: 'tcp:10.0.0.1:5070' } })] },
    ]) {
      const talk = dialog({ callee: before })
      assert.equal(await reach(options).find(talk, talk.callee, URI), undefined)
      assert.equal(talk.callee.flow, before)
    }
  })
}

test('a device at another gateway is reached through that, by a request of a phone and by one of our own', async () => {
  const talk = dialog()
  const elsewhere = binding({ received: { gateway: 'gw-b' } })
  const at = reach({ bindings: [elsewhere], peers: PEERS })
  assert.deepEqual(await at.find(talk, talk.callee, URI), { uri: URI, q: 1, device: 'bob', binding: elsewhere })
  const side = sideOf(talk, talk.callee, () => true)!
  assert.deepEqual(await at.findSide(talk, talk.callee, side), { ...side, routes: [EDGE] })
  assert.equal(talk.callee.flow, 'unknown')
})

test('a device that has registered through a proxy since is reached along its Path (RFC 3327)', async () => {
  const talk = dialog()
  const behind = binding({ path: ['<sip:edge.example.net;lr>'], received: { nat: false } })
  const side = sideOf(talk, talk.callee, () => true)!
  const found = await reach({ bindings: [behind] }).findSide(talk, talk.callee, side)
  assert.deepEqual(found, { ...side, routes: ['<sip:edge.example.net;lr>'] })
})

test('a device that has moved to an address of its own is reached there', async () => {
  const contacts: [string, string] = [
    '<sip:alice@10.0.0.8>',
    '<sip:bob@10.0.0.9;transport=tcp>;+sip.instance="<urn:x>"',
  ]
  const talk = dialog({ contacts })
  const moved = binding({ contact: 'sip:bob@10.0.0.7:5070', instance: 'urn:x', received: { nat: false } })
  const side = sideOf(talk, talk.callee, () => true)!
  const found = await reach({ bindings: [moved] }).findSide(talk, talk.callee, side)
  assert.deepEqual(found, { ...side, target: 'sip:bob@10.0.0.7:5070' })
})

test('of several flows of a device the newest that is there is taken', async () => {
  const talk = dialog()
  const bindings = [1, 2, 3].map((connection) =>
    binding({ registeredAt: connection, received: { connection }, regId: connection }),
  )
  const found = await reach({ bindings, alive: [1, 2] }).find(talk, talk.callee, URI)
  assert.deepEqual(found?.flow, flow(2))
})

test('what is said of a dialog that ends meanwhile still goes where its end is', async () => {
  const talk = dialog()
  const finding = reach().find(talk, talk.callee, URI)
  talk.forget()
  assert.deepEqual((await finding)?.flow, flow(2))
})
