import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { after, afterEach, before, describe, it } from 'node:test'
import { Gateway } from './gateway.ts'
import { nextAddress } from './network.ts'
import { Started } from './started.ts'

describe('loose writing that real phones do, over UDP', () => {
  const started = new Started()
  const address = nextAddress()
  let gateway: Gateway
  let socket: Socket

  before(async () => {
    gateway = await started.keep(Gateway.start())
    socket = createSocket('udp4').bind(5060, address)
    await once(socket, 'listening')
  })
  afterEach(() => gateway.isIdle())
  after(async () => {
    socket?.close()
    await started.stop()
  })

  it('a To without angle brackets, Accept twice, alias in Via, two spaces after Digest, Contact after Content-Length', async () => {
    const answer = await exchange([
      `REGISTER sip:${gateway.address} SIP/2.0`,
      `Via: SIP/2.0/UDP ${address}:5060;alias;branch=z9hG4bK-loose-1;rport`,
      `From: sip:grace@${gateway.address};tag=1`,
      `To: sip:grace@${gateway.address}`,
      'Call-ID: loose-1',
      'CSeq: 1 REGISTER',
      'Accept: application/sdp',
      'Accept: text/plain',
      'Authorization: Digest  username="grace",  realm="x", nonce="y", uri="sip:x", response="00000000000000000000000000000000"',
      'Max-Forwards: 70',
      'Content-Length: 0',
      `Contact: <sip:grace@${address}:5060>;expires=60`,
    ])
    assert.match(answer, /^SIP\/2\.0 200 /)
    assert.match(answer, new RegExp(`^Contact: <sip:grace@${address}:5060>`, 'm'))
  })

  it('octets after the body that Content-Length announces are not part of the message (RFC 3261 18.3)', async () => {
    const lines = [...options('loose-2'), 'Content-Type: text/plain', 'Content-Length: 2']
    assert.match(await exchange(lines, 'hi, and more'), /^SIP\/2\.0 200 /)
  })

  it('a datagram that ends before its announced body is refused with 400 (RFC 3261 18.3)', async () => {
    const lines = [...options('loose-3'), 'Content-Type: text/plain', 'Content-Length: 200']
    assert.match(await exchange(lines, 'hi'), /^SIP\/2\.0 400 /)
  })

  function options(id: string): string[] {
    return [
      `OPTIONS sip:${gateway.address} SIP/2.0`,
      `Via: SIP/2.0/UDP ${address}:5060;branch=z9hG4bK-${id};rport`,
      `From: <sip:grace@${gateway.address}>;tag=1`,
      `To: <sip:${gateway.address}>`,
      `Call-ID: ${id}`,
      'CSeq: 1 OPTIONS',
      'Max-Forwards: 70',
    ]
  }

  /** Sends these lines and returns the answer. */
  async function exchange(lines: string[], body = ''): Promise<string> {
    const answered = once(socket, 'message', { signal: AbortSignal.timeout(3_000) })
    socket.send(`${lines.join('\r\n')}\r\n\r\n${body}`, 5060, gateway.address)
    const [message] = (await answered) as [Buffer]
    return message.toString('latin1')
  }
})
