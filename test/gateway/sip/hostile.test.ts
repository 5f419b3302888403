import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { buildAck, buildCancel, buildResponse, receivedOf } from '../../../gateway/sip/build.ts'
import { checkProxy, checkRequest, checkResponse } from '../../../gateway/sip/check.ts'
import { parseContacts } from '../../../gateway/sip/contact.ts'
import { parseCredentials } from '../../../gateway/sip/digest.ts'
import { readMessage, type SipMessage } from '../../../gateway/sip/message.ts'
import { parseNameAddr } from '../../../gateway/sip/name-addr.ts'
import { spliceRequest, spliceResponse } from '../../../gateway/sip/splice.ts'
import { canonicalAor, formatUri, parseUri, sameUri } from '../../../gateway/sip/uri.ts'
import { parseVia } from '../../../gateway/sip/via.ts'

const RECEIVED = { address: '203.0.113.1', port: 4000 }

/** Everything that the gateway does with a message from the network, and what must hold whatever the message is. */
function exercise(text: string): void {
  const result = readMessage(text)
  if (!result.ok) {
    if (result.answer !== undefined)
      assertOneLines(buildResponse(result.message, 400, 'Bad Request', { toTag: 't', received: RECEIVED }))
    return
  }
  const message = result.message
  readEverything(message)
  if (message.isRequest) useRequest(message)
  else useResponse(message)
}

function readEverything(message: SipMessage): void {
  for (const [name, value] of message.all()) {
    assert.ok(!/[\r\n]/.test(name + value))
    readValue(value)
  }
  for (const name of ['via', 'route', 'supported', 'x-unknown']) message.values(name)
  parseContacts(message)
  void [message.via?.params, message.from?.params, message.to?.display, message.to?.rawParams, message.maxForwards]
}

function readValue(value: string): void {
  parseCredentials(value)
  parseVia(value)?.params.size
  const nameAddr = parseNameAddr(value)
  const uri = parseUri(nameAddr?.uri ?? value)
  if (uri === undefined) return
  assert.ok(parseUri(formatUri(uri)) !== undefined)
  const aor = canonicalAor(uri)
  assert.equal(canonicalAor(aor), aor)
  assert.ok(sameUri(nameAddr?.uri ?? value, formatUri(uri)))
}

function useRequest(request: SipMessage): void {
  if (checkRequest(request) !== undefined)
    return assertOneLines(buildResponse(request, 400, 'Bad Request', { toTag: 't', received: RECEIVED }))
  checkProxy(request)
  receivedOf(request, '203.0.113.1', 4000)
  const edits = { via: 'SIP/2.0/UDP p;branch=z9hG4bKp', received: RECEIVED, maxForwards: 69 }
  const routes = {
    dropRoutes: 1,
    dropLastRoute: true,
    appendRoute: '<sip:z>',
    addRoutes: ['<sip:y>'],
    recordRoute: ['<sip:p;lr>'],
  }
  const headers = {
    remove: ['x-unknown', 'subject'],
    set: { 'Supported': 'x' },
    add: [['X-B', 'y'] as [string, string]],
  }
  assertForwarded(request, spliceRequest(request, edits))
  assertForwarded(request, spliceRequest(request, { ...edits, ...routes, headers }))
  assertOneLines(buildResponse(request, 200, 'OK', { toTag: 't', received: RECEIVED }))
  assertOneLines(buildCancel(request))
  assertOneLines(buildAck(request, request))
}

/** What goes out is read again with the keys that came in. */
function assertForwarded(request: SipMessage, text: string): void {
  const again = readMessage(text)
  assert.ok(again.ok)
  assert.equal(checkRequest(again.message), undefined)
  assert.equal(again.message.via?.branch, 'z9hG4bKp')
  assert.deepEqual(
    [again.message.callId, again.message.fromTag, again.message.body],
    [request.callId, request.fromTag, request.body],
  )
  assert.equal(again.message.values('via').length, request.values('via').length + 1)
}

function useResponse(response: SipMessage): void {
  if (checkResponse(response) !== undefined) return
  const sentOn = spliceResponse(response)
  if (sentOn === undefined) return
  const again = readMessage(sentOn)
  assert.ok(again.ok)
  assert.deepEqual(again.message.values('via'), response.values('via').slice(1))
}

