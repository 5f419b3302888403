import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { buildResponse } from '../../../gateway/sip/build.ts'
import { checkProxy, checkRequest, checkResponse } from '../../../gateway/sip/check.ts'
import { parseContacts, parseDeltaSeconds } from '../../../gateway/sip/contact.ts'
import { parseCredentials } from '../../../gateway/sip/digest.ts'
import { type ReadResult, readMessage, type SipMessage } from '../../../gateway/sip/message.ts'
import { parseNameAddr } from '../../../gateway/sip/name-addr.ts'
import { spliceRequest, spliceResponse } from '../../../gateway/sip/splice.ts'

/** What test/torture/README.md says of the fields. */
interface Case {
  file: string
  ref: string
  kind: 'req' | 'res' | 'other'
  expect: string
  as_server: string | null
  why: string
}

type Outcome =
  /** `checkRequest` or, for a response, `checkResponse` refuses. */
  | { check: number | 'drop' }
  | { proxy: number }
  /** Not even framed, and answered or not. */
  | { reads: 'no'; answer: number | undefined }
  /** Passes this layer; the rule that decides, and where it lives. */
  | { later: string }

/** What comes of the messages for which the index leaves a choice, or which a rule above the reader decides. */
const OUTCOMES: Record<string, Outcome> = {
  'rfc4475/escruri.dat': { check: 400 },
  'rfc4475/badvers.dat': { check: 505 },
  'rfc4475/mismatch01.dat': { check: 400 },
  'rfc4475/mismatch02.dat': { check: 400 },
  'rfc4475/badbranch.dat': {
    later: 'the transaction layer matches a branch without a value of its own as RFC 2543 did',
  },
  'rfc4475/insuf.dat': { check: 400 },
  'rfc4475/unkscm.dat': { proxy: 416 },
  'rfc4475/novelsc.dat': { proxy: 416 },
  'rfc4475/bext01.dat': { proxy: 420 },
  'rfc4475/invut.dat': { later: 'a proxy forwards any body' },
  'rfc4475/regaut01.dat': { later: 'the registrar challenges credentials of a scheme it does not know' },
  'rfc4475/multi01.dat': { check: 400 },
  'rfc4475/bcast.dat': {
    later: 'a response goes where its transaction says, never to an address out of its second Via',
  },
  'rfc4475/zeromf.dat': { proxy: 483 },
  'rfc4475/sdp01.dat': { later: 'a proxy does not read Accept' },
  'edge/bare-lf.dat': { reads: 'no', answer: 400 },
  'edge/via-ipv6-scope.dat': { later: 'the response goes to the source of the request' },
  'edge/uri-everything.dat': { check: 400 },
  'edge/res-lowercase.dat': { later: 'a version in lower case is the same version' },
  'edge/method-lower.dat': { later: 'an unknown method is forwarded like any non-INVITE' },
  'hostile/via-4000.dat': { later: 'only the topmost of the Vias is read; the transport refuses what it cannot send' },
  'hostile/headers-5000.dat': { check: 400 },
  'hostile/cl-plus-dup.dat': { later: 'two equal lengths are one length' },
  'hostile/nul-in-header.dat': { later: 'forwarded untouched' },
  'hostile/cr-alone.dat': { reads: 'no', answer: 400 },
  'hostile/near-64k-via.dat': { later: 'the transport refuses what it cannot send' },
}

/** Headers that the index calls broken and that this router reads all the same, or not at all. */
const READ_ALL_THE_SAME: Record<string, Record<string, (message: SipMessage) => void>> = {
  'rfc4475/scalar02.dat': {
    expires: (message) => assert.equal(parseDeltaSeconds(message.header('expires')), 2 ** 32 - 1),
    contact: (message) => {
      const result = parseContacts(message)
      assert.ok(result.ok)
      assert.equal(parseDeltaSeconds(result.contacts[0]!.nameAddr.params.get('expires')), 2 ** 32 - 1)
    },
  },
  'rfc4475/baddate.dat': { date: (message) => assert.equal(message.header('date'), 'Fri, 01 Jan 2010 16:00:00 EST') },
  'edge/utf8-unquoted-display.dat': { from: (message) => assert.equal(message.fromTag, 'f1') },
}

/** RFC 4475 3.1.2.15 came without its last line end; what it tests is behind it. */
const APPENDED: Record<string, string> = { 'rfc4475/baddn.dat': '\r\n' }

const directory = new URL('../../torture/', import.meta.url)
const cases: Case[] = JSON.parse(readFileSync(new URL('index.json', directory), 'utf8'))

function load(file: string): string {
  return readFileSync(new URL(file, directory), 'latin1') + (APPENDED[file] ?? '')
}

test('the corpus is whole, and every choice it leaves is taken here', () => {
  assert.equal(cases.length, 123)
  const open = cases.filter((c) => c.expect === 'semantic').map((c) => c.file)
  assert.deepEqual(Object.keys(OUTCOMES).sort(), open.sort())
})

for (const entry of cases) {
  test(`${entry.file} (${entry.ref}): ${entry.why}`, () => {
    const text = load(entry.file)
    const result = readMessage(text)
    if (entry.expect === 'ok') {
      assertPasses(text, readOf(result))
      assert.equal(parseContacts(readOf(result)).ok, true)
    } else if (entry.expect === 'ignore') assertSilence(result)
    else if (entry.expect === 'reject') assertRefused(entry, result)
    else if (entry.expect === 'semantic') assertOutcome(OUTCOMES[entry.file]!, text, result)
    else assertBrokenHeaders(entry, text, readOf(result))
  })
}

