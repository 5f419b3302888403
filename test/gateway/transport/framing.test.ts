import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Frame, StreamFramer } from '../../../gateway/transport/framing.ts'
import { octetsOf } from '../../../gateway/transport/octets.ts'
import { seeded } from '../../support/random.ts'
import { message } from '../../support/transport-peers.ts'

const LIMITS = { maxHeaderBytes: 64 * 1024, maxBodyBytes: 1024 * 1024 }

test('TC1: a message split at every octet is one message (RFC 3261 18.3)', () => {
  const text = message('one', 'body\r\n\r\nwith an empty line')
  for (let cut = 0; cut <= text.length; cut++) {
    assert.deepEqual(textsOf(frame([text.slice(0, cut), text.slice(cut)])), [text], `cut at ${cut}`)
  }
  assert.deepEqual(textsOf(frame([...text])), [text])
})

test('TC2: 500 messages in one chunk are 500 messages, in order (RFC 3261 18.3)', () => {
  const texts = Array.from({ length: 500 }, (_, number) => message(`call-${number}`, 'x'.repeat(number % 7)))
  assert.deepEqual(textsOf(frame([texts.join('')])), texts)
})

test('random chunks of random messages give the same messages, octet for octet', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seeded(seed)
    const texts = Array.from({ length: 1 + under(random, 12) }, (_, number) => randomMessage(random, number))
    const stream = texts.map((text) => '\r\n'.repeat(under(random, 4)) + text).join('')
    assert.deepEqual(textsOf(frame(cutUp(stream, random))), texts, `seed ${seed}`)
  }
})

test('a message is not changed when the chunk it came in is overwritten afterwards', () => {
  const framer = new StreamFramer(LIMITS)
  const text = message('kept', 'a body')
  const frames: Frame[] = []
  for (const piece of [text.slice(0, 20), text.slice(20, 50), text.slice(50)]) {
    const chunk = octetsOf(piece)
    frames.push(...take(framer, chunk))
    chunk.fill(0)
  }
  assert.deepEqual(textsOf(frames), [text])
})

test('TC3: a double CRLF asks for one pong, a single CRLF for none (RFC 5626 3.5.1)', () => {
  assert.deepEqual(kindsOf(frame(['\r\n'])), [])
  assert.deepEqual(kindsOf(frame(['\r\n\r\n'])), ['keep-alive'])
  assert.deepEqual(kindsOf(frame(['\r\n', '\r\n'])), ['keep-alive'])
  assert.deepEqual(kindsOf(frame([...'\r\n\r\n'])), ['keep-alive'])
  assert.deepEqual(kindsOf(frame(['\r\n\r\n', '\r\n\r\n'])), ['keep-alive', 'keep-alive'])
  assert.deepEqual(kindsOf(frame(['\r\n', message('between'), '\r\n'])), ['message'])
  assert.deepEqual(kindsOf(frame(['\n\n\r\r\n'])), [])
})

test('TC3: keep-alives around and between messages do not disturb them (RFC 3261 7.5)', () => {
  const frames = frame([`\r\n\r\n${message('a')}\r\n\r\n${message('b')}\r\n`])
  assert.deepEqual(kindsOf(frames), ['keep-alive', 'message', 'message'])
  assert.deepEqual(textsOf(frames), [message('a'), message('b')])
})

test('TC3: a flood of CRLFs is worth one pong per chunk', () => {
  assert.deepEqual(kindsOf(frame(['\r\n'.repeat(30_000), '\r\n'.repeat(30_000)])), ['keep-alive', 'keep-alive'])
})

