import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { absent } from '../peers.ts'
import { Baresip } from './baresip.ts'
import { Gateway } from './gateway.ts'
import { Linphone } from './linphone.ts'
import { host } from './network.ts'
import { Started } from './started.ts'

type Phone = Baresip | Linphone

const DOMAIN = 'example.com'
const ANSWERED_ELSEWHERE = /CANCEL sip:(?:[^\r\n]+\r?\n)*?Reason: *SIP *; *cause=200\b/

for (const transport of ['udp', 'tcp'] as const) {
  describe(`three devices of one user over ${transport.toUpperCase()}`, {
    skip: absent('baresip', 'linphonec'),
  }, () => {
    const started = new Started()
    let gateway: Gateway
    let alice: Baresip
    let devices: [Baresip, Baresip, Linphone]

    before(async () => {
      gateway = await started.keep(Gateway.start())
      const common = { domain: DOMAIN, transport }
      const outbound = `sip:${gateway.router};transport=${transport}`
      ;[alice, ...devices] = await started.keepAll([
        Baresip.start({ ...common, outbound, user: 'alice', address: host(10), tone: 440 }),
        Baresip.start({ ...common, outbound, user: 'dave', address: host(11), tone: 600 }),
        Baresip.start({ ...common, outbound, user: 'dave', address: host(12), tone: 700 }),
        Linphone.start({ ...common, proxy: gateway.address, user: 'dave', address: host(13), tone: 1_000 }),
      ])
    })
    afterEach(() => gateway.isIdle())
    after(() => started.stop())

    for (const index of [0, 1, 2] as const) {
      it(`device ${index + 1} answers: the others stop ringing and are told why (RFC 3326)`, async () => {
        const answering = devices[index]
        const others = devices.filter((device) => device !== answering)
        await ringAll()
        await Promise.all([answering.answer(), alice.isEstablished()])
        await Promise.all(others.map((other) => isToldThatAnotherAnswered(other)))
        await alice.hangup()
        await Promise.all([alice.closes(), answering.closes()])
      })
    }

    it('the caller gives up: all three stop ringing (RFC 3261 16.10)', async () => {
      await ringAll()
      await alice.hangup()
      await Promise.all([alice, ...devices].map((phone) => phone.closes()))
    })

    it('one is busy: the others ring on, and one of them answers (RFC 3261 16.7)', async () => {
      const [busy, answering, other] = devices
      await ringAll()
      await busy.hangup()
      await busy.closes()
      await Promise.all([answering.answer(), alice.isEstablished()])
      await isToldThatAnotherAnswered(other)
      await answering.hangup()
      await Promise.all([alice.closes(), answering.closes()])
    })

    it('one declines with 603: that ends the call for all (RFC 3261 16.7 step 5)', async () => {
      const [first, second, declining] = devices
      await ringAll()
      await declining.hangup()
      assert.match(await alice.closes(), /^603 /)
      await Promise.all([first, second, declining].map((phone) => phone.closes()))
    })

    async function ringAll(): Promise<void> {
      for (const device of devices) device.program.skip()
      await alice.call(`sip:dave@${DOMAIN}`)
      await Promise.all(devices.map((device) => device.rings()))
    }
  })
}

async function isToldThatAnotherAnswered(phone: Phone): Promise<void> {
  await phone.program.says(ANSWERED_ELSEWHERE)
  await phone.closes()
}
