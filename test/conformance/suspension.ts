import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CreateSubject, positionNow, type Subject, subscription, transaction } from './subject.ts'

export function suspensionConformance(create: CreateSubject): void {
  const it = (title: string, body: (subject: Subject) => Promise<void>): void =>
    void test(title, async () => {
      const subject = await create()
      await body(subject).finally(() => subject.close())
    })
  const suspend = (
    subject: Subject,
    ...args: Parameters<typeof transaction> extends [Subject, ...infer Rest] ? Rest : never
  ) => subject.store.suspend({ transaction: transaction(subject, ...args), add: [], drop: [], since: '0' })

  it('a suspended transaction comes back whole, to its own gateway only', async (subject) => {
    await suspend(subject, 't1', { state: 'INVITE sip:bob@example.com SIP/2.0\r\n\u00e9' })
    await suspend(subject, 't2', { gateway: 'gw-b' })
    assert.deepEqual(await subject.store.suspended('gw-a'), [
      transaction(subject, 't1', {
        state: 'INVITE sip:bob@example.com SIP/2.0\r\n\u00e9',
        expiresAt: (await subject.store.suspended('gw-a'))[0]!.expiresAt,
      }),
    ])
    assert.deepEqual(
      (await subject.store.suspended('gw-b')).map((one) => one.id),
      ['t2'],
    )
    assert.deepEqual(await subject.store.suspended('gw-c'), [])
  })

  it('a later write replaces an earlier one, never the other way round', async (subject) => {
    await suspend(subject, 't', { rev: 1, state: 'one' })
    await suspend(subject, 't', { rev: 3, state: 'three' })
    await suspend(subject, 't', { rev: 2, state: 'two' })
    const [held, ...more] = await subject.store.suspended('gw-a')
    assert.deepEqual([held?.rev, held?.state, more.length], [3, 'three', 0])
  })

  it("a transaction that moves to another gateway is that gateway's", async (subject) => {
    await suspend(subject, 't', { rev: 1 })
    await suspend(subject, 't', { rev: 2, gateway: 'gw-b' })
    assert.deepEqual(await subject.store.suspended('gw-a'), [])
    assert.equal((await subject.store.suspended('gw-b')).length, 1)
  })

  it('a released transaction is gone', async (subject) => {
    await suspend(subject, 't')
    await subject.store.release('t')
    assert.deepEqual(await subject.store.suspended('gw-a'), [])
  })

  it('a transaction goes at its expiry, unless a later write moved it', async (subject) => {
    await suspend(subject, 'stays', { expiresAt: subject.now() + 100 })
    await suspend(subject, 'goes', { expiresAt: subject.now() + 100 })
    await suspend(subject, 'stays', { rev: 2, expiresAt: subject.now() + 60_000 })
    await subject.pass(150)
    assert.deepEqual(
      (await subject.store.suspended('gw-a')).map((one) => one.id),
      ['stays'],
    )
  })

  it('subscriptions of a transaction can be listed', async (subject) => {
    const add = ['one', 'two'].map((id) =>
      subscription(subject, id, 'pickup', { key: [id, 'x'] }, { transaction: 't' }),
    )
    const since = await positionNow(subject)
    await subject.store.suspend({ transaction: transaction(subject, 't'), add, drop: [], since })
    const listed = await subject.store.subscriptions('t')
    assert.deepEqual(
      listed.sort((a, b) => (a.id < b.id ? -1 : 1)),
      add,
    )
    assert.deepEqual(await subject.store.subscriptions('unknown'), [])
  })

  const resume = (
    subject: Subject,
    claim: string,
    ...args: Parameters<typeof suspend> extends [Subject, ...infer Rest] ? Rest : never
  ) => subject.store.resume({ transaction: transaction(subject, ...args), claim, ttlMs: 60_000 })
  const stateOf = async (subject: Subject) => (await subject.store.suspended('gw-a'))[0]?.state

  it('a resume writes what came of the wait, and has one winner among a hundred at once', async (subject) => {
    await suspend(subject, 't')
    const won = await Promise.all(
      Array.from({ length: 100 }, (_, nth) => resume(subject, 'wait 1', 't', { rev: 2, state: `by ${nth}` })),
    )
    assert.equal(won.filter(Boolean).length, 1)
    assert.equal(await stateOf(subject), `by ${won.indexOf(true)}`)
    assert.equal(await resume(subject, 'wait 1', 't', { rev: 3, state: 'late' }), false)
    assert.equal(await stateOf(subject), `by ${won.indexOf(true)}`)
    assert.equal(await resume(subject, 'wait 2', 't', { rev: 3, state: 'again' }), true)
    assert.equal(await stateOf(subject), 'again')
  })

  it('a resume loses to a later write, and its claim is still to be had', async (subject) => {
    await suspend(subject, 't', { rev: 5, state: 'later' })
    assert.equal(await resume(subject, 'wait', 't', { rev: 4, state: 'earlier' }), false)
    assert.equal(await stateOf(subject), 'later')
    assert.equal(await resume(subject, 'wait', 't', { rev: 6, state: 'resumed' }), true)
    assert.equal(await stateOf(subject), 'resumed')
  })

  it('a claim belongs to its transaction and outlives it', async (subject) => {
    await suspend(subject, 't')
    await suspend(subject, 'u')
    assert.equal(await resume(subject, 'wait', 't', { rev: 2 }), true)
    assert.equal(await resume(subject, 'wait', 'u', { rev: 2 }), true)
    assert.equal(await subject.store.claim('wait', 60_000), true)
    await subject.store.release('t')
    assert.equal(await resume(subject, 'wait', 't', { rev: 3 }), false)
    assert.deepEqual(
      (await subject.store.suspended('gw-a')).map((one) => one.id),
      ['u'],
    )
  })

  it('a resume leaves the subscriptions of the transaction as they are, and its expiry where the later write says', async (subject) => {
    const add = [subscription(subject, 's', 'pickup', {}, { transaction: 't' })]
    const short = transaction(subject, 't', { expiresAt: subject.now() + 200 })
    await subject.store.suspend({ transaction: short, add, drop: [], since: await positionNow(subject) })
    assert.equal(await resume(subject, 'wait', 't', { rev: 2 }), true)
    await subject.pass(250)
    assert.deepEqual(await subject.store.subscriptions('t'), add)
    assert.equal((await subject.store.suspended('gw-a')).length, 1)
  })

  it('a transaction that the store does not know (any more) is written by its resume', async (subject) => {
    assert.equal(await resume(subject, 'wait', 't', { rev: 3, state: 'resumed' }), true)
    assert.equal(await stateOf(subject), 'resumed')
  })

  it('a claim has one winner among a hundred callers at once', async (subject) => {
    const won = await Promise.all(Array.from({ length: 100 }, () => subject.store.claim('wait 1', 60_000)))
    assert.equal(won.filter(Boolean).length, 1)
    assert.equal(await subject.store.claim('wait 1', 60_000), false)
    assert.equal(await subject.store.claim('wait 2', 60_000), true)
  })

  it('what is remembered can be recalled while it lasts, and the last value counts', async (subject) => {
    const { store } = subject
    assert.equal(await store.recall('key'), undefined)
    await store.remember('key', '15551234567', 60_000)
    assert.equal(await store.recall('key'), '15551234567')
    await store.remember('key', 'arn:aws:sns:eu-west-1:1:endpoint/GCM/a/\u00e9', 200)
    assert.equal(await store.recall('key'), 'arn:aws:sns:eu-west-1:1:endpoint/GCM/a/\u00e9')
    assert.equal(await store.recall('another'), undefined)
    await subject.pass(250)
    assert.equal(await store.recall('key'), undefined)
  })

  it('what is remembered and what is claimed do not meet', async ({ store }) => {
    await store.remember('key', 'value', 60_000)
    assert.equal(await store.claim('key', 60_000), true)
    assert.equal(await store.recall('key'), 'value')
  })

  it('a claim lasts for its lifetime', async (subject) => {
    assert.equal(await subject.store.claim('key', 200), true)
    await subject.pass(50)
    assert.equal(await subject.store.claim('key', 200), false)
    await subject.pass(250)
    assert.equal(await subject.store.claim('key', 60_000), true)
    assert.equal(await subject.store.claim('key', 60_000), false)
  })
}