test('TC4: without a length to trust the headers are answered 400 and nothing more is read (RFC 3261 18.3)', () => {
  for (const [lines, reason] of [
    ['', 'Missing Content-Length'],
    ['Content-Length: many\r\n', 'Bad Content-Length'],
    ['Content-Length:\r\n', 'Bad Content-Length'],
    ['Content-Length: -1\r\n', 'Bad Content-Length'],
    ['Content-Length: +1\r\n', 'Bad Content-Length'],
    ['Content-Length: 0x10\r\n', 'Bad Content-Length'],
    ['Content-Length: 1.0\r\n', 'Bad Content-Length'],
    ['Content-Length: 0, 0\r\n', 'Bad Content-Length'],
    ['Content-Length: 99999999999999999999\r\n', 'Bad Content-Length'],
    ['Content-Length: 5\r\nContent-Length: 50\r\n', 'Differing Content-Length'],
    ['Content-Length: 5\r\nl: 6\r\n', 'Differing Content-Length'],
    ['Subject: x\r\n Content-Length: 5\r\n', 'Missing Content-Length'],
    ['X-Content-Length: 5\r\nLength: 5\r\nContent-Lengths: 5\r\n', 'Missing Content-Length'],
  ] as const) {
    const block = `MESSAGE sip:bob@example.com SIP/2.0\r\nCall-ID: x\r\n${lines}\r\n`
    const frames = frame([`${block}12345`, message('after')])
    assert.deepEqual(frames, [{ kind: 'broken', text: block, status: 400, reason }], lines)
  }
})

test('Content-Length is found in any case, compact, folded, with space before the colon, and repeated (RFC 3261 7.3)', () => {
  for (const line of [
    'Content-Length: 5',
    'CONTENT-LENGTH:5',
    'l: 5',
    'L:5',
    'content-length \t : 5 \t',
    'Content-Length:\r\n 5',
    'Content-Length: \r\n\t5\r\n ',
    'Content-Length: 005',
    'Content-Length: 5\r\nl: 5',
  ]) {
    const text = `CANCEL sip:bob@example.com SIP/2.0\r\nCall-ID: x\r\n${line}\r\n\r\n12345`
    assert.deepEqual(textsOf(frame([text, message('next')])), [text, message('next')], line)
  }
})

test('a body above the limit is refused 513 before any of it is kept (RFC 3261 21.5.7)', () => {
  const framer = new StreamFramer({ maxHeaderBytes: 1000, maxBodyBytes: 100 })
  const allowed = message('allowed', 'x'.repeat(100))
  assert.deepEqual(textsOf(take(framer, octetsOf(allowed))), [allowed])
  const [broken] = take(framer, octetsOf(message('refused', 'x'.repeat(101))))
  assert.equal(broken?.kind === 'broken' && broken.status, 513)
  assert.equal(framer.partial, false)
})

test('TC5: headers above the limit are refused 513, cut where a line ends, whatever the chunks', () => {
  const start = 'INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\n'
  const bomb = `${start}${'X: y\r\n'.repeat(20_000)}\r\n`
  for (const chunks of [[bomb], [bomb.slice(0, 65_000), bomb.slice(65_000)], cutUp(bomb, seeded(7))]) {
    const frames = frame(chunks)
    assert.equal(frames.length, 1)
    const [broken] = frames
    assert.ok(broken?.kind === 'broken')
    assert.equal(broken.status, 513)
    assert.ok(broken.text.startsWith(start) && broken.text.endsWith('\r\nX: y\r\n\r\n'))
    assert.ok(broken.text.length <= LIMITS.maxHeaderBytes + 4)
  }
})

test('TC5: one endless line is refused with nothing to answer', () => {
  assert.deepEqual(frame(['A'.repeat(70_000)]), [
    { kind: 'broken', text: '', status: 513, reason: 'Message Too Large' },
  ])
})

test('TC6: half a mebibyte that drips octet by octet costs linear time', () => {
  const framer = new StreamFramer(LIMITS)
  const text = octetsOf(message('drip', 'x'.repeat(512 * 1024)))
  const started = performance.now()
  let frames = 0
  for (let at = 0; at < text.length; at++) frames += take(framer, text.subarray(at, at + 1)).length
  assert.equal(frames, 1)
  // Some 50 ms; copying what is there at each octet would move 137 GB.
  assert.ok(performance.now() - started < 3_000)
})

