import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  encodeCommand,
  type Reply,
  ReplyDecoder,
  type ReplyLimits,
  RespError,
} from '../../../infra/upstash-local/resp.ts'

test('a command is an array of strings whose lengths count octets', () => {
  assert.equal(encodeCommand(['SET', 'k', 'é']).toString(), '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\né\r\n')
  const octets = Buffer.from([0, 255, 13, 10])
  assert.deepEqual(encodeCommand([octets]), Buffer.concat([Buffer.from('*1\r\n$4\r\n'), octets, Buffer.from('\r\n')]))
  assert.equal(encodeCommand(['ECHO', '']).toString(), '*2\r\n$4\r\nECHO\r\n$0\r\n\r\n')
})

const STREAM =
  '+OK\r\n-ERR no\r\n:-7\r\n$-1\r\n*-1\r\n$0\r\n\r\n$4\r\na\r\nb\r\n*0\r\n*3\r\n:1\r\n*2\r\n$1\r\nx\r\n*0\r\n-ERR in\r\n:9007199254740991\r\n'
const REPLIES: Reply[] = [
  { status: 'OK' },
  { error: 'ERR no' },
  -7,
  null,
  null,
  Buffer.from(''),
  Buffer.from('a\r\nb'),
  [],
  [1, [Buffer.from('x'), []], { error: 'ERR in' }],
  9007199254740991,
]

test('replies of every kind are read from one chunk', () => {
  assert.deepEqual(decoded([Buffer.from(STREAM)]), REPLIES)
})

test('a stream gives the same replies wherever it is cut', () => {
  for (let size = 1; size < STREAM.length; size++) {
    assert.deepEqual(decoded(cut(Buffer.from(STREAM), size)), REPLIES, `chunks of ${size}`)
  }
})

test('a string keeps its octets', () => {
  const octets = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet))
  assert.deepEqual(decoded([Buffer.from('$256\r\n'), octets, Buffer.from('\r\n')]), [octets])
})

test('a long string that comes in many chunks is put together once', () => {
  const text = Buffer.alloc(8 * 1024 * 1024, 'x')
  const stream = Buffer.concat([Buffer.from(`$${text.length}\r\n`), text, Buffer.from('\r\n')])
  const started = performance.now()
  const [reply] = decoded(cut(stream, 1024)) as Buffer[]
  assert.equal(reply!.length, text.length)
  assert.ok(performance.now() - started < 1000, 'as many copies as chunks')
})

const WRONG: [what: string, stream: string, expected: RegExp, limits?: ReplyLimits][] = [
  ['another protocol', 'HTTP/1.1 400 Bad Request\r\n', /begins with "H"/],
  ['a length that is no number', '$x\r\n', /expected a number, got "x"/],
  ['a negative length', '$-2\r\n', /a string of -2 octets/],
  ['a negative count', '*-3\r\n', /an array of -3/],
  ['a string without its end', '$1\r\nabc\r\n', /longer than it says/],
  ['a line without end', `+${'x'.repeat(70_000)}`, /a line of a reply has more than 65536/],
  ['a string that is announced too long', '$100\r\n', /more than 50 octets/, { octets: 50 }],
  ['an array that grows too long', `*1000\r\n${':1\r\n'.repeat(30)}`, /more than 50 octets/, { octets: 50 }],
  ['arrays within arrays without end', '*1\r\n'.repeat(9), /more than 8 arrays within arrays/, { depth: 8 }],
]
for (const [what, stream, expected, limits] of WRONG) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => decoded([Buffer.from(stream)], limits),
      (error: Error) => {
        assert.ok(error instanceof RespError)
        assert.match(error.message, expected)
        return true
      },
    )
  })
}

test('the limit is one of each reply, not of the stream', () => {
  const replies = decoded([Buffer.from('$30\r\n123456789012345678901234567890\r\n'.repeat(9))], { octets: 50 })
  assert.equal(replies.length, 9)
})

function decoded(chunks: Buffer[], limits?: ReplyLimits): Reply[] {
  const decoder = new ReplyDecoder(limits)
  return chunks.flatMap((chunk) => decoder.push(chunk))
}

function cut(stream: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(stream.length / size) }, (_, i) => stream.subarray(i * size, (i + 1) * size))
}
