import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RouseEvent } from '../../../functions/contract/events.ts'
import { createMemoryStore } from '../../../functions/store/memory.ts'
import type { Store } from '../../../functions/store/store.ts'
import type { Pusher, PushJob } from '../../../gateway/push/types.ts'
import { createRegistrar, type Registrar, type RegistrarOptions } from '../../../gateway/registrar/registrar.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'
import { flow, OPTIONS, registerRequest, START } from './support.ts'

interface SeenPush {
  /** Seconds after the start. */
  at: number
  job: PushJob
  gateway: string
}

/** Registrars that share a store; each push is noted with its second. */
class Fleet {
  readonly clock = new FakeClock(START)
  readonly store: Store = createMemoryStore({ clock: this.clock, ids: new CountingIds() })
  readonly pushes: SeenPush[] = []
  readonly events: RouseEvent[] = []
  #cseq = 0

  gateway(name: string, options: Partial<RegistrarOptions> = {}): Registrar {
    const pusher: Pusher = {
      push: async (job) => {
        this.pushes.push({ at: this.seconds, job, gateway: name })
        return { outcome: 'accepted' }
      },
    }
    const registrar = createRegistrar({
      store: this.store,
      clock: this.clock,
      options: { ...OPTIONS, ...options, gateway: name },
      publish: (events) => void this.events.push(...events),
      refreshes: { pusher, ids: new CountingIds() },
    })
    registrar.start()
    return registrar
  }

  get seconds(): number {
    return (this.clock.now() - START) / 1000
  }

  async register(registrar: Registrar, user: string, expires = 3600, more = ''): Promise<void> {
    const contact = `<sip:${user}@192.0.2.10:5060;pn-provider=fcm;pn-prid=token-of-${user}>${more}`
    const wishes = {
      to: `<sip:${user}@example.com>`,
      headers: [`Expires: ${expires}`],
      callId: user,
      cseq: ++this.#cseq,
    }
    assert.equal((await registrar.register(registerRequest([contact], wishes), flow())).status, 200)
  }

  /** Seconds after the start at which each push went out. */
  get times(): number[] {
    return this.pushes.map(({ at }) => at)
  }

  due(): (string | number | boolean | undefined)[][] {
    const due = this.events.filter(({ type }) => type === 'contact.refresh_due')
    return due.map(({ attributes }) => [attributes.aor, attributes.reason])
  }
}

