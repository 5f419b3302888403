import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Engine } from '../../../gateway/media/engine.ts'
import type { LinkEvents } from '../../../gateway/media/link.ts'
import { Counters } from '../../../gateway/observe/counters.ts'
import { silentLog } from '../../../gateway/observe/log.ts'
import { CountingIds, FakeClock, settled } from '../../support/fake-clock.ts'

/** An engine whose other side is the test. */
function scene() {
  const clock = new FakeClock()
  const counters = new Counters()
  const links: { events: LinkEvents; sent: string[]; isClosed: boolean }[] = []
  const engine = new Engine(
    { name: '10.0.9.1:22222', host: '10.0.9.1', port: 22222, weight: 1 },
    {
      ...{ clock, counters, ids: new CountingIds(), log: silentLog, timeoutMs: 1000, pingMs: 2000 },
      openLink: (_host, _port, events) => {
        const link = { events, sent: [] as string[], isClosed: false }
        links.push(link)
        return {
          send: (datagram) => void link.sent.push(datagram),
          address: '10.0.9.1',
          close: () => {
            link.isClosed = true
          },
        }
      },
    },
  )
  return { clock, counters, links, engine }
}

const PONG = 'd6:result4:ponge'

describe('one rtpengine', () => {
  test('a command is repeated with its cookie until it is answered', async () => {
    const { clock, engine, links } = scene()
    const asked = engine.ask({ command: 'query', 'call-id': 'x' })
    await clock.advance(650)
    assert.equal(links[0]!.sent.length, 3, 'at once, after 100 ms, and 200 ms after that')
    assert.equal(new Set(links[0]!.sent).size, 1)
    links[0]!.events.receive('cookie1 d6:result2:oke')
    assert.deepEqual(await asked, { kind: 'done', answer: { result: 'ok' } })
    await clock.advance(5000)
    assert.equal(links[0]!.sent.length, 3)
    assert.equal(clock.pending, 0)
  })

  test('answers that come twice, late, to somebody else or broken change nothing', async () => {
    const { clock, counters, engine, links } = scene()
    const first = engine.ask({ command: 'ping' })
    const second = engine.ask({ command: 'ping' })
    const { receive } = links[0]!.events
    for (const text of ['', 'noise', 'cookie9 d6:result4:ponge', 'cookie2 d6:result']) receive(text)
    receive(`cookie1 ${PONG}`)
    receive(`cookie1 ${PONG}`)
    assert.equal((await first).kind, 'done')
    await clock.advance(1000)
    assert.deepEqual(await second, { kind: 'away' })
    receive(`cookie2 ${PONG}`)
    assert.equal(counters.get('rtpengine answers to nothing'), 6)
  })

  test('one that says nothing is away after the time-out, and there again when a ping is answered', async () => {
    const { clock, engine, links } = scene()
    engine.start()
    assert.equal(engine.isUp, undefined)
    await clock.advance(1000)
    assert.equal(engine.isUp, false)
    assert.equal(engine.text, 'away: no answer')
    assert.ok(links[0]!.isClosed, 'its name is looked up again')
    await clock.advance(2000)
    links[1]!.events.receive(`cookie2 ${PONG}`)
    await settled()
    assert.equal(engine.isUp, true)
    assert.equal(engine.text, 'connected')
  })

  test('nobody listens there: everything that was asked comes to nothing at once, and the next question tries anew', async () => {
    const { engine, links } = scene()
    const asked = [engine.ask({ command: 'ping' }), engine.ask({ command: 'ping' })]
    links[0]!.events.failed('recv ECONNREFUSED')
    for (const each of asked) assert.deepEqual(await each, { kind: 'away' })
    assert.equal(engine.text, 'away: recv ECONNREFUSED')
    void engine.ask({ command: 'ping' })
    assert.equal(links.length, 2)
  })

  test('what no datagram takes is refused without a word, and says nothing of the rtpengine', async () => {
    const { engine, links } = scene()
    const { kind } = await engine.ask({ command: 'offer', sdp: 'x'.repeat(60_000) })
    assert.equal(kind, 'refused')
    assert.equal(links.length, 0)
    assert.equal(engine.isUp, undefined)
  })

  test('at its end it waits for what was asked, asks nothing more, and leaves no timer', async () => {
    const { clock, engine, links } = scene()
    engine.start()
    links[0]!.events.receive(`cookie1 ${PONG}`)
    await settled()
    const deleted = engine.ask({ command: 'delete', 'call-id': 'x' })
    const stopped = engine.stop()
    await clock.advance(40)
    links[0]!.events.receive('cookie2 d6:result2:oke')
    await clock.advance(20)
    await stopped
    assert.equal((await deleted).kind, 'done')
    assert.deepEqual(await engine.ask({ command: 'ping' }), { kind: 'away' })
    assert.ok(links[0]!.isClosed)
    assert.equal(clock.pending, 0)
  })
})
