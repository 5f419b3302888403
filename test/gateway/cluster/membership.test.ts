import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SeenLease } from '../../../functions/store/store.ts'
import { judge, type Self } from '../../../gateway/cluster/membership.ts'

const TTL = 5000
const SOCKETS = [{ transport: 'udp' as const, host: '10.0.0.1', port: 5060, advertised: 'sip.example.com:5060' }]
const SELF: Self = { id: 'gw-a', life: 'a1', pool: 'east', sockets: SOCKETS }

function lease(gateway: string, more: Partial<SeenLease> = {}): SeenLease {
  const life = `life of ${gateway}`
  return { gateway, holder: gateway, life, pool: 'east', sockets: SOCKETS, leftMs: 4000, isWanted: false, ...more }
}

const own = lease('gw-a', { life: 'a1' })
const lapsed = lease('gw-b', { leftMs: 0 })

test('others that hold their lease are peers, this gateway itself is not', () => {
  const { peers } = judge(SELF, [own, lease('gw-b'), lease('gw-c', { pool: 'west' }), lapsed], TTL, TTL)
  assert.deepEqual(
    peers.map(({ gateway }) => gateway),
    ['gw-b', 'gw-c'],
  )
})

test('who has lapsed is adopted by one of its pool that answers on the same address', () => {
  const elsewhere = [{ ...SOCKETS[0]!, advertised: '192.0.2.7:5060' }]
  const alsoTcp = [...SOCKETS, { ...SOCKETS[0]!, transport: 'tcp' as const }]
  const cases: [SeenLease, string[]][] = [
    [lapsed, ['gw-b']],
    [lease('gw-b'), []],
    [{ ...lapsed, pool: 'west' }, []],
    [{ ...lapsed, sockets: elsewhere }, []],
    [{ ...lapsed, sockets: alsoTcp }, []],
    [{ ...lapsed, holder: 'gw-c' }, ['gw-b']],
  ]
  for (const [seen, expected] of cases) {
    const { adoptable, gone } = judge(SELF, [own, seen], TTL, TTL)
    assert.deepEqual(
      adoptable.map(({ gateway }) => gateway),
      expected,
    )
    const isNobodys = seen.leftMs === 0 && seen.gateway !== SELF.id
    assert.deepEqual(
      gone.map(({ gateway }) => gateway),
      isNobodys && expected.length === 0 ? [seen.gateway] : [],
    )
  }
})

test('who has not seen the leases for as long as one lasts adopts nobody: all may have been unable to renew theirs', () => {
  assert.deepEqual(judge(SELF, [own, lapsed], TTL - 1, TTL).adoptable, [])
})

test('an adopted gateway that is back is given what it wants', () => {
  const adopted = lease('gw-b', { holder: 'gw-a', life: 'a1' })
  assert.deepEqual(judge(SELF, [own, adopted], TTL, TTL).wanted, [])
  assert.deepEqual(judge(SELF, [own, { ...adopted, isWanted: true }], TTL, TTL).wanted, ['gw-b'])
})

test('a process is replaced by a later one of its id, not by who has adopted its calls', () => {
  assert.equal(judge(SELF, [lease('gw-a', { life: 'a2' })], TTL, TTL).isReplaced, true)
  assert.equal(judge(SELF, [lease('gw-a', { life: 'b1', holder: 'gw-b' })], TTL, TTL).isReplaced, false)
  assert.equal(judge(SELF, [lease('gw-a', { life: 'a0', leftMs: 0 })], TTL, TTL).isReplaced, false)
})
