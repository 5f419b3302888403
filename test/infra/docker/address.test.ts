import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'node:test'
import { containerAddress } from '../../../infra/docker/address.ts'

function info(address: string, internal = false): NetworkInterfaceInfo {
  const common = { address, netmask: '', mac: '', internal, cidr: null }
  return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' }
}

const lo = [info('127.0.0.1', true), info('::1', true)]

test('a container has the address of its only network', () => {
  assert.equal(containerAddress({ lo, eth0: [info('172.18.0.3'), info('fe80::1')] }), '172.18.0.3')
  assert.equal(containerAddress({ lo, eth0: [info('2001:db8::3'), info('fe80::1')] }), '2001:db8::3')
  assert.equal(containerAddress({ lo, eth0: [info('10.0.0.3'), info('2001:db8::3')] }), '10.0.0.3')
})

test('the interface of ECS for its metadata is no network of the container', () => {
  assert.equal(containerAddress({ lo, eth0: [info('169.254.172.2')], eth1: [info('10.0.1.7')] }), '10.0.1.7')
})

test('which of several networks others use, or of none, is not guessed', () => {
  assert.equal(containerAddress({ lo, eth0: [info('10.0.0.3')], eth1: [info('10.1.0.3')] }), undefined)
  assert.equal(containerAddress({ lo }), undefined)
})
