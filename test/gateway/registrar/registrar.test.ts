import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createRegistrar } from '../../../gateway/registrar/registrar.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { BOB, flow, header, OPTIONS, PHONE, registerRequest, rig, TABLET } from './support.ts'

const CALL = { callId: 'phone@1' }
const EXPIRES_0 = { headers: ['Expires: 0'] }

describe('the registrar (RFC 3261 10.3)', () => {
  test('RG1: add, refresh, remove, fetch: the 200 lists every binding with what is left of its time', async () => {
    const { register, clock } = rig()
    const added = await register([PHONE], { ...CALL, headers: ['Expires: 600'] })
    assert.deepEqual([added.status, added.reason], [200, 'OK'])
    assert.deepEqual(header(added, 'Contact'), ['<sip:bob@192.0.2.10:5060>;expires=600'])
    await clock.advance(100_000)
    const second = await register([`${TABLET};q=0.5;methods="INVITE"`])
    assert.deepEqual(header(second, 'Contact'), [
      '<sip:bob@192.0.2.10:5060>;expires=500',
      '<sip:bob@192.0.2.20:5060>;q=0.5;expires=3600;methods="INVITE"',
    ])
    const refreshed = await register([PHONE], { ...CALL, cseq: 2 })
    assert.equal(header(refreshed, 'Contact')[0], '<sip:bob@192.0.2.10:5060>;expires=3600')
    const removed = await register([`${PHONE};expires=0`], { ...CALL, cseq: 3 })
    assert.deepEqual(header(removed, 'Contact').length, 1)
    const fetched = await register([])
    assert.deepEqual(header(fetched, 'Contact'), ['<sip:bob@192.0.2.20:5060>;q=0.5;expires=3600;methods="INVITE"'])
    assert.deepEqual(fetched.events, [])
    const cleared = await register(['*'], EXPIRES_0)
    assert.deepEqual([cleared.status, header(cleared, 'Contact')], [200, []])
  })

  test('each step raises its event, to be published after the response', async () => {
    const { register, published } = rig()
    const said = async (contacts: string[], wishes = {}) =>
      (await register(contacts, wishes)).events.map((event) => `${event.type} ${event.attributes.kind ?? ''}`.trim())
    assert.deepEqual(await said([PHONE], CALL), ['contact.registered new'])
    assert.deepEqual(await said([PHONE], { ...CALL, cseq: 2 }), ['contact.registered refreshed'])
    assert.deepEqual(await said([TABLET]), ['contact.registered new'])
    assert.deepEqual(await said(['*'], EXPIRES_0), ['contact.removed', 'contact.removed'])
    assert.deepEqual(published, [])
  })

  test('the event tells AOR, contact, instance, interval and gateway, and no token', async () => {
    const { register } = rig()
    const contact = '<sip:bob@192.0.2.1;pn-provider=fcm;pn-prid=secret>;+sip.instance="<urn:uuid:1>"'
    const { events } = await register([contact], { headers: ['Expires: 300'] })
    assert.deepEqual(events[0]?.attributes, {
      aor: BOB,
      contact: 'sip:bob@192.0.2.1',
      instance: 'urn:uuid:1',
      kind: 'new',
      expires: 300,
      gateway: 'gw-a',
    })
  })

  test('RG2: * with Expires other than 0 is 400 and leaves the bindings', async () => {
    const { register, contacts } = rig()
    await register([PHONE])
    assert.equal((await register(['*'], { headers: ['Expires: 1'] })).status, 400)
    assert.equal((await contacts()).length, 1)
  })

  test('RG3: a lower or equal CSeq of the same Call-ID is 500 and leaves the bindings', async () => {
    const { register, contacts } = rig()
    await register([PHONE], { ...CALL, cseq: 5 })
    for (const cseq of [5, 4]) {
      const late = await register([`${PHONE};expires=0`, TABLET], { ...CALL, cseq })
      assert.deepEqual([late.status, late.events], [500, []])
    }
    assert.deepEqual(await contacts(), ['sip:bob@192.0.2.10:5060'])
  })

  test('RG4: an interval below the minimum is 423 with Min-Expires', async () => {
    const { register, contacts } = rig({ minExpires: 120 })
    const brief = await register([TABLET, `${PHONE};expires=119`])
    assert.deepEqual([brief.status, header(brief, 'Min-Expires')], [423, ['120']])
    assert.deepEqual(await contacts(), [])
  })

  test('RG5: Path is stored, returned, and the contact lies behind it (RFC 3327)', async () => {
    const { register, bindings } = rig()
    const headers = ['Supported: path', 'Path: <sip:edge.example;lr>;x=1', 'Path: <sip:inner.example;lr>']
    const answer = await register(['<sip:bob@192.168.1.5>'], { headers }, flow('203.0.113.1:5060'))
    assert.deepEqual(header(answer, 'Path'), ['<sip:edge.example;lr>;x=1', '<sip:inner.example;lr>'])
    const [binding] = await bindings()
    assert.deepEqual([binding?.path.length, binding?.received.nat], [2, false])
  })

  test('RG6: the same instance and reg-id from a new port replaces its binding (RFC 5626 6)', async () => {
    const { register, contacts } = rig()
    const instance = ';+sip.instance="<urn:uuid:1>"'
    await register([`<sip:bob@192.0.2.10:5060>${instance};reg-id=1`])
    await register([`<sip:bob@192.0.2.10:6666>${instance};reg-id=1`])
    assert.deepEqual(await contacts(), ['sip:bob@192.0.2.10:6666'])
    await register([`<sip:bob@192.0.2.10:7777>${instance};reg-id=2`])
    assert.equal((await contacts()).length, 2)
  })

  test('RG7: too many contacts are 403, without partial change', async () => {
    const { register, contacts } = rig({ maxContacts: 2 })
    await register([PHONE], CALL)
    const more = await register(
      [PHONE, TABLET].map((contact) => contact.replace('192', '198')),
      {},
    )
    assert.deepEqual([more.status, more.reason], [403, 'Too Many Contacts'])
    assert.deepEqual(await contacts(), ['sip:bob@192.0.2.10:5060'])
    assert.equal((await register([PHONE], { ...CALL, cseq: 2 })).status, 200)
  })

  test('RG8: the phone finds its contact in the 200 as it wrote it; others see no token (RFC 8599)', async () => {
    const { register } = rig()
    const uri = 'sip:bob@192.0.2.10:5060;pn-provider=fcm;pn-param=p;pn-prid=secret;transport=udp'
    const own = await register([`<${uri}>;+sip.instance="<urn:uuid:1>"`])
    assert.deepEqual(header(own, 'Contact'), [`<${uri}>;expires=3600;+sip.instance="<urn:uuid:1>"`])
    assert.deepEqual(header(own, 'Feature-Caps'), ['*;+sip.pns="fcm"'])
    const other = await register([TABLET])
    const listed = header(other, 'Contact').sort()
    assert.equal(listed[0], '<sip:bob@192.0.2.10:5060;transport=udp>;expires=3600;+sip.instance="<urn:uuid:1>"')
    assert.deepEqual(header(other, 'Feature-Caps'), [])
  })

  test('RG8: a phone that restarted on another port replaces itself by its token', async () => {
    const { register, contacts } = rig()
    for (const port of [5060, 6060]) await register([`<sip:bob@192.0.2.10:${port};pn-provider=fcm;pn-prid=secret>`])
    assert.deepEqual(await contacts(), ['sip:bob@192.0.2.10:6060'])
  })

  test('RG9: a repeated REGISTER that no transaction absorbs makes no second change', async () => {
    const { registrar, bindings } = rig()
    const request = registerRequest([PHONE])
    const statuses = [
      (await registrar.register(request, flow())).status,
      (await registrar.register(request, flow())).status,
    ]
    assert.deepEqual(statuses, [200, 500])
    assert.equal((await bindings()).length, 1)
  })

  test('RG10: REGISTERs for one AOR at once have one order, and no update is lost', async () => {
    const { register, contacts } = rig()
    const all = await Promise.all(Array.from({ length: 10 }, (_, at) => register([`<sip:bob@192.0.2.${at}>`])))
    const sizes = all.map((answer) => header(answer, 'Contact').length)
    assert.deepEqual(sizes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    assert.equal((await contacts()).length, 10)
  })

  test('RG10: at the limit exactly the free places are given', async () => {
    const { register, contacts } = rig({ maxContacts: 3 })
    const all = await Promise.all(Array.from({ length: 6 }, (_, at) => register([`<sip:bob@192.0.2.${at}>`])))
    assert.deepEqual(
      all.map((answer) => answer.status),
      [200, 200, 200, 403, 403, 403],
    )
    assert.equal((await contacts()).length, 3)
  })

  test('a contact with other words for the same URI is the same binding (19.1.4)', async () => {
    const { register, contacts } = rig()
    await register(['<sip:bob@Phone.Example.NET;transport=tcp;ob>'])
    const again = await register(['<sip:%62ob@phone.example.net;ob;transport=TCP>'])
    assert.equal(header(again, 'Contact').length, 1)
    assert.equal((await contacts()).length, 1)
  })

  test('a save action shortens the interval, limits the contacts and names another AOR', async () => {
    const { registrar, store } = rig()
    const overrides = { aor: 'sip:desk@example.com', maxExpires: 90, minExpires: 30, maxContacts: 1 }
    const first = await registrar.register(registerRequest([PHONE]), flow(), overrides)
    assert.deepEqual(header(first, 'Contact'), ['<sip:bob@192.0.2.10:5060>;expires=90'])
    assert.equal((await store.lookup('sip:desk@example.com')).bindings.length, 1)
    assert.equal((await registrar.register(registerRequest([TABLET]), flow(), overrides)).status, 403)
    const brief = await registrar.register(registerRequest([`${PHONE};expires=29`]), flow(), overrides)
    assert.deepEqual(header(brief, 'Min-Expires'), ['30'])
  })

  test('a 200 carries the Date, so that a phone without a clock has one (10.3 step 8)', async () => {
    const { register } = rig()
    assert.deepEqual(header(await register([]), 'Date'), ['Thu, 01 Jan 2026 00:00:00 GMT'])
  })

  test('remove takes out one contact or all, whatever their Call-ID', async () => {
    const { register, registrar, contacts } = rig()
    await register([PHONE])
    await register([`<sip:bob@192.0.2.20:5060;pn-provider=fcm;pn-prid=t>;+sip.instance="<urn:uuid:1>"`])
    const [removed] = await registrar.remove('sip:bob@EXAMPLE.com', 'sip:bob@192.0.2.20:5060')
    assert.deepEqual([removed?.type, removed?.attributes.instance], ['contact.removed', 'urn:uuid:1'])
    assert.deepEqual(await registrar.remove(BOB, 'sip:nobody@192.0.2.99'), [])
    assert.equal((await registrar.remove(BOB)).length, 1)
    assert.deepEqual(await contacts(), [])
  })
})

describe('expiry', () => {
  test('a binding that is not refreshed raises contact.expired, and then no timer is left', async () => {
    const { register, clock, published, contacts } = rig()
    await register([PHONE], { headers: ['Expires: 60'] })
    await register([TABLET], { headers: ['Expires: 120'] })
    await clock.advance(61_000)
    assert.deepEqual(published, ['contact.expired sip:bob@192.0.2.10:5060'])
    assert.deepEqual(await contacts(), ['sip:bob@192.0.2.20:5060'])
    await clock.advance(400_000)
    assert.equal(published.length, 2)
    assert.equal(clock.pending, 0)
  })

  test('more bindings than one step takes out all expire', async () => {
    const { registrar, clock, published } = rig()
    for (let index = 0; index < 1200; index++) {
      const request = registerRequest([PHONE], { to: `<sip:u${index}@example.com>`, headers: ['Expires: 60'] })
      await registrar.register(request, flow())
    }
    await clock.advance(62_000)
    assert.equal(published.length, 1200)
  })

  test('stop ends the sweeping, start takes it up for bindings of before', async () => {
    const { register, registrar, clock, published } = rig()
    await register([PHONE], { headers: ['Expires: 60'] })
    registrar.stop()
    await clock.advance(100_000)
    assert.deepEqual(published, [])
    registrar.start()
    await clock.advance(1_000)
    assert.equal(published.length, 1)
  })

  test('sweeps that fail one after the other are told once, and made up for', async () => {
    const clock = new FakeClock()
    const failures: unknown[] = []
    const { store } = rig()
    let isAway = true
    const expire = (now: number, limit: number) =>
      isAway ? Promise.reject(new Error('away')) : store.expire(now, limit)
    const shaky = { lookup: store.lookup, expire, registrations: async () => ({ bindings: [], cursor: '' }) }
    const registrar = createRegistrar({
      store: { ...shaky } as unknown as typeof store,
      clock,
      options: OPTIONS,
      publish: () => {},
      onSweepFailure: (error) => void failures.push(error),
    })
    registrar.start()
    await clock.advance(3_000)
    assert.equal(failures.length, 1)
    isAway = false
    await clock.advance(3_000)
    assert.equal(failures.length, 1)
    assert.equal(clock.pending, 0)
  })
})
