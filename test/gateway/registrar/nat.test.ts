import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isReachedByFlow } from '../../../gateway/registrar/nat.ts'
import { parseUri } from '../../../gateway/sip/uri.ts'
import { parseVia } from '../../../gateway/sip/via.ts'
import { flow } from './support.ts'

interface Row {
  what: string
  contact: string
  /** sent-by and parameters. */
  via: string
  from: string
  transport?: 'udp' | 'tcp'
  path?: boolean
  reached: 'flow' | 'own address'
}

const ROWS: Row[] = [
  {
    what: 'a phone on a public address',
    contact: 'sip:b@203.0.113.5:5060',
    via: '203.0.113.5:5060;rport',
    from: '203.0.113.5:5060',
    reached: 'own address',
  },
  {
    what: 'default ports, left out',
    contact: 'sip:b@203.0.113.5',
    via: '203.0.113.5',
    from: '203.0.113.5:5060',
    reached: 'own address',
  },
  {
    what: 'a phone behind a NAT',
    contact: 'sip:b@192.168.1.7:5060',
    via: '192.168.1.7:5060;rport',
    from: '203.0.113.5:40001',
    reached: 'flow',
  },
  {
    what: 'a phone behind a NAT that does not ask for rport',
    contact: 'sip:b@192.168.1.7',
    via: '192.168.1.7',
    from: '203.0.113.5:40001',
    reached: 'flow',
  },
  {
    what: 'a NAT between two private networks',
    contact: 'sip:b@192.168.1.7',
    via: '192.168.1.7',
    from: '10.0.0.5:40001',
    reached: 'flow',
  },
  {
    what: 'a NAT that translates the port only',
    contact: 'sip:b@203.0.113.5:5060',
    via: '203.0.113.5:5060;rport',
    from: '203.0.113.5:40001',
    reached: 'flow',
  },
  {
    what: 'a phone that sends from one port and listens on another',
    contact: 'sip:b@203.0.113.5:5060',
    via: '203.0.113.5:5060',
    from: '203.0.113.5:40001',
    reached: 'own address',
  },
  {
    what: 'a phone that registers a second port of its own',
    contact: 'sip:b@203.0.113.5:5070',
    via: '203.0.113.5:5060;rport',
    from: '203.0.113.5:5060',
    reached: 'own address',
  },
  {
    what: 'a phone that put its public address in Contact (STUN) and sends through a NAT',
    contact: 'sip:b@203.0.113.5:40001',
    via: '192.168.1.7:5060;rport',
    from: '203.0.113.5:40001',
    reached: 'own address',
  },
  {
    what: 'a phone with a stale public address in Contact',
    contact: 'sip:b@203.0.113.5:39999',
    via: '192.168.1.7:5060;rport',
    from: '203.0.113.5:40001',
    reached: 'flow',
  },
  {
    what: 'a private Contact under a public Via',
    contact: 'sip:b@10.1.2.3',
    via: '203.0.113.5:5060;rport',
    from: '203.0.113.5:5060',
    reached: 'flow',
  },
  {
    what: 'a registration for a third party',
    contact: 'sip:b@198.51.100.77',
    via: '203.0.113.5:5060',
    from: '203.0.113.5:5060',
    reached: 'own address',
  },
  {
    what: 'a registration for a third party from behind a NAT',
    contact: 'sip:b@198.51.100.77',
    via: '192.168.1.7',
    from: '203.0.113.5:40001',
    reached: 'own address',
  },
  {
    what: 'a third party by name',
    contact: 'sip:b@gateway.example.net',
    via: '203.0.113.5',
    from: '203.0.113.5:5060',
    reached: 'own address',
  },
  {
    what: 'private third party in the private network itself',
    contact: 'sip:b@10.1.2.3',
    via: '10.1.2.4',
    from: '10.1.2.4:5060',
    reached: 'own address',
  },
  {
    what: 'a browser (RFC 7118)',
    contact: 'sip:x@df7jal23ls0d.invalid;transport=ws',
    via: 'df7jal23ls0d.invalid',
    from: '203.0.113.5:5060',
    transport: 'tcp',
    reached: 'flow',
  },
  {
    what: 'a phone over TCP with its ephemeral port in Contact',
    contact: 'sip:b@203.0.113.5:40001;transport=tcp',
    via: '203.0.113.5:40001',
    from: '203.0.113.5:40001',
    transport: 'tcp',
    reached: 'flow',
  },
  {
    what: 'a phone over TCP with its listening port in Contact',
    contact: 'sip:b@203.0.113.5:5060;transport=TCP',
    via: '203.0.113.5:5060',
    from: '203.0.113.5:40001',
    transport: 'tcp',
    reached: 'flow',
  },
  {
    what: 'a phone over TCP behind a NAT',
    contact: 'sip:b@192.168.1.7;transport=tcp',
    via: '192.168.1.7:5060',
    from: '203.0.113.5:40001',
    transport: 'tcp',
    reached: 'flow',
  },
  {
    what: 'a phone that registers its UDP contact over TCP',
    contact: 'sip:b@203.0.113.5:5060;transport=udp',
    via: '203.0.113.5:5060',
    from: '203.0.113.5:40001',
    transport: 'tcp',
    reached: 'own address',
  },
  {
    what: 'a third party over TCP',
    contact: 'sip:b@198.51.100.77;transport=tcp',
    via: '203.0.113.5',
    from: '203.0.113.5:40001',
    transport: 'tcp',
    reached: 'own address',
  },
  {
    what: 'a phone behind an edge proxy that adds Path (RFC 3327)',
    contact: 'sip:b@192.168.1.7',
    via: '192.168.1.7',
    from: '203.0.113.9:5060',
    path: true,
    reached: 'own address',
  },
  {
    what: 'IPv6 in another spelling',
    contact: 'sip:b@[2001:DB8:0:0::5]:5060',
    via: '[2001:db8::5]:5060;rport',
    from: '2001:db8::5:5060',
    reached: 'own address',
  },
  {
    what: 'a unique local IPv6 address under a public one',
    contact: 'sip:b@[fd00::7]',
    via: '[2001:db8::5]',
    from: '2001:db8::5:5060',
    reached: 'flow',
  },
  {
    what: 'a name that is also in Via',
    contact: 'sip:b@phone.lan',
    via: 'phone.lan:5060',
    from: '10.0.0.5:5060',
    reached: 'flow',
  },
]

describe('where a binding is reached (RFC 3581, 5626, 7118)', () => {
  for (const row of ROWS) {
    test(`${row.what}: ${row.reached}`, () => {
      const transport = row.transport ?? 'udp'
      const via = parseVia(`SIP/2.0/${transport.toUpperCase()} ${row.via};branch=z9hG4bK1`)
      const uri = parseUri(row.contact)
      assert.ok(via && uri)
      const byFlow = isReachedByFlow(uri, via, flow(row.from, transport), row.path ?? false)
      assert.equal(byFlow ? 'flow' : 'own address', row.reached)
    })
  }
})
