import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { served } from '../functions/any-language/served.ts'
import { absent } from '../peers.ts'
import { Gateway } from './gateway.ts'
import { host, nextAddress } from './network.ts'
import { PushServer } from './push-server.ts'
import { SipPhone } from './sip-phone.ts'
import { Started } from './started.ts'

const HANDLER = fileURLToPath(new URL('../../functions/examples/python/handler.py', import.meta.url))
const WEBHOOK_SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

/** Phones are npm's `sip`, in the process of the test. */
describe('a function in Python behind a gateway that signs', { skip: absent('python3') }, () => {
  const started = new Started()
  let gateway: Gateway
  let pushes: PushServer
  let bobs = 0

  before(async () => {
    pushes = await started.keep(PushServer.start(host(9)))
    const { url } = await started.keep(served('python3', [HANDLER], { WEBHOOK_SECRET }))
    gateway = await started.keep(
      Gateway.start({ env: { FUNCTIONS: url, PUSH_WEBHOOK_URL: pushes.url, WEBHOOK_SECRET } }),
    )
  })
  after(() => started.stop())

  it('bob’s tablet rings, the push wakes his phone, the ringing call forks to it late, and it answers', async () => {
    const { alice, phone, bob } = await cast()
    const tablet = device('tablet', bob)
    await tablet.register()
    const rings = once(ringing(tablet), 'ring')
    const calling = alice.call(bob)
    await rings
    await answeredWhenWoken(phone, bob)
    assert.equal(await calling, 200)
    await alice.hangUp()
  })

  it('a call that waits goes on when the phone registers', async () => {
    const { alice, phone, bob } = await cast()
    const calling = alice.call(`*43${bob}`)
    await answeredWhenWoken(phone, bob)
    assert.equal(await calling, 200)
    await alice.hangUp()
  })

  /** alice, and a phone of somebody whom nobody else calls: it has registered, and sleeps now. */
  async function cast() {
    const bob = `bob${++bobs}`
    const phone = device('phone', bob, `pn-provider=webhook;pn-prid=token-of-${bob};pn-param=app`)
    await phone.register()
    phone.sleep()
    return { bob, phone, alice: device('alice', 'alice') }
  }

  async function answeredWhenWoken(phone: SipPhone, bob: string): Promise<void> {
    const { prid } = await pushes.next(bob)
    assert.equal(prid, `token-of-${bob}`)
    phone.onRing = () => phone.answer()
    assert.equal(await phone.wake(), 200)
  }

  function device(name: string, user: string, contactParams = ''): SipPhone {
    const phone = new SipPhone({
      name,
      user,
      address: nextAddress(),
      port: 5060,
      gateway: gateway.router,
      domain: 'example.com',
      instance: `urn:uuid:00000000-0000-4000-8000-${user}-${name}`,
      onArrow: () => {},
      ...(contactParams ? { contactParams } : {}),
    })
    started.add(() => phone.close())
    return phone
  }
})

function ringing(phone: SipPhone) {
  const target = new EventTarget()
  phone.onRing = () => target.dispatchEvent(new Event('ring'))
  return target
}
