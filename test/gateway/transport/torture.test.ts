import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Frame, StreamFramer } from '../../../gateway/transport/framing.ts'
import { octetsOf, textOf } from '../../../gateway/transport/octets.ts'
import { message } from '../../support/transport-peers.ts'

type Cut = Exclude<Frame, { kind: 'keep-alive' }>

const TORTURE = `${import.meta.dirname}/../../torture`
const LIMITS = { maxHeaderBytes: 64 * 1024, maxBodyBytes: 1024 * 1024 }

/** Messages that lose a stream its framing, and why (RFC 3261 18.3, RFC 4475 3.1.2.3 and 3.3.9). */
const BROKEN: Record<string, string> = {
  'rfc4475/ncl.dat': 'Bad Content-Length',
  'rfc4475/mcl01.dat': 'Differing Content-Length',
  'edge/no-content-length.dat': 'Missing Content-Length',
  'hostile/cl-nan.dat': 'Bad Content-Length',
  'hostile/cl-huge.dat': 'Bad Content-Length',
  'hostile/cl-smuggle.dat': 'Differing Content-Length',
  'hostile/cl-neg-stream.dat': 'Bad Content-Length',
}

for (const [file, reason] of Object.entries(BROKEN)) {
  test(`${file} on a stream is broken: ${reason}`, () => {
    const [frame] = frames(read(file))
    assert.ok(frame?.kind === 'broken')
    assert.deepEqual([frame.status, frame.reason], [400, reason])
    assert.ok(textOf(read(file)).startsWith(frame.text.slice(0, -4)))
  })
}

test('every torture message frames the same whole as octet by octet, and never loses or adds an octet', () => {
  for (const file of files()) {
    const octets = Buffer.concat([read(file), octetsOf(message('next'))])
    const whole = frames(octets)
    assert.deepEqual(frames(octets, 1), whole, file)
    let rest = textOf(octets)
    for (const frame of whole) {
      rest = rest.replace(/^[\r\n]+/, '')
      assert.ok(frame.kind === 'broken' || rest.startsWith(frame.text), file)
      rest = rest.slice(frame.text.length)
    }
  }
})

test('every torture message with an honest length is one frame, and the message after it another', () => {
  const honest = files().filter((file) => !(file in BROKEN) && isHonest(textOf(read(file))))
  assert.ok(honest.length > 60, `${honest.length} messages`)
  for (const file of honest) {
    const texts = frames(Buffer.concat([read(file), octetsOf(message('next'))]))
    assert.deepEqual(
      texts,
      [
        { kind: 'message', text: textOf(read(file)).replace(/^[\r\n]+/, '') },
        { kind: 'message', text: message('next') },
      ],
      file,
    )
  }
})

/** By a second opinion, with a regular expression: the length it states is the length it has. */
function isHonest(text: string): boolean {
  const [head, ...rest] = text.replace(/^[\r\n]+/, '').split('\r\n\r\n')
  const stated = /\r\n(?:content-length|l)[ \t]*:(?:\r\n)?\s*(\d+)/i.exec(head!)
  return stated !== null && rest.length > 0 && Number(stated[1]) === rest.join('\r\n\r\n').length
}

function files(): string[] {
  return readdirSync(TORTURE, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.dat'))
}

function read(file: string): Buffer {
  return readFileSync(`${TORTURE}/${file}`)
}

/** Without keep-alives, of which there is one per chunk. */
function frames(octets: Buffer, chunk = octets.length): Cut[] {
  const framer = new StreamFramer(LIMITS)
  const all: Cut[] = []
  for (let at = 0; at < octets.length; at += chunk) {
    framer.push(octets.subarray(at, at + chunk))
    for (let next = framer.next(); next; next = framer.next()) if (next.kind !== 'keep-alive') all.push(next)
  }
  return all
}
