import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GatewayLease } from '../../../functions/store/store.ts'
import { FlowTokens } from '../../../gateway/cluster/flow-token.ts'
import { LivePeers } from '../../../gateway/cluster/peers.ts'

function lease(gateway: string, host: string, more: Partial<GatewayLease> = {}): GatewayLease {
  const sockets = [{ transport: 'tcp' as const, host, port: 5060, advertised: '[2001:db8::9]:5060' }]
  return { gateway, holder: gateway, life: `life of ${gateway}`, pool: 'east', sockets, ...more }
}

function peers(...leases: GatewayLease[]): LivePeers {
  const made = new LivePeers('east', [{ transport: 'tcp' }], new FlowTokens('secret'))
  made.update(leases)
  return made
}

const B = lease('gw-b', '10.0.0.2')
const C = lease('gw-c', '10.0.0.3')
const at = (remoteAddress: string) => ({ transport: 'tcp' as const, remoteAddress, remotePort: 5060 })

test('without those that cannot be reached somewhere, the others are as they were', () => {
  const adopted = lease('gw-d', '10.0.0.2', { holder: 'gw-b' })
  const all = peers(B, C, adopted)
  const left = all.without(at('10.0.0.2'))
  assert.deepEqual(
    ['gw-b', 'gw-c', 'gw-d'].map((gateway) => [left.has(gateway), left.isUnreachable(gateway)]),
    [
      [false, true],
      [true, false],
      [false, true],
    ],
  )
  assert.deepEqual([left.isSocket('10.0.0.2', 5060), left.isSocket('10.0.0.3', 5060)], [false, true])
  assert.deepEqual([all.has('gw-b'), all.isUnreachable('gw-b')], [true, false])
  const none = left.without(at('10.0.0.3'))
  assert.deepEqual([none.isUnreachable('gw-b'), none.isUnreachable('gw-c'), none.mates], [true, true, []])
})

test('a gateway whose lease has lapsed is known by its sockets and what it advertises, until it is back', () => {
  const all = peers(B, C)
  assert.equal(all.isPlace('2001:db8::9', 5060), false)
  all.update([C])
  for (const address of ['10.0.0.2', '2001:db8::9']) {
    assert.equal(all.isPlace(address, 5060), true)
    assert.deepEqual([all.isUnreachable('gw-b'), all.without(at(address)).isUnreachable('gw-b')], [false, true])
  }
  const neither = all.without(at('10.0.0.3')).without(at('10.0.0.2'))
  assert.deepEqual([neither.isUnreachable('gw-c'), neither.isUnreachable('gw-b')], [true, true])
  assert.deepEqual([all.isSocket('10.0.0.2', 5060), all.isPlace('10.0.0.2', 5070)], [false, false])
  all.update([B, C])
  assert.deepEqual([all.isPlace('2001:db8::9', 5060), all.has('gw-b')], [false, true])
})

test('of gateways that have gone only the latest are kept', () => {
  const all = peers()
  for (let number = 0; number < 150; number++) all.update([lease(`gw-${number}`, `10.1.0.${number}`)])
  const known = Array.from({ length: 150 }, (_, number) => all.isPlace(`10.1.0.${number}`, 5060))
  assert.deepEqual([known.indexOf(true), known.filter((each) => each).length], [49, 101])
})

test('one that is about to leave is no way for requests any more, but still gets what belongs to it', () => {
  const all = peers({ ...B, isLeaving: true }, C)
  assert.deepEqual([all.has('gw-b'), all.has('gw-c')], [false, true])
  assert.deepEqual(all.mates, ['gw-b', 'gw-c'])
  assert.equal(all.destination('gw-b', 'tcp')?.remoteAddress, '10.0.0.2')
  assert.equal(all.isSocket('10.0.0.2', 5060), true)
})