test('noise is framed or refused, the same in any chunks, and keeps no more than the limits allow', () => {
  const pieces = [
    '\r\n',
    '\r',
    '\n',
    ':',
    ' ',
    'l',
    'C',
    'Content-Length',
    '7',
    '\0',
    '\xff',
    'x: y\r\n',
    '\r\n\r\n',
    'l:3\r\n\r\n',
  ]
  const limits = { maxHeaderBytes: 60, maxBodyBytes: 20 }
  const kinds = new Map<string, number>()
  for (let seed = 1; seed <= 3000; seed++) {
    const random = seeded(seed)
    const noise = Array.from({ length: under(random, 40) }, () => pieces[under(random, pieces.length)]).join('')
    const whole = frame([noise], limits).filter(({ kind }) => kind !== 'keep-alive')
    const cut = frame(cutUp(noise, random), limits).filter(({ kind }) => kind !== 'keep-alive')
    assert.deepEqual(cut, whole, `seed ${seed}`)
    for (const each of whole) kinds.set(each.kind, (kinds.get(each.kind) ?? 0) + 1)
  }
  assert.ok((kinds.get('message') ?? 0) > 100 && (kinds.get('broken') ?? 0) > 100, JSON.stringify([...kinds]))
})

test('what is left of a large message does not keep its memory', async () => {
  const text = octetsOf(`${message('big', 'x'.repeat(500_000))}INVI`)
  const before = await arrayBuffersInUse()
  const framers = Array.from({ length: 50 }, () => new StreamFramer(LIMITS))
  for (const framer of framers) {
    take(framer, text.subarray(0, 250_000))
    assert.equal(take(framer, text.subarray(250_000)).length, 1)
  }
  const kept = (await arrayBuffersInUse()) - before
  assert.ok(kept < 1_000_000, `${kept} octets are kept`)
  assert.ok(framers.every((framer) => framer.partial))
})

/** Storage of array buffers is given back by another thread some time after a collection: waits until it no longer shrinks. */
async function arrayBuffersInUse(): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let turns = 0; turns < 20; turns++) {
    collectGarbage()
    await new Promise((resolve) => setImmediate(resolve))
    const now = process.memoryUsage().arrayBuffers
    if (now < least) turns = 0
    least = Math.min(least, now)
  }
  return least
}

function frame(chunks: readonly string[], limits = LIMITS): Frame[] {
  const framer = new StreamFramer(limits)
  return chunks.flatMap((chunk) => take(framer, octetsOf(chunk)))
}

function take(framer: StreamFramer, octets: Uint8Array): Frame[] {
  framer.push(octets)
  const frames: Frame[] = []
  for (let next = framer.next(); next; next = framer.next()) frames.push(next)
  return frames
}

function textsOf(frames: Frame[]): string[] {
  return frames.flatMap((each) => (each.kind === 'message' ? [each.text] : []))
}

function kindsOf(frames: Frame[]): string[] {
  return frames.map((each) => each.kind)
}

function under(random: () => number, limit: number): number {
  return Math.floor(random() * limit)
}

/** Any octets in the body, line ends among them. */
function randomMessage(random: () => number, number: number): string {
  const body = Array.from({ length: under(random, 300) }, () =>
    random() < 0.2 ? '\r\n' : String.fromCharCode(under(random, 256)),
  ).join('')
  return message(`call-${number}`, body)
}

function cutUp(text: string, random: () => number): string[] {
  const chunks: string[] = []
  for (let at = 0; at < text.length; ) {
    const size = random() < 0.5 ? 1 + under(random, 4) : 1 + under(random, 400)
    chunks.push(text.slice(at, at + size))
    at += size
  }
  return chunks
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}
