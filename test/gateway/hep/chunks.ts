import assert from 'node:assert/strict'

/** The chunks of one packet by their type, and that its lengths are right. */
export function chunksOf(packet: Buffer): Map<number, Buffer> {
  assert.equal(packet.subarray(0, 4).toString('latin1'), 'HEP3')
  assert.equal(packet.readUInt16BE(4), packet.length)
  const chunks = new Map<number, Buffer>()
  for (let at = 6; at < packet.length; ) {
    assert.equal(packet.readUInt16BE(at), 0)
    const length = packet.readUInt16BE(at + 4)
    chunks.set(packet.readUInt16BE(at + 2), packet.subarray(at + 6, at + length))
    at += length
    assert.ok(length >= 6 && at <= packet.length)
  }
  return chunks
}

/** The packets that came one after the other over a stream. */
export function packetsOf(octets: Buffer): Buffer[] {
  const packets: Buffer[] = []
  for (let at = 0; at < octets.length; ) {
    const length = octets.readUInt16BE(at + 4)
    packets.push(octets.subarray(at, at + length))
    at += length
  }
  return packets
}