test('a request whose header section does not end is answered when it has what an answer needs (RFC 4475 3.1.2.15)', () => {
  const archived = load('rfc4475/baddn.dat').slice(0, -2)
  const result = readMessage(archived)
  assert.ok(!result.ok && result.answer !== undefined)
  const response = readOf(readMessage(buildResponse(result.message, 400, 'Bad Request', { toTag: 't' })))
  assert.equal(response.via?.branch, 'z9hG4bKkdjuw')
  assert.equal(response.callId, 'baddn.31415@c.example.com')
})

function readOf(result: ReadResult): SipMessage {
  assert.ok(result.ok, result.ok ? '' : result.why)
  return result.message
}

function assertSilence(result: ReadResult): void {
  assert.ok(!result.ok)
  assert.equal(result.answer, undefined)
}

function assertRefused(entry: Case, result: ReadResult): void {
  const isAnswered = entry.as_server?.startsWith('400') === true
  if (!isAnswered) return assertSilence(result)
  assert.ok(!result.ok && result.answer !== undefined)
  assert.equal(result.answer.status, 400)
  const received = { address: '203.0.113.1', port: 4000 }
  const answer = readOf(readMessage(buildResponse(result.message, 400, 'Bad Request', { toTag: 't1', received })))
  assert.equal(checkResponse(answer), undefined)
  assert.equal(answer.callId, result.message.callId)
  assert.equal(answer.via?.received, '203.0.113.1')
}

function assertOutcome(outcome: Outcome, text: string, result: ReadResult): void {
  if ('reads' in outcome) {
    assert.ok(!result.ok)
    return assert.equal(result.answer?.status, outcome.answer)
  }
  const message = readOf(result)
  if ('later' in outcome) assertPasses(text, message)
  else if ('check' in outcome) assert.equal(checkRequest(message)?.status, outcome.check)
  else {
    assert.equal(checkRequest(message), undefined)
    assert.equal(checkProxy(message)?.status, outcome.proxy)
  }
}

/** Each named header is refused by who reads it; the rest of the message is fine. */
function assertBrokenHeaders(entry: Case, text: string, message: SipMessage): void {
  const names = entry.expect.slice('header:'.length).split(',')
  const accepted = READ_ALL_THE_SAME[entry.file] ?? {}
  const broken = names.filter((name) => accepted[name] === undefined)
  for (const name of names) (accepted[name] ?? READERS[name]!)(message)
  const isKeyBroken = broken.some((name) => KEYS.includes(name))
  const refusal = message.isRequest ? checkRequest(message)?.status : checkResponse(message)
  assert.equal(refusal !== undefined, isKeyBroken)
  if (!isKeyBroken) assertPasses(text, message)
}

const KEYS = ['via', 'from', 'to', 'cseq', 'max-forwards']

const READERS: Record<string, (message: SipMessage) => void> = {
  'via': (message) => assert.equal(message.via, undefined),
  'from': (message) => assert.equal(message.from, undefined),
  'to': (message) => assert.equal(message.to, undefined),
  'cseq': (message) => assert.equal(message.cseq, undefined),
  'max-forwards': (message) => assert.equal(message.maxForwards, Number.NaN),
  'contact': (message) => assert.equal(parseContacts(message).ok, false),
  'authorization': (message) => assert.equal(parseCredentials(message.header('authorization')!), undefined),
}

/** Nothing refuses it, and forwarding leaves every line that it does not name, and the body, byte for byte. */
function assertPasses(text: string, message: SipMessage): void {
  assert.ok(text.includes(message.text))
  if (!message.isRequest) return assertResponsePasses(message)
  assert.equal(checkRequest(message), undefined)
  assertKeysAreRead(message)
  const received = { address: '203.0.113.1', port: 4000 }
  const forwarded = spliceRequest(message, {
    via: 'SIP/2.0/UDP p.example.com;branch=z9hG4bKp',
    received,
    maxForwards: 69,
  })
  assert.equal(bodyOf(forwarded), message.body)
  assert.deepEqual(untouched(forwarded, 2), untouched(message.text, 1))
  const again = readOf(readMessage(forwarded))
  assert.equal(again.via?.branch, 'z9hG4bKp')
  assert.equal(again.maxForwards, 69)
  assert.equal(again.values('via').length, message.values('via').length + 1)
  assert.equal(parseNameAddr(again.header('from')!)?.uri, message.from?.uri)
}

function assertResponsePasses(message: SipMessage): void {
  assert.equal(checkResponse(message), undefined)
  const sentOn = spliceResponse(message)
  const vias = message.values('via')
  if (vias.length === 1) return assert.equal(sentOn, undefined)
  const again = readOf(readMessage(sentOn!))
  assert.deepEqual(again.values('via'), vias.slice(1))
  assert.equal(again.body, message.body)
  assert.deepEqual(headerLines(sentOn!).filter(isNoVia), headerLines(message.text).filter(isNoVia))
}

function assertKeysAreRead(message: SipMessage): void {
  assert.ok(message.via !== undefined && message.from !== undefined && message.to !== undefined)
  assert.ok(message.callId !== '' && message.cseq?.method === message.method)
}

/** Lines but the start line, the first `vias` Vias, and Max-Forwards. */
function untouched(text: string, vias: number): string[] {
  let left = vias
  return headerLines(text).filter((line) => !/^max-forwards\s*:/i.test(line) && (isNoVia(line) || left-- <= 0))
}

function isNoVia(line: string): boolean {
  return !/^(via|v)\s*:/i.test(line)
}

function headerLines(text: string): string[] {
  return text
    .slice(0, text.indexOf('\r\n\r\n'))
    .split(/\r\n(?![ \t])/)
    .slice(1)
}

function bodyOf(text: string): string {
  return text.slice(text.indexOf('\r\n\r\n') + 4)
}
