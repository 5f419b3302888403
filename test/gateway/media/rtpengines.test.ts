import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RouseEvent } from '../../../functions/contract/events.ts'
import { createMemoryStore } from '../../../functions/store/memory.ts'
import { Rtpengines } from '../../../gateway/media/rtpengines.ts'
import { branchKey, ngCallId } from '../../../gateway/media/session-name.ts'
import { Counters } from '../../../gateway/observe/counters.ts'
import { silentLog } from '../../../gateway/observe/log.ts'
import { eventWatcher } from '../../support/event-watcher.ts'
import { CountingIds, FakeClock, settled } from '../../support/fake-clock.ts'
import { FakeEngine } from '../../support/fake-engine.ts'

function scene(listens: () => Promise<void> = async () => {}) {
  const clock = new FakeClock()
  const ids = new CountingIds()
  const counters = new Counters()
  const seen: RouseEvent[] = []
  const fakes = [1, 2].map((number) => new FakeEngine({ address: `10.0.9.${number}`, onCommand: () => {} }))
  let hear: (datagram: string, from: string) => void = () => {}
  const rtpengines = new Rtpengines(
    {
      engines: fakes.map(({ address }) => ({ name: `${address}:22222`, host: address, port: 22222, weight: 1 })),
      ...{ dtmf: { host: '10.0.0.1', port: 22223 }, timeoutMs: 1000, pingMs: 2000 },
    },
    {
      ...{ clock, ids, counters, random: () => 0, log: silentLog, callsOutlive: false },
      store: createMemoryStore({ clock, ids }),
      watchers: [eventWatcher((events) => seen.push(...events))],
    },
    {
      openLink: (host, port, events) => fakes.find(({ address }) => address === host)!.open(host, port, events),
      openEar: async (_host, port, receive) => {
        await listens()
        hear = receive
        return { port, close: () => {} }
      },
    },
  )
  return { clock, counters, seen, fakes, rtpengines, hear: (datagram: string, from: string) => hear(datagram, from) }
}

describe('the rtpengines of a gateway', () => {
  test('absent at the start, dead and back: that is said, and nothing else comes of it', async () => {
    const { clock, counters, fakes, rtpengines } = scene()
    const [first, second] = fakes
    const gauge = () => Object.fromEntries([...counters.gauges()].map(([series, read]) => [series, read()]))
    for (const fake of fakes) fake.state = 'refusing'
    await rtpengines.start()
    await settled()
    const away = (...addresses: string[]) => addresses.map((each) => `${each}:22222 away: ECONNREFUSED`).join('; ')
    assert.deepEqual(rtpengines.health, { isUp: false, text: `0 of 2 connected; ${away('10.0.9.1', '10.0.9.2')}` })
    first!.state = 'there'
    await clock.advance(2000)
    assert.deepEqual(rtpengines.health, { isUp: true, text: `1 of 2 connected; ${away('10.0.9.2')}` })
    assert.deepEqual(gauge(), {
      'rtpengine_up{engine="10.0.9.1:22222"}': 1,
      'rtpengine_up{engine="10.0.9.2:22222"}': 0,
    })
    second!.state = 'there'
    await clock.advance(2000)
    assert.deepEqual(rtpengines.health, { isUp: true, text: 'connected' })
    first!.state = 'silent'
    await clock.advance(3000)
    assert.match(rtpengines.health.text, /^1 of 2 connected; 10\.0\.9\.1:22222 away: no answer$/)
    await rtpengines.stop()
    assert.equal(clock.pending, 0)
  })

  test('an address that cannot be listened on is a reason not to start, and the setting is named', async () => {
    const { rtpengines } = scene(() => Promise.reject(new Error('bind EADDRINUSE')))
    await assert.rejects(
      rtpengines.start(),
      /^Error: RTPENGINE_DTMF_LISTEN: cannot listen on 10\.0\.0\.1 port 22223 \(bind EADDRINUSE\)/,
    )
  })

  test('digits count from an rtpengine that has shown itself; who watches sees them', async () => {
    const { clock, counters, seen, fakes, rtpengines, hear } = scene()
    for (const fake of fakes) fake.state = 'silent'
    await rtpengines.start()
    const callid = ngCallId({ engine: '', branch: branchKey('b'), isDelayed: false }, 'abc@host')
    const report = JSON.stringify({ callid, type: 'DTMF', event: 10, duration: 160 })
    hear(report, '10.0.9.1')
    for (const fake of fakes) fake.state = 'there'
    await clock.advance(3000)
    hear(report, '10.0.9.1')
    hear(report, '10.0.9.3')
    hear('noise', '10.0.9.2')
    assert.deepEqual(
      seen.map(({ type, attributes }) => [type, attributes]),
      [['dtmf', { callId: 'abc@host', digit: '*', duration: 160, source: 'rtp' }]],
    )
    const counted = ['raised', 'stranger', 'unreadable'].map((outcome) =>
      counters.get(`dtmf_reports{outcome="${outcome}"}`),
    )
    assert.deepEqual(counted, [1, 2, 1])
    await rtpengines.stop()
  })
})
