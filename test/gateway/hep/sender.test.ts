import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Backlog } from '../../../gateway/hep/backlog.ts'
import { BACKLOG_BYTES, Sender } from '../../../gateway/hep/sender.ts'
import { Counters } from '../../../gateway/observe/counters.ts'
import { createLog } from '../../../gateway/observe/log.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { TestCollector } from '../../support/hep-collector.ts'

const SENT = 'hep_packets{result="sent"}'
const DROPPED = 'hep_packets{result="dropped"}'

function bench({ isConfirmed = true } = {}) {
  const clock = new FakeClock(1_000_000)
  const collector = new TestCollector()
  const counters = new Counters()
  const lines: string[] = []
  const log = createLog('info', { write: (line) => void lines.push(line) })
  const target = `${isConfirmed ? 'tcp' : 'udp'}://homer:9060`
  const sender = new Sender({
    ...{ open: collector.open, target, isConfirmed, clock, random: () => 1, counters, log },
  })
  const gauge = () => new Map(counters.gauges()).get('hep_backlog_bytes')!()
  const send = (...texts: string[]) => {
    for (const text of texts) sender.send(Buffer.from(text))
  }
  const got = () => collector.links.map(({ packets }) => packets.map(String).join(' '))
  return { clock, collector, counters, lines, sender, gauge, send, got }
}

async function opened(options?: { isConfirmed?: boolean }) {
  const b = bench(options)
  b.sender.start()
  b.collector.link.events.opened()
  return b
}

describe('packets on their way to a collector', () => {
  test('all of one turn go out after it, in order, at once', async () => {
    const b = await opened()
    b.send('1', '2')
    assert.deepEqual(b.got(), [''])
    await b.clock.advance(0)
    assert.deepEqual(b.got(), ['1 2'])
    assert.deepEqual(b.sender.health, { isUp: true, text: 'connected to tcp://homer:9060' })
    assert.equal(b.counters.get(SENT), 2)
    assert.equal(b.counters.get('hep_bytes'), 2)
  })

  test('those from before there is a link wait for it', async () => {
    const b = bench()
    b.send('1')
    b.sender.start()
    b.send('2')
    assert.equal(b.gauge(), 2)
    assert.deepEqual(b.sender.health, { isUp: false, text: 'connecting to tcp://homer:9060' })
    b.collector.link.events.opened()
    assert.deepEqual(b.got(), ['1 2'])
  })

  test('an absent collector is tried again after 1, 2, 4 … at most 30 seconds, said once, and gets what has waited', async () => {
    const b = bench()
    b.sender.start()
    const pauses: number[] = []
    for (let tries = 1; tries <= 7; tries++) {
      b.collector.link.events.closed('nobody listens there')
      assert.deepEqual(b.sender.health, { isUp: false, text: 'away: nobody listens there' })
      b.send(String(tries))
      const since = b.clock.now()
      while (b.collector.links.length === tries) await b.clock.advance(100)
      pauses.push(b.clock.now() - since)
    }
    assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    b.collector.link.events.opened()
    assert.equal(b.got().at(-1), '1 2 3 4 5 6 7')
    assert.equal(b.lines.filter((line) => line.includes('is away')).length, 1)
    assert.equal(b.lines.filter((line) => line.includes('is back')).length, 1)
  })

  test('one that has been there and dies is tried after a second again', async () => {
    const b = await opened()
    await b.clock.advance(60_000)
    b.collector.link.events.closed('reset')
    b.send('1')
    await b.clock.advance(1000)
    b.collector.link.events.opened()
    assert.deepEqual(b.got(), ['', '1'])
    assert.equal(b.sender.health.isUp, true)
  })

  test('one that takes the connection and closes it at once is tried less and less often', async () => {
    const b = await opened()
    for (const pause of [1000, 2000, 4000]) {
      const { length } = b.collector.links
      b.collector.link.events.closed('closed')
      await b.clock.advance(pause - 1)
      assert.equal(b.collector.links.length, length)
      await b.clock.advance(1)
      b.collector.link.events.opened()
    }
  })

  test('a link that does not open in ten seconds is given up', async () => {
    const b = bench()
    b.sender.start()
    await b.clock.advance(10_000)
    assert.equal(b.collector.link.isDestroyed, true)
    assert.deepEqual(b.sender.health, { isUp: false, text: 'away: no answer within 10 s' })
    await b.clock.advance(1000)
    assert.equal(b.collector.links.length, 2)
  })

  test('while the collector is away the newest 4 MiB are kept, and the others counted', async () => {
    const b = bench()
    b.sender.start()
    const packet = Buffer.alloc(1024)
    for (let sent = 0; sent < 5000; sent++) {
      const numbered = Buffer.from(packet)
      numbered.writeUInt32BE(sent)
      b.sender.send(numbered)
    }
    assert.equal(b.gauge(), BACKLOG_BYTES)
    assert.equal(b.counters.get(DROPPED), 5000 - 4096)
    b.collector.link.events.opened()
    const { packets } = b.collector.link
    assert.equal(packets.length, 4096)
    assert.equal(packets[0]!.readUInt32BE(), 5000 - 4096)
    assert.equal(b.gauge(), 0)
  })

  test('a slow one is given 256 KiB at a time; what it has not read stays here, within bounds', async () => {
    const b = await opened()
    const { link } = b.collector
    link.isSlow = true
    for (let sent = 0; sent < 10_000; sent++) {
      b.sender.send(Buffer.alloc(1024))
      if (sent % 100 === 0) await b.clock.advance(0)
    }
    assert.equal(link.queued, 256 * 1024)
    assert.equal(b.gauge(), BACKLOG_BYTES)
    link.drain()
    assert.equal(link.queued, 256 * 1024)
    link.isSlow = false
    link.drain()
    assert.equal(b.gauge(), 0)
    assert.equal(b.counters.get(SENT) + b.counters.get(DROPPED), 10_000)
  })

  test('one that takes nothing for thirty seconds is given up, one that takes a little is not', async () => {
    const b = await opened()
    const { link } = b.collector
    link.isSlow = true
    b.sender.send(Buffer.alloc(1024))
    await b.clock.advance(20_000)
    link.queued -= 10
    await b.clock.advance(20_000)
    assert.equal(link.isDestroyed, false)
    b.send('more')
    await b.clock.advance(20_000)
    assert.equal(link.isDestroyed, true)
    assert.deepEqual(b.sender.health, { isUp: false, text: 'away: the collector takes nothing' })
  })

  test('at the end it gets what is held, and two seconds to take it', async () => {
    const b = await opened()
    b.send('last')
    await b.sender.stop()
    assert.deepEqual(b.got(), ['last'])
    assert.equal(b.collector.link.isEnded, true)

    const slow = await opened()
    slow.collector.link.isSlow = true
    slow.send('last')
    const stopped = slow.sender.stop()
    await slow.clock.advance(2000)
    await stopped
    assert.equal(slow.collector.link.isDestroyed, true)
    await slow.clock.advance(100_000)
    assert.equal(slow.collector.links.length, 1)
  })

  test('the end does not wait for one that is away, and counts what it misses', async () => {
    const b = bench()
    b.sender.start()
    b.collector.link.events.closed('nobody listens there')
    b.send('1', '2')
    await b.sender.stop()
    assert.equal(b.counters.get(DROPPED), 2)
    await b.clock.advance(100_000)
    assert.equal(b.collector.links.length, 1)
  })

  test('what a link says after it was given up changes nothing', async () => {
    const b = bench()
    b.sender.start()
    const [first] = b.collector.links
    await b.clock.advance(11_000)
    b.collector.link.events.opened()
    first!.events.opened()
    first!.events.closed('late')
    assert.equal(b.sender.health.isUp, true)
  })
})

