import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GatewayLease, LeaseStep } from '../../functions/store/store.ts'
import type { CreateSubject, Subject } from './subject.ts'

const SOCKETS = [{ transport: 'udp' as const, host: '192.0.2.1', port: 5060, advertised: 'sip.example.com:5060' }]

function lease(gateway: string, life: string, more: Partial<GatewayLease> = {}): GatewayLease {
  return { gateway, holder: gateway, life, pool: 'default', sockets: SOCKETS, ...more }
}

function step(subject: Subject, life: string, more: Partial<LeaseStep>) {
  return subject.store.leases({
    life,
    isStart: false,
    take: [],
    leave: [],
    forget: [],
    ttlMs: 60_000,
    secret: `of ${life}`,
    ...more,
  })
}

export function leaseConformance(create: CreateSubject): void {
  const it = (title: string, body: (subject: Subject) => Promise<void>): void =>
    void test(title, async () => {
      const subject = await create()
      await body(subject).finally(() => subject.close())
    })

  it('a lease that was taken is seen whole, by everybody', async (subject) => {
    for (const more of [{}, { isLeaving: true }]) {
      const { taken } = await step(subject, 'a1', { take: [lease('gw-a', 'a1', more)] })
      assert.deepEqual(taken, ['gw-a'])
      const { taken: none, seen } = await step(subject, 'b1', {})
      assert.deepEqual(none, [])
      const [{ leftMs, ...held }] = seen as [(typeof seen)[number]]
      assert.deepEqual(held, { ...lease('gw-a', 'a1', more), isWanted: false })
      assert.ok(leftMs > 0 && leftMs <= 60_000)
    }
  })

  it('the first secret is the secret of all', async (subject) => {
    assert.equal((await step(subject, 'a1', {})).secret, 'of a1')
    assert.equal((await step(subject, 'b1', {})).secret, 'of a1')
  })

  it('nobody takes over the lease of a living gateway; of all who would once it has lapsed one does', async (subject) => {
    await step(subject, 'a1', { take: [lease('gw-a', 'a1')], ttlMs: 100 })
    const adopted = (life: string) => lease('gw-a', life, { holder: `gw-${life[0]}` })
    assert.deepEqual((await step(subject, 'b1', { take: [adopted('b1')] })).taken, [])
    await subject.pass(150)
    assert.equal((await step(subject, 'b1', {})).seen[0]?.leftMs, 0)
    const both = await Promise.all(['b1', 'c1'].map((life) => step(subject, life, { take: [adopted(life)] })))
    assert.equal(both.flatMap(({ taken }) => taken).length, 1)
    assert.notEqual(both[1]!.seen[0]?.holder, 'gw-a')
  })

  it('a lease is renewed by its holder for as long as he likes', async (subject) => {
    for (let round = 0; round < 4; round++) {
      const { taken } = await step(subject, 'a1', { take: [lease('gw-a', 'a1')], ttlMs: 10_000 })
      assert.deepEqual(taken, ['gw-a'])
      await subject.pass(20)
    }
    assert.deepEqual((await step(subject, 'b1', { take: [lease('gw-a', 'b1', { holder: 'gw-b' })] })).taken, [])
  })

  it('a gateway that was started anew takes its own lease at once, and its older process loses it', async (subject) => {
    await step(subject, 'a1', { take: [lease('gw-a', 'a1')] })
    assert.deepEqual((await step(subject, 'a2', { isStart: true, take: [lease('gw-a', 'a2')] })).taken, ['gw-a'])
    assert.deepEqual((await step(subject, 'a1', { take: [lease('gw-a', 'a1')] })).taken, [])
    const { seen } = await step(subject, 'a1', { leave: ['gw-a'], forget: ['gw-a'] })
    assert.equal(seen[0]?.life, 'a2')
    assert.ok(seen[0]!.leftMs > 0)
  })

  it('a gateway that comes back to adopted calls waits until they are left to it', async (subject) => {
    const adopted = lease('gw-a', 'b1', { holder: 'gw-b' })
    await step(subject, 'b1', { take: [lease('gw-b', 'b1'), adopted] })
    assert.deepEqual((await step(subject, 'a2', { isStart: true, take: [lease('gw-a', 'a2')] })).taken, [])
    const renewed = await step(subject, 'b1', { take: [lease('gw-b', 'b1'), adopted] })
    assert.deepEqual(renewed.taken.sort(), ['gw-a', 'gw-b'])
    assert.deepEqual(
      renewed.seen.filter(({ isWanted }) => isWanted).map(({ gateway }) => gateway),
      ['gw-a'],
    )
    await step(subject, 'b1', { leave: ['gw-a'] })
    const back = await step(subject, 'a2', { take: [lease('gw-a', 'a2')] })
    assert.deepEqual(back.taken, ['gw-a'])
    assert.ok(back.seen.every(({ isWanted }) => !isWanted))
  })

  it('a lease that is left may be taken at once; one that is forgotten is gone', async (subject) => {
    await step(subject, 'a1', { take: [lease('gw-a', 'a1')] })
    const { seen } = await step(subject, 'a1', { leave: ['gw-a'] })
    assert.equal(seen[0]?.leftMs, 0)
    const adopted = lease('gw-a', 'b1', { holder: 'gw-b' })
    assert.deepEqual((await step(subject, 'b1', { take: [adopted] })).taken, ['gw-a'])
    assert.deepEqual((await step(subject, 'b1', { forget: ['gw-a'] })).seen, [])
  })
}
