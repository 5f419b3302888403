import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { absent } from '../peers.ts'
import { Baresip } from './baresip.ts'
import { Gateway } from './gateway.ts'
import { Linphone } from './linphone.ts'
import { host } from './network.ts'
import { eventually } from './program.ts'
import { Started } from './started.ts'

type Phone = Baresip | Linphone

for (const transport of ['udp', 'tcp'] as const) {
  describe(`real phones over ${transport.toUpperCase()}`, { skip: absent('baresip', 'linphonec') }, () => {
    const started = new Started()
    let gateway: Gateway
    let alice: Baresip
    let bob: Baresip
    let carol: Linphone

    before(async () => {
      gateway = await started.keep(Gateway.start())
      const domain = gateway.address
      const common = { domain, transport }
      const uri = (user: string) => `sip:${user}@${domain}`
      // Two of them share the router's address: there "mine" is a matter of the port.
      const starting = [
        Baresip.start({ ...common, user: 'alice', address: domain, port: 5070, tone: 440, friend: uri('carol') }),
        Baresip.start({ ...common, user: 'bob', address: domain, port: 5080, tone: 700, friend: uri('alice') }),
        Linphone.start({ ...common, user: 'carol', address: host(13), proxy: domain, tone: 1_000 }),
      ] as const
      ;[alice, bob, carol] = await started.keepAll(starting)
    })
    afterEach(() => gateway.isIdle())
    after(() => started.stop())

    it('a call between two baresips has sound both ways, and the callee hangs up', async () => {
      await talk(alice, bob)
      await hangUp(bob, alice)
    })

    it('a call between two baresips is hung up by the caller', async () => {
      await connect(alice, bob)
      await hangUp(alice, bob)
    })

    it('baresip calls linphone: sound both ways, and the callee hangs up', async () => {
      await talk(bob, carol)
      await hangUp(carol, bob)
    })

    it('linphone calls baresip: sound both ways, and the callee hangs up', async () => {
      await talk(carol, alice)
      await hangUp(alice, carol)
    })

    it('linphone calls baresip and hangs up', async () => {
      await connect(carol, bob)
      await hangUp(carol, bob)
    })

    it('a caller who gives up stops the ringing (RFC 3261 9, 16.10)', async () => {
      for (const [caller, callee] of [
        [alice, bob],
        [bob, carol],
        [carol, alice],
      ] as const) {
        await ring(caller, callee)
        await hangUp(caller, callee)
      }
    })

    it('the caller is told how the callee declined (RFC 3261 16.7)', async () => {
      await ring(alice, bob)
      await bob.hangup()
      assert.match(await alice.closes(), /^486 /)
      await bob.closes()
      await ring(alice, carol)
      await carol.hangup()
      assert.match(await alice.closes(), /^603 /)
      await carol.closes()
    })

    it('MESSAGE reaches the other phone (RFC 3428)', async () => {
      await alice.message('from baresip to linphone')
      await carol.reads('from baresip to linphone')
      carol.message(bob.uri, 'from linphone to baresip')
      await bob.reads('from linphone to baresip')
      await bob.message('from baresip to baresip')
      await alice.reads('from baresip to baresip')
    })
  })
}

async function ring(caller: Phone, callee: Phone): Promise<void> {
  await caller.call(callee.uri)
  await Promise.all([callee.rings(), caller.hearsRinging()])
}

async function connect(caller: Phone, callee: Phone): Promise<void> {
  await ring(caller, callee)
  await Promise.all([callee.answer(), caller.isEstablished()])
}

/** A call in which each hears the other's tone for half a second, and nothing of its own. */
async function talk(caller: Phone, callee: Phone): Promise<void> {
  await connect(caller, callee)
  await eventually('sound both ways', () => hears(caller, callee) && hears(callee, caller))
  assert.equal(caller.heard(caller.tone), 0)
  assert.equal(callee.heard(callee.tone), 0)
}

function hears(listener: Phone, speaker: Phone): true | undefined {
  return listener.heard(speaker.tone) >= 0.5 || undefined
}

async function hangUp(one: Phone, other: Phone): Promise<void> {
  await one.hangup()
  await Promise.all([one.closes(), other.closes()])
}
