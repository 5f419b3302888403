import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { absent } from '../peers.ts'
import { Baresip } from './baresip.ts'
import { BreakingWire } from './breaking-wire.ts'
import { Gateway } from './gateway.ts'
import { WebPhone } from './jssip.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { Started } from './started.ts'

describe('web phones (JsSIP) over WebSocket', { skip: absent('baresip') }, () => {
  const started = new Started()
  let gateway: Gateway
  let alice: WebPhone
  let bob: WebPhone
  /** Knows session timers. */
  let dave: WebPhone
  let carol: Baresip
  /** Its connection breaks. */
  let erin: WebPhone
  let wire: BreakingWire

  before(async () => {
    const address = host(1)
    const env = { SIP_LISTEN: `udp://${address}:5060,ws://${address}:8088`, SESSION_EXPIRES: '30m' }
    gateway = await started.keep(Gateway.start({ env }))
    wire = await started.keep(BreakingWire.open({ address: host(2), port: 8088 }, { address, port: 8088 }))
    ;[alice, bob, dave, erin, carol] = await started.keepAll([
      WebPhone.start('alice', 'example.com', `ws://${address}:8088/sip`),
      WebPhone.start('bob', 'example.com', `ws://${address}:8088`),
      WebPhone.start('dave', 'example.com', `ws://${address}:8088`, true),
      WebPhone.start('erin', 'example.com', `ws://${host(2)}:8088`),
      Baresip.start({
        ...{ user: 'carol', domain: 'example.com', transport: 'udp', outbound: `sip:${gateway.router}` },
        ...{ address: host(13), tone: 1_000 },
      }),
    ] as const)
  })
  afterEach(() => gateway.isIdle())
  after(() => started.stop())

  it('one calls the other, and either hangs up', async () => {
    for (const [caller, callee, last] of [
      [alice, bob, bob],
      [bob, alice, bob],
    ] as const) {
      caller.call(callee.uri)
      await callee.rings()
      await callee.answers()
      await caller.isEstablished()
      last.hangsUp()
      await Promise.all([caller.isFree(), callee.isFree()])
    }
  })

  it('a caller who gives up stops the ringing', async () => {
    alice.call(bob.uri)
    await bob.rings()
    alice.hangsUp()
    await Promise.all([alice.isFree(), bob.isFree()])
  })

  it('a phone over UDP rings when a page calls it, and the caller hears how it declined', async () => {
    alice.call(carol.uri)
    await carol.rings()
    await carol.hangup()
    await alice.isFree()
  })

  it('a page that knows session timers is told to refresh when the phone knows none (RFC 4028 8.2)', async () => {
    dave.call(carol.uri)
    await carol.rings()
    await carol.answer()
    await dave.isEstablished()
    assert.equal(dave.refreshes, '90;refresher=uac')
    dave.hangsUp()
    await dave.isFree()
  })

  for (const end of ['callee', 'caller'] as const)
    it(`a ${end} whose connection breaks while it talks, and who has registered over another one, hears that the other end hangs up`, async () => {
      const [caller, callee] = end === 'callee' ? [alice, erin] : [erin, alice]
      caller.call(callee.uri)
      await callee.rings()
      await callee.answers()
      await caller.isEstablished()
      const back = erin.registersAnew()
      wire.breaks()
      await back
      assert.ok(erin.session?.isEstablished())
      alice.hangsUp()
      await Promise.all([alice.isFree(), erin.isFree()])
    })

  it('MESSAGE goes from page to page, and from a page to a phone', async () => {
    alice.writes(bob.uri, 'from page to page: Grüße')
    await eventually('the message', () => bob.texts.includes('from page to page: Grüße') || undefined)
    bob.writes(carol.uri, 'from page to phone')
    await carol.reads('from page to phone')
  })

  it('a page is registered by its connection, at an address that is none (RFC 7118 5)', async () => {
    const { registrations } = (await gateway.get('/registrations')) as {
      registrations: { aor: string; contact: string; received: { transport: string; nat: boolean } }[]
    }
    const { contact, received } = registrations.find(({ aor }) => aor === alice.uri)!
    assert.match(contact, /\.invalid/)
    assert.deepEqual([received.transport, received.nat], ['ws', true])
  })
})