function assertOneLines(text: string): void {
  const section = text.slice(0, text.indexOf('\r\n\r\n'))
  assert.ok(!/[\r\n]/.test(section.replaceAll('\r\n', '')))
}

/** Numbers below `bound`, the same in every run. */
function numbers(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

const SPICE = [
  '\r\n',
  '\r',
  '\n',
  '\0',
  ' ',
  '\t',
  '"',
  '\\',
  '<',
  '>',
  ';',
  ',',
  ':',
  '=',
  '@',
  '?',
  '[',
  ']',
  '%',
  '%00',
  '/',
  '\xff',
  '\r\n ',
  '0',
  '-1',
  'SIP/2.0',
  ';tag=x',
  '*',
]

function mutate(text: string, next: (bound: number) => number): string {
  const at = next(text.length)
  switch (next(5)) {
    case 0:
      return text.slice(0, at) + SPICE[next(SPICE.length)] + text.slice(at)
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + next(8))
    case 2:
      return text.slice(0, at) + String.fromCharCode(next(256)) + text.slice(at + 1)
    case 3:
      return text.slice(0, at) + text.slice(at, at + next(60)) + text.slice(at)
    default:
      return text.slice(0, at)
  }
}

const MUTANTS = 40

test('mutated messages of the corpus never throw, and what is forwarded or answered is a message again', () => {
  const directory = new URL('../../torture/', import.meta.url)
  const files: { file: string }[] = JSON.parse(readFileSync(new URL('index.json', directory), 'utf8'))
  const next = numbers(20260)
  for (const { file } of files) {
    const text = readFileSync(new URL(file, directory), 'latin1').slice(0, 4096)
    for (let i = 0; i < MUTANTS; i++) {
      let mutant = text
      for (let steps = 1 + next(4); steps > 0; steps--) mutant = mutate(mutant, next)
      assert.doesNotThrow(() => exercise(mutant), `${file}: ${JSON.stringify(mutant)}`)
    }
  }
})

const HEAD = 'OPTIONS sip:b@example.com SIP/2.0\r\n'
const KEYS =
  'Via: SIP/2.0/UDP a;branch=z9\r\nFrom: <sip:a@h>;tag=f\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n'

function withHeaders(lines: string): string {
  return `${HEAD}${KEYS}${lines}\r\n\r\n`
}

