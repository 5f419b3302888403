import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settled } from '../support/fake-clock.ts'
import type { MemoryStream } from '../support/memory-network.ts'
import { forksTo, inDialog, peer, type StreamPeer, streamPeer } from './peer.ts'
import { BOB, over, scene } from './scene.ts'

/** bob answers every MESSAGE at once; tina is connected over TCP. */
async function tinaAndBob(transport = {}): Promise<{ w: Awaited<ReturnType<typeof scene>>['w']; tina: StreamPeer }> {
  const { w, bob } = await scene({ gateway: { transport } })
  bob.close()
  await peer(w, 'server', {
    address: BOB,
    reacts: (message, self) => {
      if (message.method === 'MESSAGE') void self.answers(message, 200)
    },
  })
  return { w, tina: await (await streamPeer(w, 'tina')).connects() }
}

/** Raw octets that belong to no arrow. */
async function writes(tina: StreamPeer, text: string): Promise<void> {
  tina.stream.write(Buffer.from(text, 'latin1'))
  await settled()
}

test('TC1 a message that comes octet by octet is one message (RFC 3261 18.3)', async () => {
  const { w, tina } = await tinaAndBob()
  const message = tina.request('MESSAGE', { body: 'with\r\n\r\na body' })
  for (const octet of message) tina.stream.write(Buffer.from(octet, 'latin1'))
  await settled()
  assert.equal(tina.received.length, 1)
  tina.last('200 MESSAGE')
  assert.equal(w.ladder.count('gw -> server MESSAGE'), 1)
  await over(w)
})

test('TC2 500 messages in one write get 500 answers, and the connection stays (RFC 3261 18.3)', async () => {
  const { w, tina } = await tinaAndBob()
  await writes(tina, Array.from({ length: 500 }, () => tina.request('MESSAGE')).join(''))
  await w.advance(0)
  await settled(20)
  assert.equal(tina.received.filter(({ status }) => status === 200).length, 500)
  assert.equal(new Set(tina.received.map((each) => each.header('Call-ID'))).size, 500)
  assert.equal(tina.isOpen, true)
  await over(w)
})

test('TC3 a double CRLF is answered with one CRLF, a single one with nothing (RFC 5626 3.5.1)', async () => {
  const { w, tina } = await tinaAndBob()
  await writes(tina, '\r\n\r\n')
  assert.equal(tina.text, '\r\n')
  await writes(tina, '\r\n')
  await writes(tina, tina.request('MESSAGE'))
  assert.ok(tina.text.startsWith('\r\nSIP/2.0 200 '))
  await over(w)
})

for (const [what, length] of [
  ['no', ''],
  ['a Content-Length that is no number in', 'Content-Length: ten\r\n'],
  ['a negative Content-Length in', 'Content-Length: -1\r\n'],
  ['a huge Content-Length in', 'Content-Length: 99999999999999999999\r\n'],
  ['two Content-Lengths in', 'Content-Length: 0\r\nContent-Length: 5\r\n'],
] as const) {
  const said = length === '' ? 'a header block without Content-Length' : `${what} a header block`
  test(`TC4 ${said} is answered 400, and the connection is closed (RFC 3261 18.3)`, async () => {
    const { w, tina } = await tinaAndBob()
    await writes(tina, tina.request('MESSAGE').replace('Content-Length: 0\r\n', length))
    tina.last('400 MESSAGE')
    assert.equal(tina.isOpen, false)
    assert.equal(w.ladder.count('gw -> server'), 0)
    await over(w)
  })
}

test('TC4 a body above the limit is refused 513 before it is read, and the connection closed (RFC 3261 21.5.7)', async () => {
  const { w, tina } = await tinaAndBob()
  await writes(tina, tina.request('MESSAGE').replace('Content-Length: 0', 'Content-Length: 10000000'))
  tina.last('513 MESSAGE')
  assert.equal(tina.isOpen, false)
  await over(w)
})

test('TC5 headers above the limit are refused 513, and the connection closed (RFC 3261 21.5.7)', async () => {
  const { w, tina } = await tinaAndBob({ maxHeaderBytes: 10_000 })
  const bomb = Array.from({ length: 1000 }, (_, index) => `X-${index}: ${'x'.repeat(20)}\r\n`).join('')
  await writes(tina, tina.request('MESSAGE').replace('Content-Length', `${bomb}Content-Length`))
  tina.last('513 MESSAGE')
  assert.equal(tina.isOpen, false)
  await over(w)
})

test('TC6 one octet a second is closed when the message has taken 30 s (RFC 3261 18.3)', async () => {
  const { w, tina } = await tinaAndBob()
  const message = tina.request('MESSAGE')
  let sent = 0
  while (tina.isOpen && sent < 60) {
    await writes(tina, message[sent++]!)
    await w.advance(1000)
  }
  assert.equal(w.clock.now(), 30_000)
  assert.equal(tina.text, '')
  await over(w)
})

test('TC7 a peer that stops reading is dropped when its queue is full; others are served all the while', async () => {
  const { w, tina } = await tinaAndBob({ maxQueuedBytes: 20_000 })
  const other = await (await streamPeer(w, 'other')).connects()
  ;(tina.stream as MemoryStream).pause()
  for (let count = 0; count < 200 && tina.isOpen; count++) await writes(tina, tina.request('MESSAGE'))
  assert.equal(tina.isOpen, false)
  assert.equal(w.counters.get('tcp.queue full'), 1)
  await writes(other, other.request('MESSAGE'))
  other.last('200 MESSAGE')
  await over(w)
})

test('TC8 responses go back over the connection of their request, whatever its Via says (RFC 3261 18.2.2)', async () => {
  const { w, tina } = await tinaAndBob()
  await writes(tina, tina.request('MESSAGE', { via: 'SIP/2.0/TCP elsewhere.example.net:5999;branch=z9hG4bK-e' }))
  tina.last('200 MESSAGE')
  await over(w)
})

test('TC8 a connection is not used for an address that its peer merely claims by alias (RFC 5923)', async () => {
  const { w, alice } = await scene({ app: forksTo('sip:victim@10.0.0.40;transport=tcp') })
  const victim = await (await streamPeer(w, 'victim', { address: '10.0.0.40' })).listens()
  const thief = await (await streamPeer(w, 'thief', { address: '10.0.0.66' })).connects()
  await thief.sends(thief.request('OPTIONS', { via: 'SIP/2.0/TCP 10.0.0.40:5060;alias;branch=z9hG4bK-alias' }))
  await alice.sends(alice.request('MESSAGE'))
  assert.equal(victim.accepted, 1)
  victim.last('MESSAGE')
  assert.deepEqual(thief.received, [])
  await over(w)
})

test('TC8 in a dialog both ends keep their connection (RFC 3261 18.2.2, RFC 5626)', async () => {
  const { w, bob } = await scene()
  const tina = await (await streamPeer(w, 'tina')).connects()
  await tina.sends(tina.request('INVITE'))
  await bob.answers(bob.last('INVITE'), 200)
  const ok = tina.last('200 INVITE')
  await tina.sends(inDialog(tina, 'ACK', ok))
  const routes = bob.last('INVITE').headers('Record-Route')
  await bob.sends(
    bob.request('BYE', {
      uri: `sip:tina@${tina.address}:5060;transport=tcp`,
      fromTag: ok.tag('To'),
      toTag: ok.tag('From'),
      callId: ok.header('Call-ID'),
      headers: routes.map((route): [string, string] => ['Route', route]),
    }),
  )
  await tina.answers(tina.last('BYE'), 200)
  bob.last('200 BYE')
  assert.equal(tina.accepted, 0)
  await over(w)
})