describe('over UDP', () => {
  test('nothing is known of the collector until a datagram is refused; then it is away, until none is for a second', async () => {
    const b = await opened({ isConfirmed: false })
    assert.deepEqual(b.sender.health, { isUp: true, text: 'sending to udp://homer:9060' })
    b.collector.link.events.failed('nobody listens there')
    assert.deepEqual(b.sender.health, { isUp: false, text: 'away: nobody listens there' })
    await b.clock.advance(5000)
    assert.equal(b.sender.health.isUp, false)
    b.send('1')
    await b.clock.advance(999)
    assert.equal(b.sender.health.isUp, false)
    await b.clock.advance(1)
    assert.equal(b.sender.health.isUp, true)
  })

  test('each datagram refused anew keeps it away, which is said once', async () => {
    const b = await opened({ isConfirmed: false })
    for (let sent = 0; sent < 5; sent++) {
      b.send('1')
      await b.clock.advance(500)
      b.collector.link.events.failed('nobody listens there')
      await b.clock.advance(3000)
      assert.equal(b.sender.health.isUp, false)
    }
    assert.equal(b.lines.length, 1)
  })

  test('a collector that refuses for half a minute is looked up again: it may have moved', async () => {
    const b = await opened({ isConfirmed: false })
    await b.clock.advance(30_000)
    b.collector.link.events.failed('nobody listens there')
    assert.equal(b.collector.links.length, 2)
    assert.equal(b.collector.links[0]!.isDestroyed, true)
    b.collector.link.events.opened()
    assert.equal(b.sender.health.isUp, false)
    b.collector.link.events.failed('nobody listens there')
    assert.equal(b.collector.links.length, 2)
  })

  test('a name that was not found and then is, is all well again', async () => {
    const b = bench({ isConfirmed: false })
    b.sender.start()
    b.collector.link.events.closed('getaddrinfo ENOTFOUND homer')
    assert.deepEqual(b.sender.health, { isUp: false, text: 'away: getaddrinfo ENOTFOUND homer' })
    await b.clock.advance(1000)
    b.collector.link.events.opened()
    assert.equal(b.sender.health.isUp, true)
  })
})

describe('a backlog', () => {
  test('gives out the oldest first, as many as fit, and one in any case', () => {
    const backlog = new Backlog(100)
    for (const text of ['aaa', 'bb', 'c']) backlog.push(Buffer.from(text))
    assert.deepEqual(backlog.take(5).map(String), ['aaa', 'bb'])
    assert.deepEqual(backlog.take(0).map(String), ['c'])
    assert.deepEqual(backlog.take(10), [])
    assert.equal(backlog.bytes, 0)
  })

  test('keeps the newest, also one that is longer than all that it may keep', () => {
    const backlog = new Backlog(10)
    assert.equal(backlog.push(Buffer.alloc(6)), 0)
    assert.equal(backlog.push(Buffer.alloc(5)), 1)
    assert.equal(backlog.push(Buffer.alloc(20)), 1)
    assert.equal(backlog.length, 1)
    assert.equal(backlog.push(Buffer.alloc(1)), 1)
    assert.equal(backlog.bytes, 1)
  })
})
