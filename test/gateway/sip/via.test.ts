import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseVia } from '../../../gateway/sip/via.ts'

test('a Via gives its transport, sent-by and parameters (RFC 3261 20.42)', () => {
  const via = parseVia(
    'SIP/2.0/udp Host.Example.com:5070;branch=z9hG4bKa;rport;received=192.0.2.1;maddr=192.0.2.9;TTL=1;alias;x="a;b"',
  )!
  assert.deepEqual([via.transport, via.host, via.port, via.branch], ['UDP', 'host.example.com', 5070, 'z9hG4bKa'])
  assert.deepEqual([via.received, via.rport, via.maddr], ['192.0.2.1', true, '192.0.2.9'])
  assert.deepEqual([...via.params.keys()], ['branch', 'rport', 'received', 'maddr', 'ttl', 'alias', 'x'])
  assert.deepEqual([via.params.get('alias'), via.params.get('x')], ['', 'a;b'])
})

test('LWS is allowed round every separator (RFC 4475 3.1.1.1)', () => {
  const via = parseVia('SIP / 2.0 /\tTLS   host.example.com : 5061 ; branch = z9hG4bK3 , SIP/2.0/UDP x')!
  assert.deepEqual([via.transport, via.host, via.port, via.branch], ['TLS', 'host.example.com', 5061, 'z9hG4bK3'])
})

test('IPv6: with brackets in sent-by, with and without in received, with a zone (RFC 5118 4.5, RFC 6874)', () => {
  const via = parseVia('SIP/2.0/UDP [2001:DB8::9:1]:5070;received=[2001:db8::9:255];branch=z9')!
  assert.deepEqual([via.host, via.port, via.received, via.branch], ['2001:db8::9:1', 5070, '2001:db8::9:255', 'z9'])
  assert.equal(parseVia('SIP/2.0/UDP [::1];received=2001:db8::9:255;branch=z9')!.received, '2001:db8::9:255')
  assert.equal(parseVia('SIP/2.0/UDP [fe80::1%25eth0]:5060')!.host, 'fe80::1%25eth0')
})

test('rport: asked for, filled in, and anything else as asked for (RFC 3581)', () => {
  assert.equal(parseVia('SIP/2.0/UDP a;rport')!.rport, true)
  assert.equal(parseVia('SIP/2.0/UDP a;rport=5070')!.rport, 5070)
  assert.equal(parseVia('SIP/2.0/UDP a;rport=99999')!.rport, true)
  assert.equal(parseVia('SIP/2.0/UDP a')!.rport, undefined)
})

test('a Via without branch, or with one without the magic cookie, is fine (RFC 2543)', () => {
  assert.equal(parseVia('SIP/2.0/UDP a')!.branch, '')
  assert.equal(parseVia('SIP/2.0/UDP a;branch=1')!.branch, '1')
})

test('broken Vias are undefined', () => {
  const parts = [
    '',
    'SIP',
    'SIP/2.0',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP ',
    'SIP/2.0/ ',
    '/2.0/UDP a',
    'SIP//UDP a',
    'SIP/2.0/UDP;branch=x',
  ]
  const hosts = [
    'SIP/2.0/UDP [::1',
    'SIP/2.0/UDP []',
    'SIP/2.0/UDP [x]',
    'SIP/2.0/UDP a b',
    'SIP/2.0/UDP :5060',
    'SIP/2.0/UDP a/b',
  ]
  const ports = [
    'SIP/2.0/UDP a:',
    'SIP/2.0/UDP a:0',
    'SIP/2.0/UDP a:65536',
    'SIP/2.0/UDP a:80xyz',
    'SIP/2.0/UDP a:-1',
    'SIP/2.0/UDP a:1:2',
  ]
  const params = [
    'SIP/2.0/UDP a;',
    'SIP/2.0/UDP a;;x',
    'SIP/2.0/UDP a;branch=',
    'SIP/2.0/UDP a;branch',
    'SIP/2.0/UDP a;x="1',
    'SIP/2.0/UDP a;x y',
  ]
  const twice = [
    'SIP/2.0/UDP a;branch=1;branch=2',
    'SIP/2.0/UDP a;rport;rport',
    'SIP/2.0/UDP a;received=b;Received=c',
    'SIP/2.0/UDP a;maddr=b;maddr=c',
  ]
  for (const text of [...parts, ...hosts, ...ports, ...params, ...twice]) assert.equal(parseVia(text), undefined, text)
})

test('a parameter called __proto__ is a parameter', () => {
  assert.deepEqual(
    [...parseVia('SIP/2.0/UDP a;__proto__;branch=1')!.params],
    [
      ['__proto__', ''],
      ['branch', '1'],
    ],
  )
})