/** Shapes that cost a careless reader the square of their length, of about `n` characters. */
const SHAPES: Record<string, (n: number) => string> = {
  'blanks in the request line': (n) => `OPTIONS ${' '.repeat(n)}sip:b SIP/2.0\r\n\r\n`,
  'blanks in the status line': (n) => `SIP/2.0${' '.repeat(n)}\n\r\n\r\n`,
  'blank datagram': (n) => ' '.repeat(n),
  'line ends': (n) => '\r\n'.repeat(n / 2),
  'a long method': (n) => `${'A'.repeat(n)} sip:b SIP/2.0\r\n${KEYS}\r\n`,
  'short headers': (n) => withHeaders('a:\r\n'.repeat(n / 4)),
  'headers ended by LF only': (n) => `${HEAD}${KEYS}${'a:\n'.repeat(n / 3)}\r\n`,
  'headers ended by CR only': (n) => `${HEAD}${KEYS}${'a:\r'.repeat(n / 3)}\r\n\r\n`,
  'no end to the last line': (n) => `${HEAD}${KEYS}a: ${'x'.repeat(n)}`,
  'folds': (n) => withHeaders(`a:${'\r\n '.repeat(n / 3)}x`),
  'folds in To': (n) => `${HEAD}${KEYS.replace('To: ', `To:${'\r\n '.repeat(n / 3)}`)}\r\n`,
  'blanks after a value': (n) => withHeaders(`Subject: x${' '.repeat(n)}y${' '.repeat(n / 2)}`),
  'To with < and blanks': (n) => `${HEAD}${KEYS.replace('<sip:b@h>', `<${' '.repeat(n)}`)}\r\n`,
  'To with a quote and backslashes': (n) => `${HEAD}${KEYS.replace('<sip:b@h>', `"${'\\'.repeat(n)}`)}\r\n`,
  'To with many parameters': (n) => `${HEAD}${KEYS.replace('<sip:b@h>', `<sip:b@h>${';a'.repeat(n / 2)}`)}\r\n`,
  'Vias in one line': (n) => withHeaders(`Via: ${'SIP/2.0/UDP a,'.repeat(n / 14)}SIP/2.0/UDP b`),
  'Via with many parameters': (n) => `${HEAD}${KEYS.replace(';branch=z9', `${';a'.repeat(n / 2)};branch=z9`)}\r\n`,
  'URI with valueless parameters': (n) => `OPTIONS sip:b@h${';a'.repeat(n / 2)} SIP/2.0\r\n${KEYS}\r\n`,
  'URI with empty parameters': (n) => `OPTIONS sip:b@h${';'.repeat(n)} SIP/2.0\r\n${KEYS}\r\n`,
  'URI of escapes': (n) =>
    `OPTIONS sip:${'%00'.repeat(n / 3)}@h SIP/2.0\r\n${KEYS.replace('sip:b@h', `sip:${'%61'.repeat(n / 3)}@h`)}\r\n`,
  'URI of colons': (n) => `OPTIONS sip:${':'.repeat(n)} SIP/2.0\r\n${KEYS}\r\n`,
  'URI of at signs': (n) => `OPTIONS sip:${'@'.repeat(n)} SIP/2.0\r\n${KEYS}\r\n`,
  'URI headers': (n) => withHeaders(`Contact: <sip:a@h?${'a=b&'.repeat(n / 4)}>`),
  'commas': (n) => withHeaders(`Route: ${','.repeat(n)}`),
  'open brackets': (n) => withHeaders(`Route: ${'<'.repeat(n)}`),
  'open brackets and commas': (n) => withHeaders(`Route: ${'<,'.repeat(n / 2)}`),
  'open quotes and brackets': (n) => withHeaders(`Contact: ${'"<'.repeat(n / 2)},`),
  'contacts': (n) => withHeaders(`Contact: ${'<sip:a@h>,'.repeat(n / 10)}`),
  'routes in many lines': (n) => withHeaders('Route: <sip:a;lr>\r\n'.repeat(n / 19)),
  'a long bare token of credentials': (n) => withHeaders(`Authorization: Digest ${'a'.repeat(n)}`),
  'many credentials': (n) => withHeaders(`Authorization: Digest a="${'\\"'.repeat(n / 4)}"${',a=b'.repeat(n / 8)}`),
  'digits of Content-Length': (n) => withHeaders(`Content-Length: ${'0'.repeat(n)}`),
  'Content-Lengths': (n) => withHeaders('l: 0\r\n'.repeat(n / 6)),
  'digits of CSeq': (n) => `${HEAD}${KEYS.replace('CSeq: 1', `CSeq: ${'1'.repeat(n)}`)}\r\n`,
  'Call-ID of blanks': (n) => `${HEAD}${KEYS.replace('ID: c', `ID: c${' '.repeat(n)}d`)}\r\n`,
}

const SMALL = 4096
const LARGE = 65536
const LARGE_RUNS = 4
/** The same number of octets in small messages and in large ones: linear work costs the same, quadratic work 16 times as much. */
const SMALL_RUNS = (LARGE_RUNS * LARGE) / SMALL
const LARGEST_GROWTH = 8
/** Milliseconds below which a figure says more about the clock and the collector than about the work. */
const SMALLEST_FIGURE = 10

for (const [name, shape] of Object.entries(SHAPES)) {
  test(`time grows with the length, not with its square: ${name}`, () => {
    const small = Math.max(cost(SMALL_RUNS, shape(SMALL)), SMALLEST_FIGURE)
    const large = cost(LARGE_RUNS, shape(LARGE))
    assert.ok(large < small * LARGEST_GROWTH, `${SMALL} octets each took ${small} ms, ${LARGE} octets each ${large} ms`)
  })
}

/** Milliseconds of this thread's CPU: a busy machine makes the wall clock unfit to compare with. */
function cost(runs: number, text: string): number {
  const start = cpu()
  for (let i = 0; i < runs; i++) exercise(text)
  return cpu() - start
}

function cpu(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
