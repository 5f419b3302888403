import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { octetsOfIp } from '../../../gateway/hep/ip-octets.ts'
import { type Agent, type Capture, PacketEncoder } from '../../../gateway/hep/packet.ts'

const AGENT: Agent = { id: 2001, authKey: undefined, node: 'gw', maxBytes: 8192 }
const CAPTURE: Capture = {
  protocol: 'sip',
  transport: 'udp',
  source: { address: '192.0.2.1', port: 5060 },
  destination: { address: '198.51.100.7', port: 40_000 },
  at: 1_700_000_000_123_456,
  correlationId: 'a84b4c@host',
  payload: 'OPTIONS',
}

function encoded(capture: Partial<Capture> = {}, agent: Partial<Agent> = {}): Buffer {
  return new PacketEncoder({ ...AGENT, ...agent }, () => {}).encode({ ...CAPTURE, ...capture })
}

/** Octets written as hexadecimal, with what they mean after `#`. */
function octets(lines: string): string {
  return lines.replaceAll(/#.*$/gm, '').replaceAll(/\s/g, '')
}

describe('HEP version 3', () => {
  test('a datagram of SIP over IPv4, octet by octet', () => {
    const wanted = octets(`
      48455033 0083                            # HEP3, 131 octets
      0000 0001 0007 02                        # IPv4
      0000 0002 0007 11                        # UDP
      0000 0007 0008 13c4                      # source port 5060
      0000 0008 0008 9c40                      # destination port 40000
      0000 0009 000a 6553f100                  # 1700000000 s
      0000 000a 000a 0001e240                  # 123456 us
      0000 000b 0007 01                        # SIP
      0000 000c 000a 000007d1                  # agent 2001
      0000 0003 000a c0000201                  # 192.0.2.1
      0000 0004 000a c6336407                  # 198.51.100.7
      0000 000f 000d 4f5054494f4e53            # OPTIONS
      0000 0011 0011 61383462346340686f7374    # a84b4c@host
      0000 0013 0008 6777                      # gw
    `)
    assert.equal(encoded().toString('hex'), wanted)
  })

  test('a log over TCP and IPv6, with the key between the addresses and the payload, where sngrep looks for it', () => {
    const capture: Partial<Capture> = {
      protocol: 'log',
      transport: 'tcp',
      source: { address: '2001:db8::1', port: 1 },
      destination: { address: '::1', port: 65_535 },
      payload: '{}',
      correlationId: '',
    }
    const wanted = octets(`
      48455033 0091
      0000 0001 0007 0a                        # IPv6
      0000 0002 0007 06                        # TCP
      0000 0007 0008 0001
      0000 0008 0008 ffff
      0000 0009 000a 6553f100
      0000 000a 000a 0001e240
      0000 000b 0007 64                        # log
      0000 000c 000a ffffffff
      0000 0005 0016 20010db8000000000000000000000001
      0000 0006 0016 00000000000000000000000000000001
      0000 000e 000c 733363726574              # s3cret
      0000 000f 0008 7b7d                      # {}
      0000 0013 0008 6777
    `)
    assert.equal(encoded(capture, { id: 0xffffffff, authKey: 's3cret' }).toString('hex'), wanted)
  })

  test('the length says how long the packet is, and so does the length of each chunk', () => {
    const packet = encoded({ payload: 'x'.repeat(3000) }, { authKey: 'k' })
    assert.equal(packet.readUInt16BE(4), packet.length)
    let at = 6
    while (at < packet.length) at += packet.readUInt16BE(at + 4)
    assert.equal(at, packet.length)
  })

  test('a payload is octets, whatever they are', () => {
    const payload = String.fromCharCode(...Array.from({ length: 256 }, (_, octet) => octet))
    assert.ok(encoded({ payload }).includes(Buffer.from(payload, 'latin1')))
  })

  test('a payload that does not fit is cut off, which is told; the rest stays whole', () => {
    let cut = 0
    const encoder = new PacketEncoder({ ...AGENT, maxBytes: 1024 }, () => cut++)
    const packet = encoder.encode({ ...CAPTURE, payload: 'x'.repeat(70_000) })
    assert.equal(packet.length, 1024)
    assert.equal(packet.readUInt16BE(4), 1024)
    assert.ok(packet.includes('a84b4c@host'))
    encoder.encode({ ...CAPTURE, payload: 'x'.repeat(1024 - 125) })
    assert.equal(cut, 1)
  })

  test('a correlation id of a sender who means no good is cut off as well', () => {
    assert.equal(encoded({ correlationId: 'i'.repeat(60_000) }).length, 131 - 11 + 512)
  })

  test('an address that is unknown, or of another family than the source, is none', () => {
    const destination = { address: '', port: 0 }
    assert.deepEqual(encoded({ destination }).subarray(89, 93), Buffer.alloc(4))
    const source = { address: '2001:db8::1', port: 5060 }
    assert.deepEqual(encoded({ source }).subarray(101, 117), Buffer.alloc(16))
  })
})

describe('addresses as octets', () => {
  const hex = (address: string) => octetsOfIp(address)?.toString('hex')

  test('IPv4, and IPv6 in every spelling', () => {
    assert.equal(hex('127.0.0.1'), '7f000001')
    assert.equal(hex('::'), '0'.repeat(32))
    assert.equal(hex('fe80::'), `fe80${'0'.repeat(28)}`)
    assert.equal(hex('2001:DB8:0:0:1:0:0:1'), '20010db8000000000001000000000001')
    assert.equal(hex('2001:db8::1:0:0:1'), '20010db8000000000001000000000001')
    assert.equal(hex('::ffff:192.0.2.1'), '00000000000000000000ffffc0000201')
    assert.equal(hex('fe80::1%eth0'), `fe80${'0'.repeat(27)}1`)
  })

  test('what is no address has none', () => {
    for (const text of ['', 'sip.example.com', '1.2.3', '1.2.3.256', ':::', '[::1]']) assert.equal(hex(text), undefined)
  })
})
