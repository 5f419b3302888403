/**
 * What reading, checking, forwarding and answering one message costs: `node test/bench/sip-message.ts`.
 * Each line is the best of several rounds in microseconds of wall clock per operation, on messages that are never the same string
 * twice; written messages are turned into octets, as sending would, in the lines that say so.
 */
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { buildResponse, receivedOf } from '../../gateway/sip/build.ts'
import { checkProxy, checkRequest } from '../../gateway/sip/check.ts'
import { readMessage, type SipMessage } from '../../gateway/sip/message.ts'
import { type RequestEdits, spliceRequest, spliceResponse } from '../../gateway/sip/splice.ts'
import { canonicalAor, parseUri } from '../../gateway/sip/uri.ts'

const ROUNDS = 150
const BATCH = 256
const VIA = 'SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKr1.5f2c9e0a41b37d66'
const RECORD_ROUTE = ['<sip:198.51.100.1:5060;lr;f=8a31c2>']

const out = Buffer.alloc(65536)
let sink = 0

const invite = readFileSync(new URL('./messages/invite.sip', import.meta.url), 'latin1')
const ok = readFileSync(new URL('./messages/200.sip', import.meta.url), 'latin1')

/** Distinct flat strings, as they come out of a socket's buffer. */
function copies(text: string): string[] {
  return Array.from({ length: BATCH }, (_, i) => {
    const octets = Buffer.from(text.replaceAll('0000000', String(1000000 + i)), 'latin1')
    return octets.toString('latin1')
  })
}

function read(text: string): SipMessage {
  const result = readMessage(text)
  if (!result.ok) throw new Error(result.why)
  return result.message
}

function keys(message: SipMessage): number {
  return (
    message.via!.branch.length +
    message.callId.length +
    message.cseq!.number +
    message.fromTag.length +
    message.toTag.length +
    (message.maxForwards ?? 0)
  )
}

function forward(request: SipMessage): string {
  const edits: RequestEdits = {
    uri: 'sip:bob@203.0.113.9:5062;transport=udp',
    via: VIA,
    received: receivedOf(request, '192.0.2.44', 5077),
    maxForwards: request.maxForwards! - 1,
    recordRoute: RECORD_ROUTE,
  }
  return spliceRequest(request, edits)
}

function measure<Item>(name: string, prepare: () => Item[], run: (item: Item) => number): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const items = prepare()
    const start = performance.now()
    for (let i = 0; i < items.length; i++) sink += run(items[i]!)
    best = Math.min(best, ((performance.now() - start) * 1000) / items.length)
  }
  console.log(`${name.padEnd(44)} ${best.toFixed(2).padStart(6)} µs`)
}

const requests = () => copies(invite).map(read)
const responses = () => copies(ok).map(read)
const keyed = (messages: SipMessage[]) => {
  for (const message of messages) sink += keys(message)
  return messages
}
const written = (text: string) => out.write(text, 0, 'latin1')

console.log(
  `INVITE with SDP ${invite.length} octets, 200 with SDP ${ok.length} octets, best of ${ROUNDS} rounds of ${BATCH}`,
)
measure(
  'read INVITE',
  () => copies(invite),
  (text) => read(text).bodyStart,
)
measure(
  'read 200',
  () => copies(ok),
  (text) => read(text).bodyStart,
)
measure(
  'read INVITE and its keys',
  () => copies(invite),
  (text) => keys(read(text)),
)
measure('keys of INVITE', requests, keys)
measure('keys of 200', responses, keys)
measure('checkRequest and checkProxy', requests, (m) =>
  checkRequest(m) === undefined && checkProxy(m) === undefined ? 1 : 0,
)
measure(
  'checkRequest and checkProxy, keys known',
  () => keyed(requests()),
  (m) => (checkRequest(m) === undefined && checkProxy(m) === undefined ? 1 : 0),
)
measure('parseUri and canonicalAor', requests, (m) => canonicalAor(parseUri(m.uri)!).length)
measure(
  'spliceRequest',
  () => keyed(requests()),
  (m) => forward(m).length,
)
measure(
  'spliceRequest, into octets',
  () => keyed(requests()),
  (m) => written(forward(m)),
)
measure(
  'spliceResponse',
  () => keyed(responses()),
  (m) => spliceResponse(m)!.length,
)
measure(
  'spliceResponse, into octets',
  () => keyed(responses()),
  (m) => written(spliceResponse(m)!),
)
const options = { toTag: '8a7f1c', received: { address: '192.0.2.44', port: 5077 } }
measure(
  'buildResponse 100',
  () => keyed(requests()),
  (m) => buildResponse(m, 100, 'Trying').length,
)
measure(
  'buildResponse 486 with tag and received',
  () => keyed(requests()),
  (m) => buildResponse(m, 486, 'Busy Here', options).length,
)
measure(
  'buildResponse 486, into octets',
  () => keyed(requests()),
  (m) => written(buildResponse(m, 486, 'Busy Here', options)),
)
measure(
  'read, check, splice an INVITE, into octets',
  () => copies(invite),
  (text) => {
    const message = read(text)
    if (checkRequest(message) !== undefined || checkProxy(message) !== undefined) throw new Error('refused')
    return written(forward(message))
  },
)
measure(
  'read, splice a 200, into octets',
  () => copies(ok),
  (text) => written(spliceResponse(read(text))!),
)
if (sink === 0) throw new Error('nothing was measured')
