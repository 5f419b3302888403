import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RouseEvent } from '../../../functions/contract/events.ts'
import type { PushMessage, PushResult } from '../../../functions/contract/push.ts'
import { createMemoryStore } from '../../../functions/store/memory.ts'
import type { Binding } from '../../../functions/store/store.ts'
import { Counters } from '../../../gateway/observe/counters.ts'
import { silentLog } from '../../../gateway/observe/log.ts'
import { renderPrometheus } from '../../../gateway/observe/prometheus.ts'
import { PushMetrics } from '../../../gateway/push/metrics.ts'
import { createPusher, DEFAULT_PUSH_LIMITS, type PushLimits } from '../../../gateway/push/pusher.ts'
import type { PushJob } from '../../../gateway/push/types.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'

const BOB = 'sip:bob@example.com'

function phone(device = 'phone', param = 'project-1'): Binding {
  const received = {
    ...{ transport: 'udp' as const, address: '192.0.2.1', port: 5060, listener: 'udp:198.51.100.1:5060' },
    ...{ connection: 0, gateway: 'gw', nat: false },
  }
  return {
    ...{ aor: BOB, device, contact: `sip:bob@${device}`, q: 1, expiresAt: 3_600_000, registeredAt: 0 },
    ...{ callId: device, cseq: 1, path: [], received, parameters: '' },
    push: { provider: 'fcm', prid: `token of ${device}`, param },
  }
}

function rig(answers: (PushResult | Error)[], limits: PushLimits = DEFAULT_PUSH_LIMITS) {
  const clock = new FakeClock()
  const ids = new CountingIds()
  const store = createMemoryStore({ clock, ids })
  const events: RouseEvent[] = []
  const sent: { at: number; message: PushMessage }[] = []
  const counters = new Counters()
  const pusher = createPusher({
    sender: {
      send: async (message) => {
        sent.push({ at: clock.now(), message })
        const answer = answers.shift() ?? { outcome: 'accepted' }
        if (answer instanceof Error) throw answer
        return answer
      },
    },
    ...{ store, clock, ids, limits, log: silentLog, random: () => 1 },
    metrics: new PushMetrics(counters),
    publish: (more) => events.push(...more),
  })
  const push = (job: Partial<PushJob> = {}) =>
    pusher.push({ binding: phone(), purpose: 'call', ttlSeconds: 30, until: 30_000, ...job })
  return { clock, store, events, sent, counters, push }
}

describe('a push that fails', () => {
  test('is tried again when its provider allows that, under the same id: after as long as that says, or 1, 2, 4 seconds', async () => {
    const again = { outcome: 'failed', error: 'busy', retryAfterSeconds: 0 } as const
    const { clock, sent, events, push } = rig([
      again,
      { ...again, retryAfterSeconds: 5 },
      new Error('token of phone'),
      { outcome: 'accepted' },
    ])
    const pushed = push()
    await clock.advance(30_000)
    assert.deepEqual(await pushed, { outcome: 'accepted' })
    assert.deepEqual(
      sent.map(({ at }) => at),
      [0, 1000, 6000, 10_000],
    )
    assert.equal(new Set(sent.map(({ message }) => message.id)).size, 1)
    assert.deepEqual(
      events.map(({ type, attributes }) => [type, attributes.purpose]),
      [['push.accepted', 'call']],
    )
  })

  test('is given up when the next try would come too late, or is of no use', async () => {
    const { sent, events, push } = rig([
      { outcome: 'failed', error: 'quota', retryAfterSeconds: 60 },
      { outcome: 'failed', error: 'no such project' },
    ])
    assert.deepEqual(await push(), { outcome: 'failed', error: 'quota' })
    assert.deepEqual(await push(), { outcome: 'failed', error: 'no such project' })
    assert.equal(sent.length, 2)
    assert.deepEqual(
      events.map(({ attributes }) => attributes.error),
      ['quota', 'no such project'],
    )
  })

  test('is not tried again for a call that has ended meanwhile', async () => {
    const { clock, sent, push } = rig([{ outcome: 'failed', retryAfterSeconds: 0 }])
    let isWanted = true
    const pushed = push({ isWanted: () => isWanted })
    await clock.advance(500)
    isWanted = false
    await clock.advance(5000)
    assert.deepEqual(await pushed, { outcome: 'unwanted' })
    assert.equal(sent.length, 1)
  })
})