describe('a binding is refreshed by a push before it expires (RFC 8599 5.5)', () => {
  test('some time before; the device that comes is left alone until the next time', async () => {
    const fleet = new Fleet()
    const registrar = fleet.gateway('gw-a')
    await fleet.register(registrar, 'bob')
    await fleet.clock.advance(2600_000)
    assert.equal(fleet.pushes.length, 0)
    await fleet.clock.advance(400_000)
    const [push] = fleet.pushes
    assert.equal(push!.job.purpose, 'refresh')
    assert.equal(push!.job.binding.push?.prid, 'token-of-bob')
    assert.equal(push!.job.call, undefined, 'nobody calls')
    const before = fleet.pushes.length
    await fleet.register(registrar, 'bob')
    await fleet.clock.advance(2600_000)
    assert.equal(fleet.pushes.length, before)
    const [event] = fleet.events.filter(({ type }) => type === 'contact.refresh_due')
    const { contact, reason, expires } = event!.attributes
    assert.deepEqual([contact, reason], ['sip:bob@192.0.2.10:5060', 'expires'])
    assert.equal(Number(expires), 3600 - push!.at)
    registrar.stop()
  })

  test('one that does not come is pushed again with growing gaps, a few times, and then expires', async () => {
    const fleet = new Fleet()
    const registrar = fleet.gateway('gw-a')
    await fleet.register(registrar, 'bob')
    await fleet.clock.advance(3700_000)
    const gaps = fleet.times.slice(1).map((at, index) => at - fleet.times[index]!)
    assert.deepEqual(gaps, [60, 120, 240])
    assert.deepEqual(fleet.due(), [
      ['sip:bob@example.com', 'expires'],
      ['sip:bob@example.com', 'again'],
      ['sip:bob@example.com', 'again'],
      ['sip:bob@example.com', 'again'],
    ])
    assert.ok(fleet.pushes.every(({ job }) => job.until <= START + 3600_000))
    assert.ok(fleet.events.some(({ type }) => type === 'contact.expired'))
    registrar.stop()
  })

  test('a device that wakes by itself is pushed only when it has let its time pass', async () => {
    const fleet = new Fleet()
    const registrar = fleet.gateway('gw-a')
    await fleet.register(registrar, 'bob', 3600, ';+sip.pnsreg')
    await fleet.clock.advance(2400_000)
    assert.deepEqual(fleet.pushes, [], 'until 1200 s before its expiry, as it was told')
    await fleet.clock.advance(650_000)
    assert.deepEqual(fleet.due()[0], ['sip:bob@example.com', 'missed'])
    registrar.stop()
  })

  test('nothing is pushed to one that is asleep, has unregistered, gave up its prid, or has an invalid token', async () => {
    const fleet = new Fleet()
    const registrar = fleet.gateway('gw-a')
    for (const user of ['asleep', 'gone', 'silent', 'dead']) await fleet.register(registrar, user)
    const says = (user: string, parameters: string, expires: string) => {
      const wishes = { to: `<sip:${user}@example.com>`, headers: [`Expires: ${expires}`] }
      return registrar.register(registerRequest([`<sip:${user}@192.0.2.10:5060;${parameters}>`], wishes), flow())
    }
    await says('asleep', 'pn-provider=fcm;pn-prid=token-of-asleep;pn-keep', '0')
    await says('gone', 'pn-provider=fcm;pn-prid=token-of-gone', '0')
    await says('silent', 'pn-provider=fcm', '3600')
    const [dead] = (await fleet.store.lookup('sip:dead@example.com')).bindings
    await fleet.store.amend(dead!, { ...dead!, push: { ...dead!.push!, invalidSince: START } })
    await fleet.clock.advance(4000_000)
    assert.deepEqual(fleet.pushes, [])
    assert.equal((await fleet.store.lookup('sip:asleep@example.com')).asleep?.length, 1)
    registrar.stop()
  })

  test('ten thousand of one minute, two gateways and a restart: each once, in no second too many', async () => {
    const fleet = new Fleet()
    let first = fleet.gateway('gw-a')
    const second = fleet.gateway('gw-b')
    const count = 10_000
    for (let user = 0; user < count; user++) {
      await fleet.register(user % 2 === 0 ? first : second, `u${user}`)
      if (user % 500 === 499) await fleet.clock.advance(3000)
    }
    // The first push may be due 960 s before the expiry: 600 s, and a tenth of the interval.
    await fleet.clock.advance(2760_000)
    assert.ok(fleet.pushes.length > 1000 && fleet.pushes.length < 9000, `${fleet.pushes.length} pushes by then`)
    first.stop()
    await fleet.clock.advance(20_000)
    first = fleet.gateway('gw-a')
    const firsts = () => fleet.pushes.filter(({ job }) => job.binding.refresh?.tries === 1)
    for (let second = 0; second < 300 && firsts().length < count; second++) await fleet.clock.advance(1000)
    const devices = new Set(firsts().map(({ job }) => job.binding.device))
    assert.equal(firsts().length, count, 'none is missed, and none is pushed twice')
    assert.equal(devices.size, count)
    assert.ok(
      firsts().every(({ job, at }) => job.binding.expiresAt - START - at * 1000 >= 599_000),
      'in time',
    )
    const perSecond = new Map<number, number>()
    for (const { at } of firsts()) perSecond.set(at, (perSecond.get(at) ?? 0) + 1)
    const busiest = Math.max(...perSecond.values())
    assert.ok(busiest < 60, `${busiest} pushes in the busiest second of ${perSecond.size}, 28 on average`)
    for (const gateway of ['gw-a', 'gw-b'])
      assert.ok(
        fleet.pushes.some((push) => push.gateway === gateway),
        gateway,
      )
    first.stop()
    second.stop()
  })

  test('however many are due, a gateway pushes so many in a second and the rest in the next ones', async () => {
    const fleet = new Fleet()
    const registrar = fleet.gateway('gw-a', { refreshPerSecond: 5, refreshLead: 1000 })
    for (let user = 0; user < 40; user++) await fleet.register(registrar, `u${user}`, 60)
    registrar.stop()
    await fleet.clock.advance(41_000)
    registrar.start()
    await fleet.clock.advance(4000)
    assert.deepEqual([...new Set(fleet.times)], [42, 43, 44, 45])
    assert.deepEqual(
      [42, 43, 44, 45].map((second) => fleet.times.filter((at) => at === second).length),
      [5, 5, 5, 5],
    )
    registrar.stop()
  })
})
