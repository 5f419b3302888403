import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, SipRouter } from 'rouse'
import type { Attributes, RouseEvent } from '../../functions/contract/events.ts'
import { eventWatcher } from '../support/event-watcher.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { SDP } from '../support/phone.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'
import { sleepingPhone } from './cast.ts'

/** One record of each INVITE, at its end. */

const ringing = routed((call) => call.fork(call.contacts))

function routed(handler: (call: Call) => unknown): SipRouter {
  return new SipRouter().invite('/:domain/:user', handler as (call: unknown) => Promise<void>)
}

/** What the gateway has published, batch by batch. */
async function scene(app: SipRouter | undefined = ringing, options: WorldOptions = {}) {
  const batches: RouseEvent[][] = []
  const watchers = [eventWatcher((events) => batches.push([...events]))]
  const w = await world({ ...(app ? { app } : {}), watchers, ...options })
  const alice = await w.phone('alice')
  const records = () => batches.flat().filter(({ type }) => type === 'cdr.created')
  return { w, alice, batches, records }
}

async function withBob(app?: SipRouter) {
  const all = await scene(app)
  const bob = await all.w.phone('bob')
  await bob.registers()
  return { ...all, bob }
}

/** The only record there is. */
function only(records: () => RouseEvent[]): { attributes: Attributes; detail: Record<string, unknown> } {
  assert.equal(records().length, 1)
  const { attributes, detail = {} } = records()[0]!
  return { attributes, detail }
}

async function over(w: World): Promise<void> {
  await w.assertQuiet()
  assert.deepEqual(w.errors, [])
  assert.equal(w.counters.get('bugs'), 0)
  await w.stop()
}

const at = (ms: number) => new Date(ms).toISOString()

test('of a call that was answered: who, when, how long, who ended it, its branches and invocations; together with call.ended', async () => {
  const { w, alice, bob, batches, records } = await withBob(
    routed((call) => {
      call.annotate({ customer: 'c-7' })
      call.fork(call.contacts)
    }),
  )
  const start = w.clock.now()
  await w.advance(100)
  await alice.invites('bob')
  await w.advance(3000)
  await bob.answers()
  await w.advance(65_400)
  await alice.hangsUp()
  const { attributes, detail } = only(records)
  assert.deepEqual(attributes, {
    callId: alice.outgoing!.invite.header('Call-ID'),
    from: 'sip:alice@example.com',
    to: 'sip:bob@example.com',
    code: 200,
    reason: '',
    result: 'answered',
    endedBy: 'caller',
    gateway: 'gw',
    startedAt: at(start + 100),
    ringingAt: at(start + 100),
    answeredAt: at(start + 3100),
    endedAt: at(start + 68_500),
    duration: 65,
    setup: 3000,
  })
  assert.deepEqual(detail, {
    branches: [
      {
        uri: bob.shownContact,
        state: 'answered',
        code: 200,
        startedAt: at(start + 100),
        rangAt: at(start + 100),
        endedAt: at(start + 3100),
      },
    ],
    invocations: [{ path: '/invite/example.com/bob', type: 'sip.request', result: 'answer', ms: 0, attempts: 1 }],
    annotations: { customer: 'c-7' },
  })
  assert.deepEqual(
    batches.at(-1)!.map(({ type }) => type),
    ['call.ended', 'cdr.created'],
  )
  await over(w)
})

test('of a call that was refused: by the callee, or by the router; after call.failed', async () => {
  const { w, alice, bob, batches, records } = await withBob()
  await alice.invites('bob')
  await w.advance(2000)
  await bob.declines(486)
  await alice.invites('nobody')
  const [refused, unknown] = records()
  assert.equal(records().length, 2)
  assert.notEqual(refused!.id, unknown!.id)
  const { result, code, endedBy, duration, setup, answeredAt } = refused!.attributes
  assert.deepEqual([result, code, endedBy, duration, setup, answeredAt], ['failed', 486, 'callee', 0, 2000, undefined])
  assert.deepEqual([unknown!.attributes.code, unknown!.attributes.endedBy], [480, 'router'])
  for (const batch of batches.filter((each) => each.some(({ type }) => type === 'cdr.created')))
    assert.deepEqual(
      batch.map(({ type }) => type),
      ['call.failed', 'cdr.created'],
    )
  await over(w)
})

test('of a call that was cancelled: once the 487 has gone out, after call.cancelled', async () => {
  const { w, alice, batches, records } = await withBob()
  await alice.invites('bob')
  await w.advance(1000)
  await alice.cancels()
  const { result, code, endedBy } = only(records).attributes
  assert.deepEqual([result, code, endedBy], ['cancelled', 487, 'caller'])
  const types = batches.flat().map(({ type }) => type)
  assert.deepEqual(types.slice(-2), ['call.cancelled', 'cdr.created'])
  await over(w)
})

