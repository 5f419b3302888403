import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createMemoryStore } from '../../../functions/store/memory.ts'
import { Hep } from '../../../gateway/hep/hep.ts'
import { Counters } from '../../../gateway/observe/counters.ts'
import { silentLog } from '../../../gateway/observe/log.ts'
import type { Listener } from '../../../gateway/transport/types.ts'
import { CountingIds, FakeClock, settled } from '../../support/fake-clock.ts'
import { MemoryNetwork } from '../../support/memory-network.ts'
import { listener } from '../../support/transport-peers.ts'
import { chunksOf } from './chunks.ts'

const COLLECTOR = { transport: 'udp', host: '10.0.0.9', port: 9060 } as const
const AGENT = { id: 1, node: 'gw', authKey: '' }
const MESSAGE = 'OPTIONS sip:a SIP/2.0\r\nCall-ID: call-1\r\n\r\n'
const PHONE = { address: '192.0.2.7', port: 40_000 }

async function scene() {
  const [clock, ids, network, counters] = [new FakeClock(), new CountingIds(), new MemoryNetwork(), new Counters()]
  const packets: Map<number, Buffer>[] = []
  const { host: address, port } = COLLECTOR
  await network.udp({ address, port }, { receive: (octets) => void packets.push(chunksOf(Buffer.from(octets))) })
  const parts = {
    store: createMemoryStore({ clock, ids }),
    random: () => 0.5,
    log: silentLog,
    clock,
    counters,
    network,
  }
  const hep = new Hep(
    { collector: COLLECTOR, agent: AGENT },
    { ...parts, resolve: async (host) => host, self: { address: '10.0.0.1', port: 8080 } },
  )
  hep.start()
  await settled()
  /** `192.0.2.7:40000 > 10.0.0.1:5060 17` */
  const ends = async () => {
    await settled()
    const chunks = packets.at(-1)!
    const end = (address: number, port: number) =>
      `${[...chunks.get(address)!].join('.')}:${chunks.get(port)!.readUInt16BE()}`
    return `${end(3, 7)} > ${end(4, 8)} ${chunks.get(2)!.readUInt8()}`
  }
  const payload = async () => {
    await settled()
    return { call: String(packets.at(-1)!.get(17) ?? ''), ...JSON.parse(String(packets.at(-1)!.get(15))) }
  }
  return { hep, packets, ends, payload, counters }
}

describe('what is shown to Homer', () => {
  test('messages between the ends they go between, whatever carries them', async () => {
    const { hep, ends, packets } = await scene()
    const udp = listener('udp', '10.0.0.1', 5060)
    hep.received(MESSAGE, PHONE, udp)
    assert.equal(await ends(), '192.0.2.7:40000 > 10.0.0.1:5060 17')
    hep.sent(MESSAGE, PHONE, udp)
    assert.equal(await ends(), '10.0.0.1:5060 > 192.0.2.7:40000 17')
    for (const transport of ['tcp', 'tls', 'ws', 'wss'] as const) {
      hep.sent(MESSAGE, PHONE, listener(transport, '10.0.0.1', 443))
      assert.equal(await ends(), '10.0.0.1:443 > 192.0.2.7:40000 6')
    }
    assert.equal(String(packets.at(-1)!.get(17)), 'call-1')
    await hep.stop()
  })

  test('a listener on every address is what it advertises', async () => {
    const { hep, ends } = await scene()
    const every: Listener = { ...listener('udp', '0.0.0.0', 5060), advertisedHost: '203.0.113.1' }
    hep.received(MESSAGE, PHONE, every)
    assert.equal(await ends(), '192.0.2.7:40000 > 203.0.113.1:5060 17')
    hep.received(MESSAGE, PHONE, { ...every, advertisedHost: 'sip.example.com' })
    assert.equal(await ends(), '192.0.2.7:40000 > 0.0.0.0:5060 17')
    await hep.stop()
  })

  test('neither keep-alives nor what nobody can send', async () => {
    const { hep, packets, counters } = await scene()
    hep.received('\r\n\r\n', PHONE, listener('udp', '10.0.0.1', 5060))
    hep.sent(MESSAGE, PHONE, undefined)
    await settled()
    assert.equal(packets.length, 0)
    assert.equal(counters.get('hep_packets{result="sent"}'), 0)
    await hep.stop()
  })

  test('events and invocations, at the call they are of, without secrets', async () => {
    const { hep, payload, ends } = await scene()
    const attributes = { callId: 'call-1', from: 'sip:a@b;pn-prid=SECRET', to: 'sip:c@d', code: 200, reason: 'OK' }
    hep.events([{ id: 'e', type: 'call.answered', time: 1, attributes }])
    const { call, event, from } = await payload()
    assert.deepEqual([call, event], ['call-1', 'call.answered'])
    assert.doesNotMatch(from, /SECRET/)
    assert.equal(await ends(), '10.0.0.1:8080 > 10.0.0.1:8080 6')
    hep.events([{ id: 'e', type: 'contact.expired', time: 1, attributes: { aor: 'sip:bob@example.com' } }])
    assert.equal((await payload()).call, 'sip:bob@example.com')
    hep.invoked({
      callId: 'call-1',
      path: '/invite/a/b',
      type: 'sip.request',
      result: 'failed',
      problem: 'handler.timeout',
      ms: 2500,
    })
    assert.deepEqual(await payload(), {
      ...{
        call: 'call-1',
        path: '/invite/a/b',
        type: 'sip.request',
        result: 'failed',
        problem: 'handler.timeout',
        ms: 2500,
      },
    })
    await hep.stop()
  })

  test('how it is with the collector is told in readiness', async () => {
    const { hep } = await scene()
    assert.deepEqual(hep.health, { isUp: true, text: 'sent by UDP, unheard' })
    await hep.stop()
  })
})
