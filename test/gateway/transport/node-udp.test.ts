import assert from 'node:assert/strict'
import { Socket } from 'node:dgram'
import { test } from 'node:test'
import { openUdp } from '../../../gateway/transport/node-udp.ts'
import { SendBuffer } from '../../../gateway/transport/send-buffer.ts'
import { processLoop, Turns } from '../../../gateway/transport/turns.ts'
import type { Address, TransportFailure } from '../../../gateway/transport/types.ts'

const turns = new Turns(processLoop)
const ANY: Address = { address: '127.0.0.1', port: 0 }

/** The next datagrams in order, as latin1. */
async function receiver(count: number) {
  const heard: string[] = []
  const all = Promise.withResolvers<string[]>()
  const socket = await openUdp(
    ANY,
    {
      receive: (octets) => {
        if (heard.push(Buffer.from(octets).toString('latin1')) === count) all.resolve(heard)
      },
    },
    turns,
  )
  return { ...socket.local, heard: all.promise, close: () => socket.close() }
}

test('text and octets go out as they are, short after long, and longer than the shared memory', async () => {
  const texts = ['x'.repeat(2000), 'short', '\0\r\nÿ', 'long '.repeat(10_000), 'again']
  const phone = await receiver(texts.length + 1)
  const socket = await openUdp(ANY, { receive: () => {} }, turns)
  for (const text of texts) socket.send(text, phone.address, phone.port)
  socket.send(new Uint8Array([79, 255]), phone.address, phone.port, () => assert.fail('it was sent'))
  assert.deepEqual(await phone.heard, [...texts, 'Oÿ'])
  socket.close()
  phone.close()
})

test('what the system would not take at once is not written over by the next message', async (t) => {
  const held: Uint8Array[] = []
  t.mock.method(Socket.prototype, 'send', (octets: Uint8Array) => void held.push(octets))
  const count = t.mock.method(Socket.prototype, 'getSendQueueCount', () => held.length)
  const socket = await openUdp(ANY, { receive: () => {} }, turns)
  socket.send('first', '127.0.0.1', 5060)
  socket.send('second', '127.0.0.1', 5060, () => {})
  socket.send('third', '127.0.0.1', 5060)
  await new Promise(setImmediate)
  assert.deepEqual(held.map(String), ['first', 'second', 'third'])
  assert.equal(count.mock.callCount(), 3)
  socket.close()
})

test('the datagrams of one turn are all taken before what they cause is sent, also by what they resolve', async () => {
  const order: string[] = []
  const answered = Promise.withResolvers<void>()
  const phone = await openUdp(
    ANY,
    {
      receive: (octets) => {
        if (order.push(`phone hears ${Buffer.from(octets)}`) === 6) answered.resolve()
      },
    },
    turns,
  )
  const gateway = await openUdp(
    ANY,
    {
      receive: (octets, address, port) => {
        const text = String(Buffer.from(octets))
        order.push(`gateway hears ${text}`)
        void Promise.resolve().then(() => gateway.send(text, address, port))
      },
    },
    turns,
  )
  for (const name of ['one', 'two', 'three']) phone.send(name, '127.0.0.1', gateway.local.port)
  await answered.promise
  const heard = (who: string) => ['one', 'two', 'three'].map((name) => `${who} hears ${name}`)
  assert.deepEqual(order, [...heard('gateway'), ...heard('phone')])
  phone.close()
  gateway.close()
})

test('what was sent before the close goes out', async () => {
  const phone = await receiver(2)
  const socket = await openUdp(ANY, { receive: () => {} }, turns)
  socket.send('good', phone.address, phone.port)
  socket.send('bye', phone.address, phone.port)
  socket.close()
  assert.deepEqual(await phone.heard, ['good', 'bye'])
  phone.close()
})

test('each failed send is told to its own sender, once, and never while it sends', async () => {
  const socket = await openUdp(ANY, { receive: () => {} }, turns)
  const told: string[] = []
  const both = Promise.withResolvers<void>()
  const tell = (name: string) => (failure: TransportFailure) => {
    if (told.push(`${name}: ${failure}`) === 3) both.resolve()
  }
  socket.send('x'.repeat(70_000), '127.0.0.1', 5060, tell('long'))
  socket.send('fine', '127.0.0.1', socket.local.port, tell('fine'))
  socket.send('of the other family', '::1', 5060, tell('family'))
  socket.send('nowhere', '255.255.255.255', 5060, tell('broadcast'))
  assert.deepEqual(told, [])
  await both.promise
  assert.deepEqual(told.sort(), ['broadcast: unreachable', 'family: unreachable', 'long: too large'])
  socket.close()
})

test('an address that has taken a datagram is not asked about for a second, one that has not is asked about each time', async (t) => {
  let now = 0
  const loop = { ...processLoop, now: () => now }
  const asked: string[] = []
  t.mock.method(
    Socket.prototype,
    'send',
    (octets: Uint8Array, _port: number, address: string, told?: (error: Error | null) => void) => {
      if (told) asked.push(`${octets}`)
      told?.(address === '192.0.2.1' ? new Error('no route') : null)
    },
  )
  const failures: string[] = []
  const socket = await openUdp(ANY, { receive: () => {} }, new Turns(loop))
  for (const at of [5, 600, 1004, 1005, 1900]) {
    now = at
    socket.send(`good ${at}`, '127.0.0.1', 5060, (failure) => failures.push(failure))
    socket.send(`bad ${at}`, '192.0.2.1', 5060, (failure) => failures.push(failure))
    await new Promise(setImmediate)
  }
  assert.deepEqual(asked, ['good 5', 'bad 5', 'bad 600', 'bad 1004', 'good 1005', 'bad 1005', 'bad 1900'])
  assert.deepEqual(failures, Array(5).fill('unreachable'))
  socket.close()
})

test('after the close a send fails as closed', async () => {
  const socket = await openUdp(ANY, { receive: () => {} }, turns)
  socket.close()
  assert.equal(await new Promise((resolve) => socket.send('late', '127.0.0.1', 5060, resolve)), 'closed')
})

test('a send buffer is written over until somebody keeps what is in it', () => {
  const buffer = new SendBuffer(8)
  const first = buffer.octetsOf('first')
  assert.equal(first.buffer, buffer.octetsOf('second').buffer)
  assert.equal(String(first), 'secon')
  const kept = buffer.octetsOf('kept')
  buffer.leave()
  assert.notEqual(buffer.octetsOf('next').buffer, kept.buffer)
  assert.equal(String(kept), 'kept')
  assert.equal(String(buffer.octetsOf('longer than 8')), 'longer than 8')
})