test('an answer that crosses the CANCEL counts: one record, of a call that was answered, in both orders', async () => {
  for (const order of ['cancel first', 'answer first'] as const) {
    const { w, alice, bob, records } = await withBob()
    await alice.invites('bob')
    await Promise.all(order === 'cancel first' ? [alice.cancels(), bob.answers()] : [bob.answers(), alice.cancels()])
    assert.equal(alice.finalStatus, 200, order)
    assert.equal(records().length, 0, order)
    await w.advance(5000)
    await bob.hangsUp()
    const { result, endedBy, duration } = only(records).attributes
    assert.deepEqual([result, endedBy, duration], ['answered', 'callee', 5], order)
    await over(w)
  }
})

test('both ends hang up at once: one record', async () => {
  const { w, alice, bob, records } = await withBob()
  await alice.invites('bob')
  await bob.answers()
  await w.advance(9000)
  await Promise.all([alice.hangsUp(), bob.hangsUp()])
  assert.equal(only(records).attributes.duration, 9)
  await over(w)
})

test('two phones answer the fork: one record, once the last dialog is over', async () => {
  const { w, alice, records } = await scene()
  const desk = await w.phone('desk', { user: 'bob', instance: 'urn:uuid:desk' })
  const mobile = await w.phone('mobile', { user: 'bob', instance: 'urn:uuid:mobile' })
  await desk.registers()
  await mobile.registers()
  await alice.invites('bob')
  const { invite, tag } = mobile.ringing
  await desk.answers()
  mobile.incoming.at(-1)!.state = 'answered'
  mobile.respond(invite, 200, { tag, body: SDP })
  await w.advance(0)
  assert.equal(w.gateway.counts().dialogs, 2)
  await w.advance(1000)
  await desk.hangsUp()
  assert.equal(records().length, 0)
  await w.advance(1000)
  await mobile.hangsUp()
  const { attributes, detail } = only(records)
  assert.deepEqual([attributes.result, attributes.duration], ['answered', 2])
  assert.equal((detail.branches as unknown[]).length, 2)
  await over(w)
})

test('a phone answers when the talk with the other is over already, and a function still at work: no second record', async () => {
  const clock = new FakeClock()
  const app = routed((call) => {
    call.subscribe('dtmf', { callId: call.id }, 'slow')
    call.fork(call.contacts)
  })
  app.on('slow', async (call) => {
    await call.run('slow', () => new Promise((resolve) => clock.after(1500, () => resolve(1))))
  })
  const { w, alice, records } = await scene(app, { clock })
  const desk = await w.phone('desk', { user: 'bob', instance: 'urn:uuid:desk' })
  const mobile = await w.phone('mobile', { user: 'bob', instance: 'urn:uuid:mobile' })
  await desk.registers()
  await mobile.registers()
  await alice.invites('bob')
  const { invite, tag } = mobile.ringing
  await desk.answers()
  await alice.presses('1')
  await desk.hangsUp()
  assert.equal(records().length, 1)
  mobile.incoming.at(-1)!.state = 'answered'
  mobile.respond(invite, 200, { tag, body: SDP })
  await w.advance(100)
  assert.equal(w.gateway.counts().dialogs, 1)
  await mobile.hangsUp()
  await w.advance(3000)
  assert.equal(records().length, 1)
  await over(w)
})

test('an INVITE that passes the router twice is two calls of one dialog: each has its record (RFC 3261 16.3)', async () => {
  const app = new SipRouter()
    .invite('/:domain/bob', (call) => call.fork('sip:desk@10.0.0.1'))
    .invite('/:domain/desk', (call) => call.fork('sip:bob@10.0.0.11'))
  const { w, alice, bob, batches, records } = await withBob(app)
  await alice.invites('bob')
  await bob.answers()
  await w.advance(5000)
  await alice.hangsUp()
  assert.deepEqual(
    records().map(({ attributes }) => [attributes.to, ...picked(attributes)]),
    [
      ['sip:desk@10.0.0.1', 'answered', 200, '', 'caller', 5],
      ['sip:bob@example.com', 'answered', 200, '', 'caller', 5],
    ],
  )
  const types = batches.flat().map(({ type }) => type)
  assert.equal(types.filter((type) => type === 'call.ended').length, 2)
  await over(w)
})

test('hung up by the router, and lost without any BYE: the router has ended it', async () => {
  const app = routed((call) => {
    call.subscribe('quota', { callId: call.id }, [{ action: 'hangup', reason: 'quota' }], { until: 'ended' })
    call.fork(call.contacts)
  })
  const { w, alice, bob, records } = await withBob(app)
  await alice.invites('bob')
  await bob.answers()
  await w.advance(4000)
  await w.publish('quota', { callId: alice.outgoing!.invite.header('Call-ID') })
  await w.advance(1000)
  assert.deepEqual(picked(only(records).attributes), ['answered', 200, 'quota', 'router', 4])
  await alice.invites('bob')
  await bob.answers()
  await w.advance(12 * 3_600_000)
  assert.deepEqual(picked(records()[1]!.attributes), ['answered', 408, 'nobody ended it', 'router', 12 * 3600])
  await over(w)
})

function picked({ result, code, reason, endedBy, duration }: Attributes) {
  return [result, code, reason, endedBy, duration]
}