test('a dead token is never pushed again, until its device registers anew', async () => {
  const { store, sent, events, push } = rig([{ outcome: 'token_invalid', error: 'UNREGISTERED' }])
  const change = { aor: BOB, callId: 'phone', cseq: 1, now: 0, put: [phone()], remove: [], maxContacts: 5 }
  await store.register(change)
  assert.equal((await push()).outcome, 'token_invalid')
  const [dead] = (await store.lookup(BOB)).bindings
  assert.equal(dead!.push!.invalidSince, 0)
  assert.equal((await push({ binding: dead! })).outcome, 'token_invalid')
  assert.equal(sent.length, 1)
  assert.deepEqual(
    events.map(({ type }) => type),
    ['push.token_invalid', 'push.token_invalid'],
  )
  await store.register({ ...change, cseq: 2, put: [{ ...phone(), cseq: 2 }] })
  const [alive] = (await store.lookup(BOB)).bindings
  assert.equal((await push({ binding: alive! })).outcome, 'accepted')
})

test('one caller cannot wake a phone without end, nor many callers; what ends calls and keeps bindings is not limited', async () => {
  const { clock, sent, counters, push } = rig([], {
    perAor: { count: 3, perMs: 30_000 },
    perCaller: { count: 2, perMs: 60_000 },
  })
  const outcomes = async (...callers: string[]) => {
    const pushed = []
    for (const caller of callers) pushed.push((await push({ caller })).outcome)
    return pushed
  }
  assert.deepEqual(await outcomes('eve', 'eve', 'eve'), ['accepted', 'accepted', 'limited'])
  assert.deepEqual(await outcomes('alice'), ['limited'])
  assert.equal((await push({ caller: 'eve', purpose: 'cancel' })).outcome, 'accepted')
  await clock.advance(10_000)
  assert.deepEqual(await outcomes('alice', 'alice'), ['accepted', 'limited'])
  assert.equal(sent.length, 4)
  assert.match(
    renderPrometheus(counters),
    /rouse_pushes_total\{provider="fcm",application="project-1",purpose="call",outcome="limited"\} 3/,
  )
})

test('metrics name the application, and never a key; beyond fifty of them they are one', async () => {
  const counters = new Counters()
  const metrics = new PushMetrics(counters)
  const apns = { ...phone(), push: { provider: 'apns', prid: 'x', param: 'ABCDE12345.com.example.phone.voip&remote' } }
  const web = { ...phone(), push: { provider: 'webpush', prid: 'x', param: 'p256dh.auth' } }
  for (const binding of [apns, web]) metrics.wake(binding, 'woken')
  for (let index = 0; index < 60; index++) metrics.wake(phone('phone', `project-${index}`), 'woken')
  metrics.stage(apns, 'registered', 1200)
  const text = renderPrometheus(counters)
  assert.match(text, /rouse_wakes_total\{provider="apns",application="com.example.phone",result="woken"\} 1/)
  assert.match(text, /rouse_wakes_total\{provider="webpush",application="",result="woken"\} 1/)
  assert.match(text, /rouse_wakes_total\{provider="other",application="other",result="woken"\} 12/)
  assert.match(
    text,
    /rouse_wake_stage_seconds_bucket\{provider="apns",application="com.example.phone",stage="registered",le="1"\} 0/,
  )
  assert.match(
    text,
    /rouse_wake_stage_seconds_bucket\{provider="apns",application="com.example.phone",stage="registered",le="2.5"\} 1/,
  )
  assert.doesNotMatch(text, /p256dh|ABCDE12345/)
})
