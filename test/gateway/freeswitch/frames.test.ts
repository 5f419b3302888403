import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { eventIn } from '../../../gateway/freeswitch/event.ts'
import { type Frame, FrameReader, readHeaders } from '../../../gateway/freeswitch/frames.ts'
import { seeded } from '../../support/random.ts'

const JSON_EVENT = '{"Event-Name":"DTMF","DTMF-Digit":"5","DTMF-Duration":"2000","Note":"Grüße"}'
const STREAM = Buffer.from(
  [
    'Content-Type: auth/request\n\n',
    'Content-Type: command/reply\nReply-Text: +OK accepted\n\n',
    `Content-Length: ${Buffer.byteLength(JSON_EVENT)}\nContent-Type: text/event-json\n\n${JSON_EVENT}`,
    '\n\nContent-Type: api/response\nContent-Length: 4\n\n+OK\n',
  ].join(''),
)

function read(...chunks: Uint8Array[]): Frame[] {
  const reader = new FrameReader()
  return chunks.flatMap((chunk) => reader.push(chunk).frames)
}

const texts = (frames: Frame[]) => frames.map(({ headers, body }) => [headers.get('content-type'), body])

describe('messages of the event socket', () => {
  const whole = [
    ['auth/request', ''],
    ['command/reply', ''],
    ['text/event-json', JSON_EVENT],
    ['api/response', '+OK\n'],
  ]

  test('are the same in one piece, split at any octet, and octet by octet', () => {
    assert.deepEqual(texts(read(STREAM)), whole)
    for (let at = 1; at < STREAM.length; at++)
      assert.deepEqual(texts(read(STREAM.subarray(0, at), STREAM.subarray(at))), whole, `split at ${at}`)
    assert.deepEqual(texts(read(...[...STREAM].map((octet) => Buffer.from([octet])))), whole)
  })

  for (const [what, text] of [
    ['a body that is too long', 'Content-Length: 5000000\n\n'],
    ['a length that is none', 'Content-Length: -1\n\n'],
    ['endless headers', `X: ${'y'.repeat(70_000)}`],
    ['endless headers with their end', `X: ${'y'.repeat(70_000)}\n\n`],
  ] as const)
    test(`${what}: the connection is of no use`, () => {
      const { frames, fault } = new FrameReader().push(Buffer.from(`A: b\n\n${text}`))
      assert.equal(frames.length, 1)
      assert.match(fault!, /^a message /)
    })

  test('the longest body is taken, in pieces of any size, and one octet more is not', () => {
    const body = Buffer.alloc(4 * 1024 * 1024, 'ä')
    const whole = Buffer.concat([Buffer.from(`Content-Length: ${body.length}\n\n`), body, Buffer.from('Last: 1\n\n')])
    for (const size of [997, 65_536, whole.length]) {
      const reader = new FrameReader()
      const frames: Frame[] = []
      for (let at = 0; at < whole.length; at += size) frames.push(...reader.push(whole.subarray(at, at + size)).frames)
      assert.deepEqual(
        frames.map((frame) => frame.body.length),
        [body.length / 2, 0],
      )
      assert.equal(frames[1]!.headers.get('last'), '1')
    }
    const { fault } = new FrameReader().push(Buffer.from(`Content-Length: ${body.length + 1}\n\n`))
    assert.equal(fault, 'a message of 4194305 octets')
  })

  test('one that drips takes linear time, in its headers and in its body', () => {
    const reader = new FrameReader()
    const started = performance.now()
    for (let octets = 0; octets < 60_000; octets++) reader.push(Buffer.from('x'))
    const other = new FrameReader()
    other.push(Buffer.from('Content-Length: 2000000\n\n'))
    for (let octets = 0; octets < 1_999_999; octets++) assert.equal(other.push(Buffer.from('x')).frames.length, 0)
    assert.equal(other.push(Buffer.from('x')).frames.length, 1)
    assert.ok(performance.now() - started < 20_000)
  })

  test('headers: the first of a name counts, in upper or lower case; lines that are none, and what is too many, are passed over', () => {
    const headers = readHeaders('Content-Length 5\n: x\nA: 1\na: 2\r\nB:3\nC: d: e\n')
    assert.deepEqual(
      [...headers],
      [
        ['a', '1'],
        ['b', '3'],
        ['c', 'd: e'],
      ],
    )
    assert.equal(readHeaders(Array.from({ length: 100_000 }, (_, n) => `n${n}: x`).join('\n')).size, 4096)
    const started = performance.now()
    readHeaders('\n'.repeat(4_000_000))
    assert.ok(performance.now() - started < 5000)
  })

  test('whatever comes: it ends in messages or a fault, and events are read or are none', () => {
    const random = seeded(8021)
    const words = [
      'Content-Length: ',
      'Content-Type: text/event-plain',
      'text/event-json',
      '\n',
      '\n\n',
      '7',
      '{"',
      '%',
      ':',
      'ü',
      '\0',
    ]
    for (let run = 0; run < 2000; run++) {
      const reader = new FrameReader()
      const text = Array.from({ length: 40 }, () => words[Math.floor(random() * words.length)]!).join('')
      for (let rest = Buffer.from(text); rest.length > 0; ) {
        const size = 1 + Math.floor(random() * 30)
        const { frames, fault } = reader.push(rest.subarray(0, size))
        for (const frame of frames)
          for (const name of ['a', '__proto__'])
            assert.equal(typeof eventIn(frame)?.get(name), eventIn(frame) ? 'string' : 'undefined')
        if (fault !== undefined) break
        rest = rest.subarray(size)
      }
    }
  })
})
