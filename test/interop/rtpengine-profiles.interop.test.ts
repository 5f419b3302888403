import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Engine } from '../../gateway/media/engine.ts'
import { MediaRelay } from '../../gateway/media/relay.ts'
import type { MediaPolicy } from '../../gateway/media/types.ts'
import { openUdpLink } from '../../gateway/media/udp-link.ts'
import { Counters } from '../../gateway/observe/counters.ts'
import { silentLog } from '../../gateway/observe/log.ts'
import { readMessage, type SipMessage } from '../../gateway/sip/message.ts'
import { createRandomIds, systemClock } from '../../gateway/system.ts'
import { absent } from '../peers.ts'
import { host } from './network.ts'
import { freePort, Rtpengine } from './rtpengine.ts'
import { Started } from './started.ts'

const ORIGIN = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0']
const CODECS = ['a=rtpmap:0 PCMU/8000', 'a=rtpmap:101 telephone-event/8000', 'a=sendrecv']
/** What a phone of today sends, and what a browser does. */
const PHONE = [...ORIGIN, 'm=audio 4000 RTP/AVP 0 101', ...CODECS]
const SECURE_PHONE = [
  ...[...ORIGIN, 'm=audio 4000 RTP/SAVP 0 101', ...CODECS],
  'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj',
]
const BROWSER = [
  ...[...ORIGIN, 'a=group:BUNDLE 0', 'm=audio 9 UDP/TLS/RTP/SAVPF 0 101', ...CODECS, 'a=mid:0', 'a=rtcp-mux'],
  ...['a=ice-ufrag:abcd', 'a=ice-pwd:abcdefghijklmnopqrstuvwx', 'a=setup:active'],
  `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => 'AB').join(':')}`,
  'a=candidate:1 1 udp 2122260223 127.0.0.1 54400 typ host',
]

/** Lines of each kind of phone that another kind does not understand. */
const OF_BROWSERS = /^a=(ice-|candidate|fingerprint|rtcp-mux|setup)/m

describe('phones and browsers by way of an rtpengine', { skip: absent('rtpengine') }, () => {
  const started = new Started()
  let relay: MediaRelay

  before(async () => {
    const port = await freePort()
    await started.keep(Rtpengine.start({ port, dtmfPort: await freePort(), address: host(3) }))
    const common = { clock: systemClock, ids: createRandomIds(), counters: new Counters(), log: silentLog }
    const at = { name: `127.0.0.1:${port}`, host: '127.0.0.1', port, weight: 1 }
    const engine = new Engine(at, { ...common, openLink: openUdpLink, timeoutMs: 5000, pingMs: 60_000 })
    started.add(() => engine.stop())
    relay = new MediaRelay([engine], { callsOutlive: false, onBug: assert.ifError })
  })
  after(() => started.stop())

  it('a browser calls a phone', async () => {
    const { offer, answer } = await exchanged(BROWSER, PHONE, { ice: 'remove', transport: 'RTP/AVP' })
    assert.match(offer, /^m=audio \d+ RTP\/AVP 0 101\r$/m)
    assert.doesNotMatch(offer, OF_BROWSERS)
    isForBrowsers(answer)
  })

  it('a browser calls a phone that wants its media encrypted (RFC 4568)', async () => {
    const { offer, answer } = await exchanged(BROWSER, SECURE_PHONE, { ice: 'remove', transport: 'RTP/SAVP' })
    assert.match(offer, /^m=audio \d+ RTP\/SAVP 0 101\r$/m)
    assert.match(offer, /^a=crypto:/m)
    assert.doesNotMatch(offer, OF_BROWSERS)
    isForBrowsers(answer)
  })

  it('a phone calls a browser', async () => {
    const policy = { ice: 'force', transport: 'UDP/TLS/RTP/SAVPF' } as const
    const { offer, answer } = await exchanged(PHONE, BROWSER, policy)
    isForBrowsers(offer)
    assert.match(answer, /^m=audio \d+ RTP\/AVP 0 101\r$/m)
    assert.doesNotMatch(answer, OF_BROWSERS)
  })

  function isForBrowsers(sdp: string): void {
    assert.match(sdp, /^m=audio \d+ UDP\/TLS\/RTP\/SAVPF 0/m)
    for (const line of ['rtcp-mux', 'fingerprint:', 'ice-ufrag:', 'candidate:'])
      assert.match(sdp, new RegExp(`^a=${line}`, 'm'))
    assert.doesNotMatch(sdp, /^a=crypto:/m)
  }

  async function exchanged(caller: string[], callee: string[], policy: MediaPolicy) {
    const invite = message('INVITE sip:bob@example.com SIP/2.0', '', caller)
    const leg = relay.leg(`z9hG4bK${Math.random()}`, invite, policy)
    const offered = await leg.open(invite)
    assert.ok(typeof offered === 'object')
    const { promise, resolve } = Promise.withResolvers<SipMessage | undefined>()
    leg.receive(message('SIP/2.0 200 OK', ';tag=B', callee), resolve)
    const answered = await promise
    assert.ok(answered)
    leg.failed()
    return { offer: offered.body, answer: answered.body }
  }
})

function message(start: string, toTag: string, sdp: string[]): SipMessage {
  const headers = [
    'Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1',
    'From: <sip:alice@example.com>;tag=A',
    `To: <sip:bob@example.com>${toTag}`,
    'Call-ID: profiles@example.com',
    'CSeq: 1 INVITE',
    'Content-Type: application/sdp',
  ]
  const read = readMessage(`${[start, ...headers, '', ...sdp].join('\r\n')}\r\n`)
  assert.ok(read.ok)
  return read.message
}