test('the end that no longer knows the dialog has ended it (RFC 3261 12.2.1.2)', async () => {
  const { w, alice, bob, records } = await withBob()
  await alice.invites('bob')
  await bob.answers()
  await w.advance(3000)
  const { respond } = bob
  bob.respond = (request) => respond.call(bob, request, 481)
  await alice.sendsInDialog('INFO')
  const { code, endedBy } = only(records).attributes
  assert.deepEqual([code, endedBy], [481, 'callee'])
  await over(w)
})

test('pushes are told by provider and outcome, and neither device nor token is', async () => {
  const { w, alice, records } = await scene(
    routed(async (call) => {
      const registered = call.wait('contact.registered', { aor: call.aor }, '25s')
      call.push()
      const phone = await registered
      if (phone) call.fork(phone.contact)
    }),
  )
  const phone = await sleepingPhone(w, 'phone', { user: 'bob' })
  const start = w.clock.now()
  await alice.invites('bob')
  await w.advance(4000)
  await phone.wakes()
  await phone.answers()
  await phone.hangsUp()
  const { detail } = only(records)
  assert.deepEqual(detail.pushes, [{ provider: 'fcm', outcome: 'accepted', at: at(start), woken: true }])
  assert.deepEqual(
    (detail.invocations as { type: string }[]).map(({ type }) => type),
    ['sip.request', 'wait.resumed'],
  )
  assert.doesNotMatch(JSON.stringify(records()), /token-of|urn:uuid/)
  await over(w)
})

test('of a call that was taken up after a restart: when it began and rang, by the same id whoever tells it', async () => {
  const { w, alice, records } = await scene(
    routed((call) => {
      call.fork(call.contacts)
      call.halt('60s')
    }),
  )
  const bob = await w.phone('bob')
  await bob.registers()
  const start = w.clock.now()
  await alice.invites('bob')
  const { id } = w.newestCall
  await w.advance(4000)
  await w.restart()
  await w.advance(1000)
  await bob.answers()
  await w.advance(2000)
  await bob.hangsUp()
  const { attributes, detail } = only(records)
  assert.equal(records()[0]!.id, `cdr-${id}`)
  assert.deepEqual(
    [attributes.startedAt, attributes.ringingAt, attributes.answeredAt, attributes.duration],
    [at(start), at(start), at(start + 5000), 2],
  )
  assert.equal(detail.takenUp, true)
  assert.equal((detail.branches as { rangAt: string }[])[0]!.rangAt, at(start))
  await over(w)
})

test('of a call that is talked on when its gateway stops: as far as that has seen it', async () => {
  const { w, alice, bob, records } = await withBob()
  await alice.invites('bob')
  await bob.answers()
  await w.advance(7000)
  await w.stop()
  assert.deepEqual(picked(only(records).attributes), ['answered', 200, 'the gateway has stopped', 'router', 7])
})

test('without a function there is a record, and of what is no INVITE there is none', async () => {
  const { w, alice, records } = await scene(undefined, { app: undefined } as never)
  const bob = await w.phone('bob')
  await bob.registers()
  await alice.messages('bob', 'hello')
  assert.equal(records().length, 0)
  await alice.invites('bob')
  await bob.declines()
  const { detail } = only(records)
  assert.equal(detail.invocations, undefined)
  await over(w)
})

test('a record is bounded: what is beyond is counted', async () => {
  const { w, alice, records } = await scene(
    routed((call) => {
      call.annotate(Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`note-${index}`, 'x'.repeat(1000)])))
      call.fork(
        Array.from({ length: 20 }, (_, index) => `sip:${'u'.repeat(600)}${index}@10.0.9.9`),
        { noReplyFor: '1s' },
      )
    }),
  )
  await alice.invites('bob')
  await w.advance(5000)
  const { detail } = only(records)
  assert.deepEqual(detail.leftOut, { branches: 4, annotations: 16 })
  assert.ok(JSON.stringify(records()[0]).length < 16_384)
  await over(w)
})

test('handlers see a record in their event, its detail too, and subscribe to it by its attributes', async () => {
  const seen: unknown[] = []
  const app = new SipRouter()
  app.invite('/:domain/watch', (call) => {
    call.subscribe('cdr.created', { result: 'failed', endedBy: 'callee' }, 'seen')
    call.halt('1h')
  })
  app.on('seen', (_call, event) => void seen.push([event.result, event.code, event.setup, event.detail.branches]))
  app.invite('/:domain/:user', (call) => call.fork(call.contacts))
  const { w, alice, bob } = await withBob(app)
  const watcher = await w.phone('watcher')
  await watcher.invites('watch')
  await alice.invites('bob')
  await alice.cancels()
  await alice.invites('bob')
  await w.advance(10)
  await bob.declines(603)
  assert.equal(seen.length, 1)
  const [result, code, setup, branches] = seen[0] as [string, string, number, { code: number }[]]
  assert.deepEqual([result, code, setup, branches[0]?.code], ['failed', '603', 10, 603])
  await watcher.cancels()
  await over(w)
})
