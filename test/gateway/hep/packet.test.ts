import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodePacket, MAX_PACKET_BYTES, type Packet } from '../../../gateway/hep/packet.ts'
import { chunksOf } from './chunks.ts'

const AGENT = { id: 2001, node: '', authKey: '' }
const PACKET: Packet = {
  kind: 'sip',
  transport: 'udp',
  source: { address: '192.0.2.1', port: 5060 },
  destination: { address: '198.51.100.7', port: 40_000 },
  at: 1_700_000_000_123.456,
  correlation: '',
  payload: Buffer.from('hi'),
}

describe('HEP version 3, octet by octet', () => {
  test('a packet with nothing but what each has', () => {
    const octets = [
      '48455033 0065', // HEP3, 101 octets
      '0000 0001 0007 02', // IPv4
      '0000 0002 0007 11', // UDP
      '0000 0003 000a c0000201',
      '0000 0004 000a c6336407',
      '0000 0007 0008 13c4',
      '0000 0008 0008 9c40',
      '0000 0009 000a 6553f100', // seconds
      '0000 000a 000a 0001e240', // 123,456 microseconds
      '0000 000b 0007 01', // SIP
      '0000 000c 000a 000007d1', // agent 2001
      '0000 000f 0008 6869',
    ]
    assert.equal(encodePacket(PACKET, AGENT).toString('hex'), octets.join('').replaceAll(' ', ''))
  })

  test('authentication key, node and call are there when they say something; a log is of type 100', () => {
    const packet = { ...PACKET, kind: 'log', transport: 'tcp', correlation: 'call-1' } as const
    const chunks = chunksOf(encodePacket(packet, { id: 7, node: 'gw-1', authKey: 'key' }))
    assert.equal(chunks.get(2)!.readUInt8(), 6)
    assert.equal(chunks.get(11)!.readUInt8(), 100)
    assert.equal(chunks.get(12)!.readUInt32BE(), 7)
    assert.equal(String(chunks.get(14)), 'key')
    assert.equal(String(chunks.get(17)), 'call-1')
    assert.equal(String(chunks.get(19)), 'gw-1')
  })

  for (const [address, hex] of [
    ['2001:db8::1', '20010db8000000000000000000000001'],
    ['::1', '00000000000000000000000000000001'],
    ['::', '00000000000000000000000000000000'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
  ] as const) {
    test(`${address} goes as sixteen octets, and so does what it talks with`, () => {
      const source = { address, port: 5060 }
      const chunks = chunksOf(encodePacket({ ...PACKET, source }, AGENT))
      assert.equal(chunks.get(1)!.readUInt8(), 10)
      assert.equal(chunks.get(5)!.toString('hex'), hex)
      assert.equal(chunks.get(6)!.toString('hex'), '00000000000000000000ffffc6336407')
      assert.equal(chunks.get(3), undefined)
    })
  }

  test('what is no address is nobody’s, and a long payload or name is cut off', () => {
    const packet = {
      ...PACKET,
      source: { address: 'example.com', port: 1 },
      correlation: 'x'.repeat(10_000),
      payload: Buffer.alloc(100_000),
    }
    const octets = encodePacket(packet, AGENT)
    assert.ok(octets.length <= MAX_PACKET_BYTES)
    const chunks = chunksOf(octets)
    assert.equal(chunks.get(3)!.toString('hex'), '00000000')
    assert.equal(chunks.get(17)!.length, 255)
  })
})
