import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Binding } from '../../functions/store/store.ts'
import { binding, type CreateSubject, contactsOf, put, type Subject } from './subject.ts'

export function locationConformance(create: CreateSubject): void {
  const it = (title: string, body: (subject: Subject) => Promise<void>): void =>
    void test(title, async () => {
      const subject = await create()
      await body(subject).finally(() => subject.close())
    })

  it('an AOR nobody registered has no bindings', async (subject) => {
    assert.deepEqual((await subject.store.lookup('sip:nobody@example.com')).bindings, [])
  })

  it('a change may name the event that it raises', async (subject) => {
    const both = [binding(subject, 'phone'), binding(subject, 'desk')] as const
    const outcome = await subject.store.register({ ...put(subject, ...both), event: 'named' })
    assert.ok(outcome.ok)
    assert.deepEqual([outcome.events[0]!.id, outcome.events[1]!.id === 'named'], ['named', false])
    const again = await subject.store.register({
      ...put(subject, binding(subject, 'phone', { cseq: 2 })),
      event: 'named too',
    })
    assert.deepEqual(again.ok && again.events.map(({ id }) => id), ['named too'])
  })

  it('a binding comes back whole', async (subject) => {
    const whole = binding(subject, 'urn:uuid:1', {
      instance: 'urn:uuid:1',
      regId: 1,
      q: 0.5,
      path: ['<sip:edge.example.com;lr>'],
      push: { provider: 'fcm', prid: 'secret', param: 'project' },
      userAgent: 'Phone/1',
      parameters: ';methods="INVITE"',
    })
    await subject.store.register(put(subject, whole))
    assert.deepEqual((await subject.store.lookup(whole.aor)).bindings, [whole])
  })

  it('look-ups are sorted: highest q first, then most recently registered first', async (subject) => {
    const later = subject.now() + 5
    const low = binding(subject, 'low', { q: 0.1, registeredAt: later })
    const early = binding(subject, 'early')
    const late = binding(subject, 'late', { registeredAt: later })
    for (const one of [low, early, late]) await subject.store.register(put(subject, one))
    const devices = (await subject.store.lookup(low.aor)).bindings.map((one) => one.device)
    assert.deepEqual(devices, ['late', 'early', 'low'])
  })

  it('registering raises contact.registered: new, then refreshed, with the attributes handlers filter on', async (subject) => {
    const first = await subject.store.register(put(subject, binding(subject, 'phone')))
    const again = await subject.store.register(
      put(subject, binding(subject, 'phone', { cseq: 2, instance: 'urn:uuid:1' })),
    )
    assert.ok(first.ok && again.ok)
    assert.equal(first.events.length, 1)
    assert.equal(first.events[0]!.type, 'contact.registered')
    assert.deepEqual(first.events[0]!.attributes, {
      aor: 'sip:bob@example.com',
      contact: 'sip:bob@phone.example.net',
      instance: '',
      kind: 'new',
      expires: 60,
      gateway: 'gw-a',
    })
    assert.equal(again.events[0]!.attributes.kind, 'refreshed')
    assert.equal(again.events[0]!.attributes.instance, 'urn:uuid:1')
    assert.notEqual(again.events[0]!.id, first.events[0]!.id)
  })

  it('the same device from a new address replaces its binding (RFC 5626 6)', async (subject) => {
    await subject.store.register(put(subject, binding(subject, 'phone', { contact: 'sip:bob@192.0.2.1:5060' })))
    const moved = binding(subject, 'phone', { contact: 'sip:bob@192.0.2.9:7777', callId: 'after the restart' })
    const outcome = await subject.store.register(put(subject, moved))
    assert.ok(outcome.ok)
    assert.equal(outcome.events.length, 1)
    assert.deepEqual(await contactsOf(subject), ['sip:bob@192.0.2.9:7777'])
  })

  it('the same contact under another device key replaces the binding (RFC 3261 10.3)', async (subject) => {
    const contact = 'sip:bob@192.0.2.1:5060'
    await subject.store.register(put(subject, binding(subject, 'old token', { contact })))
    await subject.store.register(put(subject, binding(subject, 'new token', { contact })))
    assert.deepEqual(
      (await subject.store.lookup('sip:bob@example.com')).bindings.map((one) => one.device),
      ['new token'],
    )
  })

  it('two instances with equal private addresses are two bindings (RFC 5626 6)', async (subject) => {
    const contact = 'sip:bob@192.168.1.10:5060'
    for (const instance of ['urn:uuid:1', 'urn:uuid:2']) {
      await subject.store.register(put(subject, binding(subject, instance, { contact, instance })))
    }
    const change = { ...put(subject, binding(subject, 'urn:uuid:1', { cseq: 2 })), put: [] }
    const outcome = await subject.store.register({
      ...change,
      remove: [{ contact, device: 'urn:uuid:3', instance: 'urn:uuid:3' }],
    })
    assert.equal(outcome.bindings.length, 2)
    const removed = await subject.store.register({
      ...change,
      remove: [{ contact, device: 'urn:uuid:1', instance: 'urn:uuid:1' }],
    })
    assert.deepEqual(
      removed.bindings.map((one) => one.device),
      ['urn:uuid:2'],
    )
  })

  it('removing raises contact.removed once for each binding that was there', async (subject) => {
    const devices = ['a', 'b', 'c'].map((device) => binding(subject, device))
    for (const one of devices) await subject.store.register(put(subject, one))
    const change = { ...put(subject, binding(subject, 'a', { callId: 'another' })), put: [] as Binding[] }
    const one = { contact: devices[0]!.contact, device: 'a' }
    const first = await subject.store.register({ ...change, remove: [one, { contact: 'sip:x@y', device: 'z' }] })
    assert.ok(first.ok)
    assert.deepEqual(
      first.events.map((event) => [event.type, event.attributes.contact]),
      [['contact.removed', one.contact]],
    )
    const rest = await subject.store.register({ ...change, remove: '*' })
    assert.ok(rest.ok)
    assert.deepEqual(
      rest.events.map((event) => event.type),
      ['contact.removed', 'contact.removed'],
    )
    assert.deepEqual(rest.bindings, [])
    assert.deepEqual(await contactsOf(subject), [])
  })

  it('a device that gives up its old address and names a new one in one REGISTER is refreshed, not removed', async (subject) => {
    await subject.store.register(put(subject, binding(subject, 'phone', { contact: 'sip:bob@192.0.2.1' })))
    const moved = put(subject, binding(subject, 'phone', { contact: 'sip:bob@192.0.2.2', cseq: 2 }))
    const remove = [{ contact: 'sip:bob@192.0.2.1', device: 'phone' }]
    const outcome = await subject.store.register({ ...moved, remove })
    assert.ok(outcome.ok)
    assert.deepEqual(
      outcome.events.map((event) => [event.type, event.attributes.kind]),
      [['contact.registered', 'refreshed']],
    )
    assert.deepEqual(await contactsOf(subject), ['sip:bob@192.0.2.2'])
  })

  it('the same Call-ID needs a higher CSeq, another Call-ID always wins (RFC 3261 10.3 step 7)', async (subject) => {
    await subject.store.register(put(subject, binding(subject, 'phone', { cseq: 5 })))
    const attempts: [Partial<Binding>, boolean][] = [
      [{ cseq: 5 }, false],
      [{ cseq: 4 }, false],
      [{ cseq: 6 }, true],
      [{ cseq: 1, callId: 'rebooted' }, true],
    ]
    for (const [more, ok] of attempts) {
      const outcome = await subject.store.register(put(subject, binding(subject, 'phone', more)))
      assert.equal(outcome.ok, ok, JSON.stringify(more))
      if (!outcome.ok) assert.equal(outcome.why, 'order')
    }
  })

  it('a REGISTER out of order changes nothing, its other contacts included', async (subject) => {
    await subject.store.register(put(subject, binding(subject, 'phone', { cseq: 5 })))
    const stale = binding(subject, 'phone', { cseq: 5, contact: 'sip:elsewhere@example.net' })
    const outcome = await subject.store.register(put(subject, stale, binding(subject, 'tablet')))
    assert.deepEqual(
      outcome.bindings.map((one) => one.contact),
      ['sip:bob@phone.example.net'],
    )
    const removal = { ...put(subject, stale), put: [], remove: '*' as const }
    assert.equal((await subject.store.register(removal)).ok, false)
    assert.deepEqual(await contactsOf(subject), ['sip:bob@phone.example.net'])
  })

  it('too many contacts are refused whole; refreshing within the limit is not', async (subject) => {
    const change = put(subject, binding(subject, 'a'), binding(subject, 'b'))
    const full = { ...change, maxContacts: 2 }
    assert.equal((await subject.store.register(full)).ok, true)
    const third = { ...put(subject, binding(subject, 'a', { cseq: 2 }), binding(subject, 'c')), maxContacts: 2 }
    const outcome = await subject.store.register(third)
    assert.ok(!outcome.ok)
    assert.equal(outcome.why, 'too many contacts')
    assert.equal(
      (await subject.store.lookup('sip:bob@example.com')).bindings.find((one) => one.device === 'a')?.cseq,
      1,
    )
    const lowered = { ...put(subject, binding(subject, 'a', { cseq: 2, callId: change.callId })), maxContacts: 1 }
    assert.equal((await subject.store.register(lowered)).ok, true)
  })

  it('a change without contacts only fetches', async (subject) => {
    await subject.store.register(put(subject, binding(subject, 'phone', { cseq: 9 })))
    const fetched = await subject.store.register({ ...put(subject, binding(subject, 'phone')), put: [] })
    assert.ok(fetched.ok)
    assert.equal(fetched.bindings.length, 1)
    assert.deepEqual(fetched.events, [])
  })

  it('RG10: REGISTERs for one AOR at once have one order and no update is lost', async (subject) => {
    const changes = Array.from({ length: 10 }, (_, index) => put(subject, binding(subject, `device-${index}`)))
    const outcomes = await Promise.all(changes.map((change) => subject.store.register(change)))
    const sizes = outcomes.map((outcome) => outcome.bindings.length).sort((a, b) => a - b)
    assert.deepEqual(sizes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    assert.equal((await contactsOf(subject)).length, 10)
  })

  it('RG10: of REGISTERs at once with one Call-ID and CSeq exactly one wins', async (subject) => {
    const change = put(subject, binding(subject, 'phone'))
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => subject.store.register(change)))
    assert.equal(outcomes.filter((outcome) => outcome.ok).length, 1)
  })

  it('RG10: adding at once beyond the limit stops exactly at the limit', async (subject) => {
    const changes = Array.from({ length: 10 }, (_, index) => put(subject, binding(subject, `device-${index}`)))
    const outcomes = await Promise.all(changes.map((change) => subject.store.register({ ...change, maxContacts: 4 })))
    assert.equal(outcomes.filter((outcome) => outcome.ok).length, 4)
    assert.equal((await contactsOf(subject)).length, 4)
  })

  it('a binding is amended as long as it is what was read, with no event', async (subject) => {
    const push = { provider: 'fcm', prid: 'secret', param: '' }
    await subject.store.register(put(subject, binding(subject, 'phone', { push }), binding(subject, 'desk')))
    const read = (await subject.store.lookup('sip:bob@example.com')).bindings.find(({ push }) => push)!
    const amended = { ...read, push: { ...push, invalidSince: subject.now() } }
    assert.equal(await subject.store.amend(read, amended), true)
    assert.equal(await subject.store.amend(read, { ...read, q: 0.5 }), false, 'it is not what was read any more')
    const stored = (await subject.store.lookup(read.aor)).bindings
    assert.deepEqual(
      stored.find(({ device }) => device === 'phone'),
      amended,
    )
    assert.equal(stored.length, 2)
  })

  it('of those who amend one binding at once one does', async (subject) => {
    await subject.store.register(put(subject, binding(subject, 'phone')))
    const read = (await subject.store.lookup('sip:bob@example.com')).bindings[0]!
    const done = await Promise.all([1, 2, 3].map((count) => subject.store.amend(read, { ...read, q: count / 10 })))
    assert.deepEqual(done.sort(), [false, false, true])
  })

  it('a binding that registered again, or is gone, is not amended', async (subject) => {
    await subject.store.register(put(subject, binding(subject, 'phone')))
    const read = (await subject.store.lookup('sip:bob@example.com')).bindings[0]!
    await subject.store.register(put(subject, binding(subject, 'phone', { cseq: 2 })))
    assert.equal(await subject.store.amend(read, { ...read, q: 0.1 }), false)
    const [newer] = (await subject.store.lookup(read.aor)).bindings
    assert.deepEqual([newer!.q, newer!.cseq], [1, 2])
    await subject.store.register({ ...put(subject, binding(subject, 'phone', { cseq: 3 })), put: [], remove: '*' })
    assert.equal(await subject.store.amend(newer!, newer!), false)
    assert.deepEqual(await contactsOf(subject), [])
  })

  it('a binding that is amended to expire earlier or later does', async (subject) => {
    const [soon, late] = [subject.now() + 50, subject.now() + 60_000]
    const both = [binding(subject, 'soon', { expiresAt: late }), binding(subject, 'late', { expiresAt: soon })] as const
    await subject.store.register(put(subject, ...both))
    for (const read of (await subject.store.lookup('sip:bob@example.com')).bindings)
      await subject.store.amend(read, { ...read, expiresAt: read.device === 'soon' ? soon : late })
    await subject.pass(100)
    const expired = await subject.store.expire(subject.now(), 10)
    assert.deepEqual(
      expired.map(({ attributes }) => attributes.contact),
      ['sip:bob@soon.example.net'],
    )
    assert.deepEqual(await contactsOf(subject), ['sip:bob@late.example.net'])
  })

  const PUSH = { provider: 'fcm', prid: 'secret', param: '' }
  const unregister = (subject: Subject, known: Binding, keepUntil?: number) => {
    const { aor, callId, contact, device } = known
    const named = { contact, device, ...(keepUntil === undefined ? {} : { keepUntil }) }
    const change = { aor, callId, cseq: known.cseq + 1, now: subject.now(), put: [], remove: [named], maxContacts: 5 }
    return subject.store.register(change)
  }

  it('a device that unregisters to be woken falls asleep: nobody finds it but who wakes it', async (subject) => {
    const phone = binding(subject, 'phone', { push: PUSH, refresh: { at: subject.now(), tries: 0 } })
    await subject.store.register(put(subject, phone, binding(subject, 'desk')))
    const keepUntil = subject.now() + 3_600_000
    const outcome = await unregister(subject, phone, keepUntil)
    assert.deepEqual(outcome.ok && outcome.events.map(({ type, attributes }) => [type, attributes.contact]), [
      ['contact.removed', phone.contact],
    ])
    const slept = { ...phone, expiresAt: keepUntil, cseq: 2, asleep: true }
    assert.deepEqual(
      outcome.bindings.map(({ device }) => device),
      ['desk'],
    )
    const found = await subject.store.lookup(phone.aor)
    assert.deepEqual(
      found.bindings.map(({ device }) => device),
      ['desk'],
    )
    assert.deepEqual(found.asleep, [slept])
    assert.deepEqual(await subject.store.refreshDue(subject.now() + 10, 10), [], 'it shall sleep on')
    const { bindings } = await subject.store.registrations('', 10)
    assert.deepEqual(bindings.map(({ device }) => device).sort(), ['desk', 'phone'])
  })

  it('whoever is asleep wakes with the next REGISTER, as a new contact', async (subject) => {
    const phone = binding(subject, 'phone', { push: PUSH })
    await subject.store.register(put(subject, phone))
    await unregister(subject, phone, subject.now() + 3_600_000)
    const again = await unregister(subject, { ...phone, cseq: 2 }, subject.now() + 7_200_000)
    assert.deepEqual(again.ok && again.events, [], 'to those who listen it is gone already')
    const stale = await subject.store.register(put(subject, binding(subject, 'phone', { cseq: 3, push: PUSH })))
    assert.equal(stale.ok, false, 'the REGISTER that came before is older (RFC 3261 10.3 step 7)')
    const woken = await subject.store.register(put(subject, binding(subject, 'phone', { cseq: 4, push: PUSH })))
    assert.deepEqual(woken.ok && woken.events.map(({ attributes }) => attributes.kind), ['new'])
    assert.equal(woken.asleep, undefined)
    assert.deepEqual(await contactsOf(subject), [phone.contact])
  })

  it('without push, with an invalid token, without that wish, or by * a device that unregisters is gone', async (subject) => {
    const keepUntil = subject.now() + 3_600_000
    const plain = binding(subject, 'plain')
    const dead = binding(subject, 'dead', { push: { ...PUSH, invalidSince: 1 } })
    const phone = binding(subject, 'phone', { push: PUSH })
    const tablet = binding(subject, 'tablet', { push: PUSH })
    await subject.store.register(put(subject, plain, dead, phone, tablet))
    await unregister(subject, plain, keepUntil)
    await unregister(subject, dead, keepUntil)
    await unregister(subject, phone)
    await unregister(subject, tablet, keepUntil)
    assert.equal((await subject.store.lookup(phone.aor)).asleep?.length, 1)
    const rest = await subject.store.register({ ...put(subject, { ...phone, cseq: 9 }), put: [], remove: '*' })
    assert.deepEqual([rest.ok && rest.events, rest.bindings, rest.asleep], [[], [], undefined])
  })

  it('whoever is asleep is forgotten at its time, without another event', async (subject) => {
    const phone = binding(subject, 'phone', { push: PUSH })
    await subject.store.register(put(subject, phone))
    await unregister(subject, phone, subject.now() + 100)
    assert.equal((await subject.store.lookup(phone.aor)).asleep?.length, 1)
    await subject.pass(150)
    assert.equal((await subject.store.lookup(phone.aor)).asleep, undefined)
    assert.deepEqual(await subject.store.expire(subject.now(), 10), [])
    assert.deepEqual((await subject.store.registrations('', 10)).bindings, [])
  })

  it('a refresh is due from its time on, until the binding is amended', async (subject) => {
    const [now, then] = [subject.now(), subject.now() + 10_000]
    for (const [user, at] of [
      ['a', now],
      ['b', then],
      ['c', now - 5],
    ] as const) {
      const aor = `sip:${user}@example.com`
      await subject.store.register(put(subject, binding(subject, user, { aor, push: PUSH, refresh: { at, tries: 0 } })))
    }
    const dueAt = async (time: number, limit = 10) =>
      (await subject.store.refreshDue(time, limit)).map(({ device }) => device).sort()
    assert.deepEqual(await dueAt(now - 10), [])
    assert.deepEqual(await dueAt(now), ['a', 'c'])
    assert.equal((await dueAt(now, 1)).length, 1)
    const [read] = (await subject.store.lookup('sip:a@example.com')).bindings
    assert.equal(await subject.store.amend(read!, { ...read!, refresh: { at: then, tries: 1 } }), true)
    assert.deepEqual(await dueAt(now), ['c'])
    assert.deepEqual(await dueAt(then), ['a', 'b', 'c'])
  })

  it('what is refreshed, removed, expired or has an invalid token is due no more', async (subject) => {
    const refresh = { at: subject.now(), tries: 0 }
    const due = (device: string, more: Partial<Binding> = {}) =>
      binding(subject, device, { aor: `sip:${device}@example.com`, push: PUSH, refresh, ...more })
    const short = due('short', { expiresAt: subject.now() + 600 })
    for (const one of [due('refreshed'), due('removed'), due('dead'), short])
      await subject.store.register(put(subject, one))
    assert.equal((await subject.store.refreshDue(subject.now(), 10)).length, 4)
    const later = { cseq: 2, refresh: { at: subject.now() + 60_000, tries: 0 } }
    await subject.store.register(put(subject, due('refreshed', later)))
    await unregister(subject, due('removed'))
    const dead = (await subject.store.lookup('sip:dead@example.com')).bindings[0]!
    await subject.store.amend(dead, { ...dead, push: { ...PUSH, invalidSince: subject.now() } })
    await subject.pass(650)
    for (let times = 0; times < 2; times++) assert.deepEqual(await subject.store.refreshDue(subject.now(), 10), [])
  })

  it('an expired binding is not looked up, and expire takes it out with its event exactly once', async (subject) => {
    const short = binding(subject, 'short', { expiresAt: subject.now() + 100, instance: 'urn:uuid:1' })
    await subject.store.register(put(subject, short))
    await subject.store.register(put(subject, binding(subject, 'long')))
    await subject.pass(150)
    assert.deepEqual(await contactsOf(subject), ['sip:bob@long.example.net'])
    const taken = await Promise.all([1, 2, 3].map(() => subject.store.expire(subject.now(), 100)))
    const events = taken.flat()
    assert.deepEqual(
      events.map((event) => event.type),
      ['contact.expired'],
    )
    assert.deepEqual(events[0]!.attributes, { aor: short.aor, contact: short.contact, instance: 'urn:uuid:1' })
  })

  it('a refreshed binding does not expire at its former time', async (subject) => {
    await subject.store.register(put(subject, binding(subject, 'phone', { expiresAt: subject.now() + 100 })))
    await subject.store.register(put(subject, binding(subject, 'phone', { cseq: 2 })))
    await subject.pass(150)
    assert.deepEqual(await subject.store.expire(subject.now(), 100), [])
    assert.equal((await contactsOf(subject)).length, 1)
  })

  it('expire takes at most as many as asked for, and the rest next time', async (subject) => {
    for (let index = 0; index < 7; index++) {
      const aor = `sip:u${index}@example.com`
      await subject.store.register(put(subject, binding(subject, 'phone', { aor, expiresAt: subject.now() + 50 })))
    }
    await subject.pass(100)
    const counts = []
    for (let round = 0; round < 4; round++) counts.push((await subject.store.expire(subject.now(), 3)).length)
    assert.deepEqual(counts, [3, 3, 1, 0])
  })

  it('a device that registers again after its binding expired is new', async (subject) => {
    await subject.store.register(put(subject, binding(subject, 'phone', { expiresAt: subject.now() + 50 })))
    await subject.pass(100)
    const outcome = await subject.store.register(put(subject, binding(subject, 'phone', { cseq: 2 })))
    assert.ok(outcome.ok)
    assert.equal(outcome.events.at(-1)?.attributes.kind, 'new')
    assert.equal((await contactsOf(subject)).length, 1)
  })

  it('registrations lists every binding once, a page at a time', async (subject) => {
    const expected = await registerMany(subject, 40)
    assert.deepEqual((await readPages(subject, 7)).flat().sort(), expected)
    assert.ok((await readPages(subject, 1000)).length >= 1)
    assert.ok((await readPages(subject, 4)).length > 1)
  })

  it('a listing misses nothing that stays while others come and go', async (subject) => {
    const expected = await registerMany(subject, 40)
    let page = 0
    const listed = await readPages(subject, 5, async () => {
      const aor = `sip:visitor${page++}@example.com`
      await subject.store.register(put(subject, binding(subject, 'phone', { aor })))
    })
    const stayed = listed.flat().filter((key) => !key.startsWith('sip:visitor'))
    assert.deepEqual(stayed.sort(), expected)
  })
}

/** Every third AOR has two bindings. */
async function registerMany(subject: Subject, count: number): Promise<string[]> {
  const keys: string[] = []
  for (let index = 0; index < count; index++) {
    const aor = `sip:user${index}@example.com`
    const devices = index % 3 === 0 ? ['phone', 'tablet'] : ['phone']
    await subject.store.register(put(subject, ...devices.map((device) => binding(subject, device, { aor }))))
    keys.push(...devices.map((device) => `${aor} ${device}`))
  }
  return keys.sort()
}

async function readPages(subject: Subject, limit: number, between = async () => {}): Promise<string[][]> {
  const pages: string[][] = []
  let cursor = ''
  do {
    const page = await subject.store.registrations(cursor, limit)
    pages.push(page.bindings.map((one) => `${one.aor} ${one.device}`))
    cursor = page.cursor
    await between()
    assert.ok(pages.length < 1000, 'the listing never ends')
  } while (cursor !== '')
  return pages
}
