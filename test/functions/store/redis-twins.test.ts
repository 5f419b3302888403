import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Attributes, Filter } from '../../../functions/contract/events.ts'
import { applyRegister } from '../../../functions/store/apply-register.ts'
import { matches, patternsOf } from '../../../functions/store/filter.ts'
import type { Binding, RegisterChange } from '../../../functions/store/store.ts'
import { whereabouts } from '../../../functions/store/whereabouts.ts'
import { type RedisSubject, redisSubject as subjectAt } from '../../conformance/redis-subject.ts'
import { event, expectDeliveries, listen, positionNow, subscription, transaction } from '../../conformance/subject.ts'
import { absent } from '../../peers.ts'
import { seeded } from '../../support/random.ts'
import { startRedis, type TestRedis } from '../../support/redis-server.ts'

/** Scripts in Lua beside the pure functions that say what they have to do. */

const PORT = 27_192

describe('what Redis decides is what the pure functions decide', { skip: absent('redis-server') }, () => {
  let server: TestRedis
  const subjects: RedisSubject[] = []
  const redisSubject = (options: Parameters<typeof subjectAt>[1] = {}) => {
    const subject = subjectAt(server.url, options)
    subjects.push(subject)
    return subject
  }

  before(async () => {
    server = await startRedis({ port: PORT })
  })
  after(async () => {
    for (const subject of subjects) await subject.close()
    await server?.stop()
  })

  test('REGISTER in Redis decides as applyRegister does, whatever comes', async () => {
    const subject = redisSubject()
    const random = seeded(7)
    const base = subject.now()
    for (let aors = 0; aors < 40; aors++) {
      const aor = `sip:user${aors}@example.com`
      let stored: Binding[] = []
      for (let step = 0; step < 15; step++) {
        const change = randomChange(random, aor, base + step * 20_000)
        const expected = applyRegister(stored, change)
        const outcome = await subject.store.register(change)
        if (expected.ok) stored = expected.bindings
        const live = whereabouts(stored, change.now)
        const context = JSON.stringify({ aor, step, change }, null, 1)
        assert.equal(outcome.ok, expected.ok, context)
        const { bindings, asleep } = outcome
        assert.deepEqual({ bindings, ...(asleep ? { asleep } : {}) }, JSON.parse(JSON.stringify(live)), context)
        if (outcome.ok && expected.ok) {
          const happened = outcome.events.map(({ type, attributes }) => ({ type, attributes }))
          assert.deepEqual(happened, expected.happened, context)
        } else assert.equal(!outcome.ok && outcome.why, !expected.ok && expected.why, context)
      }
    }
  })

  test('an event finds what its filter says, whatever the names, values and number of combinations', async () => {
    const subject = redisSubject()
    const received = await listen(subject)
    const random = seeded(5)
    const since = await positionNow(subject)
    const subscriptions = Array.from({ length: 150 }, (_, index) => {
      return subscription(subject, `s${index}`, pickOf(random, 'a.b', 'a.*', 'a.b.*', 'a'), randomFilter(random))
    })
    const owner = transaction(subject, 't')
    await subject.store.suspend({ transaction: owner, add: subscriptions, drop: [], since })
    const events = Array.from({ length: 200 }, () => {
      return event(pickOf(random, 'a', 'a.b', 'a.b.c', 'a.c'), randomAttributes(random))
    })
    const expected = events.flatMap((one) => {
      const found = subscriptions.filter((each) => {
        return patternsOf(one.type).includes(each.event) && matches(each.filter, one.attributes)
      })
      return found.map(({ id }) => `${one.id} ${id}`)
    })
    assert.ok(expected.length > 500, `${expected.length} matches`)
    assert.equal(await subject.store.publish(events), expected.length)
    const deliveries = await expectDeliveries(subject, received, expected.length)
    assert.deepEqual(deliveries.map((one) => `${one.event.id} ${one.subscription}`).sort(), expected.sort())
    const again = subscriptions.map((each) => ({ ...each, id: `${each.id}`, transaction: 't2' }))
    const missed = await subject.store.suspend({
      transaction: transaction(subject, 't2'),
      add: again,
      drop: [],
      since,
    })
    assert.deepEqual(missed.map((one) => `${one.event.id} ${one.subscription}`).sort(), expected, 'and as missed ones')
  })
})

const VALUES = ['x', '1:x', 'y\nz', '2', 2, true, 'true', 'grüße 🎉', '']

function pickOf<Item>(random: () => number, ...items: Item[]): Item {
  return items[Math.floor(random() * items.length)]!
}

function randomAttributes(random: () => number): Attributes {
  const names = ['k', 'l', 'm', 'constructor'].filter(() => random() < 0.7)
  return Object.fromEntries(names.map((name) => [name, pickOf(random, ...VALUES)]))
}

/** Sometimes lists of more combinations than become keys. */
function randomFilter(random: () => number): Filter {
  const names = ['k', 'l', 'm', 'constructor'].filter(() => random() < 0.4)
  const many = () => [...VALUES, ...Array.from({ length: 20 }, (_, index) => `v${index}`)]
  const wanted = () => (random() < 0.5 ? pickOf(random, ...VALUES) : random() < 0.5 ? many() : VALUES.slice(0, 3))
  return Object.fromEntries(names.map((name) => [name, wanted()]))
}

/** Two devices, two addresses, sometimes an instance: nearly everything meets nearly everything. */
function randomChange(random: () => number, aor: string, now: number): RegisterChange {
  const pick = <Item>(...items: Item[]): Item => items[Math.floor(random() * items.length)]!
  const named = () => {
    const instance = pick(undefined, 'urn:uuid:1', 'urn:uuid:2', '')
    const contact = pick('sip:bob@192.0.2.1', 'sip:bob@192.0.2.2', 'sip:15551234567@192.0.2.3')
    return { contact, device: pick('d1', 'd2', 'd3', 'd4'), ...(instance === undefined ? {} : { instance }) }
  }
  const dead = { provider: 'p', prid: 'x', param: '', invalidSince: 1 }
  const removed = () => ({ ...named(), ...pick({}, { keepUntil: now + 50_000 }) })
  const callId = pick('call 1', 'call 2')
  const cseq = Math.floor(random() * 6)
  const put = Array.from({ length: Math.floor(random() * 3) }, (): Binding => {
    const expiresAt = now + pick(10_000, 30_000, 50_000, 400_000)
    const registeredAt = now - Math.floor(random() * 2)
    const received = {
      transport: 'udp' as const,
      address: '192.0.2.1',
      port: 5060,
      listener: 'l',
      connection: 0,
      gateway: 'gw-a',
      nat: false,
    }
    return {
      aor,
      ...named(),
      q: pick(1, 0.5),
      expiresAt,
      registeredAt,
      callId,
      cseq,
      path: [],
      received,
      parameters: '',
      ...pick({}, { push: { provider: 'p', prid: '"cseq":1,"expiresAt":2', param: '' } }, { push: dead }),
      ...pick({}, { refresh: { at: now + 5, tries: 0 } }),
    }
  })
  const remove =
    Math.floor(random() * 5) === 0 ? ('*' as const) : Array.from({ length: Math.floor(random() * 2) }, removed)
  return { aor, callId, cseq, now, put, remove, maxContacts: pick(2, 3, 10) }
}
