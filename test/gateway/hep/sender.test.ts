import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Sender } from '../../../gateway/hep/sender.ts'
import { FakeClock, settled } from '../../support/fake-clock.ts'
import { MemoryNetwork, type MemoryStream } from '../../support/memory-network.ts'

const AT = { address: '10.0.0.9', port: 9060 }

function scene(transport: 'udp' | 'tcp', host = AT.address, resolve: () => Promise<string> = async () => AT.address) {
  const clock = new FakeClock()
  const network = new MemoryNetwork()
  const counts = { sent: 0, dropped: 0 }
  const states: (string | undefined)[] = []
  const collector = { transport, host, port: AT.port }
  const count = (result: 'sent' | 'dropped') => void counts[result]++
  const onState = (trouble: string | undefined) => void states.push(trouble)
  const sender = new Sender({ collector, network, resolve, clock, random: () => 0.5, count, onState })
  const heard: string[] = []
  const streams: MemoryStream[] = []
  const listen = () =>
    network.listen(AT, (stream) => {
      streams.push(stream as MemoryStream)
      return {
        opened: () => {},
        receive: (octets) => void heard.push(Buffer.from(octets).toString()),
        closed: () => {},
      }
    })
  return { clock, network, counts, states, sender, heard, streams, listen }
}

describe('packets to a collector', () => {
  test('over UDP: sent and forgotten', async () => {
    const { network, sender, counts, states } = scene('udp')
    const heard: string[] = []
    await network.udp(AT, { receive: (octets) => void heard.push(Buffer.from(octets).toString()) })
    sender.start()
    sender.send(Buffer.from('before it was opened'))
    await settled()
    sender.send(Buffer.from('one'))
    await settled()
    assert.deepEqual(heard, ['before it was opened', 'one'])
    assert.deepEqual(counts, { sent: 2, dropped: 0 })
    assert.deepEqual(states, [undefined])
    await sender.stop()
  })

  test('over UDP: what is known of a collector that is not there is told, and sending goes on', async () => {
    const { sender, counts, states } = scene('udp')
    sender.start()
    await settled()
    sender.send(Buffer.from('one'))
    await settled()
    assert.deepEqual(states, [undefined, 'refused'])
    assert.deepEqual(counts, { sent: 1, dropped: 0 })
    await sender.stop()
  })

  test('over TCP: what comes while the collector is absent at the start waits for it', async () => {
    const { clock, sender, counts, states, heard, listen } = scene('tcp')
    sender.start()
    sender.send(Buffer.from('one'))
    await settled()
    assert.deepEqual(states, ['refused'])
    await listen()
    await clock.advance(499)
    assert.deepEqual(heard, [])
    await clock.advance(1)
    await settled()
    assert.deepEqual(heard, ['one'])
    assert.deepEqual(states, ['refused', undefined])
    assert.deepEqual(counts, { sent: 1, dropped: 0 })
    await sender.stop()
  })

  test('over TCP: it dies and comes back, again and again, with growing pauses', async () => {
    const { clock, sender, states, streams, heard, listen } = scene('tcp')
    const server = await listen()
    sender.start()
    await settled()
    server.close()
    streams[0]!.cut()
    await settled()
    sender.send(Buffer.from('meanwhile'))
    for (const ms of [500, 1000, 2000, 5000, 10_000, 30_000, 30_000]) {
      const before = states.length
      await clock.advance(ms - 1)
      assert.equal(states.length, before)
      await clock.advance(1)
      await settled()
      assert.equal(states.at(-1), 'refused')
    }
    await listen()
    await clock.advance(30_000)
    await settled()
    assert.deepEqual(heard, ['meanwhile'])
    assert.equal(states.at(-1), undefined)
    await sender.stop()
  })

  test('over TCP: what a collector that is slow or away does not take is dropped above a bound', async () => {
    const { clock, sender, counts, streams, listen } = scene('tcp')
    const large = Buffer.alloc(1_000_000)
    for (let packets = 0; packets < 6; packets++) sender.send(large)
    assert.deepEqual(counts, { sent: 0, dropped: 2 })
    await listen()
    sender.start()
    await settled()
    assert.equal(counts.sent, 4)
    const [stream] = streams
    stream!.pause()
    for (let packets = 0; packets < 6; packets++) sender.send(large)
    assert.deepEqual(counts, { sent: 8, dropped: 4 })
    stream!.resume()
    await settled()
    sender.send(large)
    assert.equal(counts.sent, 9)
    await clock.advance(0)
    await sender.stop()
  })

  test('over TCP: a collector that does not open the connection is given up and tried again', async () => {
    const { clock, network, sender, states } = scene('tcp')
    network.silent(AT.address, AT.port)
    sender.start()
    await clock.advance(5000)
    await settled()
    assert.equal(states.length, 1)
    await sender.stop()
  })

  test('a name that cannot be resolved is tried again', async () => {
    let isKnown = false
    const { clock, sender, states, listen, heard } = scene('tcp', 'homer.test', async () => {
      if (!isKnown) throw new Error('no such name')
      return AT.address
    })
    await listen()
    sender.start()
    sender.send(Buffer.from('one'))
    await settled()
    assert.deepEqual(states, ['no such name'])
    isKnown = true
    await clock.advance(500)
    await settled()
    assert.deepEqual(heard, ['one'])
    await sender.stop()
  })

  test('at the end what is queued goes out, for a second at most', async () => {
    const { clock, sender, streams, heard, listen } = scene('tcp')
    await listen()
    sender.start()
    await settled()
    streams[0]!.pause()
    sender.send(Buffer.from('last'))
    const stopped = sender.stop()
    streams[0]!.resume()
    await stopped
    assert.deepEqual(heard, ['last'])

    const slow = scene('tcp')
    await slow.listen()
    slow.sender.start()
    await settled()
    slow.streams[0]!.pause()
    slow.sender.send(Buffer.from('never'))
    const stopping = slow.sender.stop()
    await slow.clock.advance(1000)
    await stopping
    await clock.advance(0)
  })
})
