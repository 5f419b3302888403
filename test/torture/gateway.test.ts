import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Resolver } from '../../gateway/transport/resolver.ts'
import { ackOf, forksTo, inDialog, peer, type StreamPeer, streamPeer } from '../behaviours/peer.ts'
import { settled } from '../support/fake-clock.ts'
import type { WireMessage } from '../support/wire.ts'
import { type World, type WorldOptions, world } from '../support/world.ts'

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
  /** Reaches the target with every octet that is not the proxy's to change; the target's answer reaches the sender. */
  | 'forwarded'
  /** On a stream: what a datagram would lose are requests of their own, and something at which the connection is closed. */
  | { requests: number; closes: true }
  /** The gateway's own answer; `closes`: and the connection is over. */
  | { status: number; closes?: true }
  /** Nobody hears anything, for this reason. */
  | { silence: string }
  /** On a stream: more is expected to come; when it does not, the connection is closed. */
  | { waits: string }

const NO_TRANSACTION: Outcome = { silence: 'a response that matches no transaction is dropped' }
const LOST_FRAMING: Outcome = { status: 400, closes: true }
const NO_DIALOG: Outcome = { status: 481 }

/** Where the index leaves a choice, or an element that reads a broken header would refuse what a proxy does not read. */
const CHOSEN: Record<string, Outcome> = {
  'rfc4475/wsinv.dat': NO_DIALOG,
  'rfc5118/via-received-param-with-delim.dat': NO_DIALOG,
  'rfc5118/mult-ip-in-header.dat': NO_DIALOG,
  'hostile/to-param-proto.dat': NO_DIALOG,
  'rfc4475/baddate.dat': 'forwarded',
  'rfc4475/regbadct.dat': 'forwarded',
  'rfc4475/badbranch.dat': 'forwarded',
  'rfc4475/invut.dat': 'forwarded',
  'rfc4475/regaut01.dat': 'forwarded',
  'rfc4475/sdp01.dat': 'forwarded',
  'rfc4475/mismatch02.dat': { status: 400 },
  'edge/utf8-unquoted-display.dat': 'forwarded',
  'edge/bare-lf.dat': { status: 400 },
  'edge/via-ipv6-scope.dat': 'forwarded',
  'edge/uri-everything.dat': { status: 400 },
  'edge/method-lower.dat': 'forwarded',
  // What is to be reached securely does not go on in the clear, as to the target here (RFC 5630 3.1.3).
  'edge/sips-secure.dat': { status: 480 },
  'hostile/redos-auth.dat': 'forwarded',
  'hostile/auth-bare-token.dat': 'forwarded',
  'hostile/via-4000.dat': 'forwarded',
  'hostile/cl-plus-dup.dat': 'forwarded',
  'hostile/nul-in-header.dat': 'forwarded',
  'hostile/spaces-only.dat': { silence: 'no SIP message' },
  'hostile/truncated-header.dat': { silence: 'too little of it came to answer' },
  'hostile/near-64k-via.dat': 'forwarded',
}

/** Framing that is lost on a stream, and framing that is never completed. */
const ON_STREAMS: Record<string, Outcome> = {
  'rfc4475/ncl.dat': LOST_FRAMING,
  'rfc4475/mcl01.dat': LOST_FRAMING,
  'edge/no-content-length.dat': LOST_FRAMING,
  'hostile/cl-nan.dat': LOST_FRAMING,
  'hostile/cl-huge.dat': LOST_FRAMING,
  'hostile/cl-neg-stream.dat': LOST_FRAMING,
  'hostile/cl-smuggle.dat': LOST_FRAMING,
  'rfc4475/inv2543.dat': LOST_FRAMING,
  'rfc4475/dblreq.dat': { requests: 2, closes: true },
  'rfc4475/clerr.dat': { waits: 'the rest of the body' },
  'rfc4475/baddn.dat': { waits: 'the end of the headers' },
  'edge/bare-lf.dat': { waits: 'a line end' },
}

const directory = new URL('./', import.meta.url)
const cases: Case[] = JSON.parse(readFileSync(new URL('index.json', directory), 'utf8'))

const TARGET = '10.0.0.20'
const SENDER = '10.0.0.77'
/** Those of the Vias of the corpus: without rport, responses go there. */
const SENT_BY_PORTS = [5060, 5061, 5050, 5070, 6050, 19_823]

function outcomeOf(entry: Case, transport: 'udp' | 'tcp'): Outcome {
  const chosen = (transport === 'tcp' ? ON_STREAMS[entry.file] : undefined) ?? CHOSEN[entry.file]
  if (chosen) return chosen
  if (entry.kind === 'res') return NO_TRANSACTION
  if (entry.expect === 'ignore') return { silence: entry.why }
  if (entry.expect === 'ok') return 'forwarded'
  const status = /\d{3}/.exec(entry.as_server ?? '')?.[0]
  assert.ok(status, `${entry.file}: what has to come of it?`)
  return { status: Number(status) }
}

for (const entry of cases) {
  test(`${entry.file} (${entry.ref}) through the gateway: ${entry.why}`, async () => {
    const text = readFileSync(new URL(entry.file, directory), 'latin1')
    await overUdp(text, outcomeOf(entry, 'udp'))
    await overTcp(text, outcomeOf(entry, 'tcp'))
  })
}

/** Those of a dialog, with the Route that a phone of such a dialog writes. Every name leads to the target. */
for (const file of Object.keys(CHOSEN).filter((name) => CHOSEN[name] === NO_DIALOG)) {
  test(`${file} along a Route of ours is forwarded with all its octets (RFC 3261 16.4)`, async () => {
    const text = readFileSync(new URL(file, directory), 'latin1')
    const routed = text.replace('\r\n', '\r\nRoute: <sip:10.0.0.1;lr>\r\n')
    const listeners = ['10.0.0.1', '2001:db8::1'].map((address) => ({
      transport: 'udp' as const,
      address,
      port: 5060,
      advertisedHost: address.includes(':') ? `[${address}]` : address,
      advertisedPort: 5060,
    }))
    const everywhere: Resolver = { naptr: async () => [], srv: async () => [], addresses: async () => [TARGET] }
    const { w, reached } = await opened({ resolver: everywhere, gateway: { listeners } })
    await assertExchange(w, routed, 'forwarded', reached)
    await w.assertQuiet()
    await w.stop()
  })
}

async function overUdp(text: string, outcome: Outcome): Promise<void> {
  const { w, reached } = await opened()
  await assertExchange(w, text, outcome, reached)
  await assertStillWorks(w)
}

async function assertExchange(w: World, text: string, outcome: Outcome, reached: string[]): Promise<void> {
  const heard: string[] = []
  const [sender] = await Promise.all(
    SENT_BY_PORTS.map((port) =>
      w.network.udp({ address: SENDER, port }, { receive: (octets) => heard.push(latin1(octets)) }),
    ),
  )
  sender!.send(Buffer.from(text, 'latin1'), '10.0.0.1', 5060)
  await settled()
  assertOutcome(text, outcome, heard, reached)
}

async function overTcp(text: string, outcome: Outcome): Promise<void> {
  const { w, reached } = await opened()
  const sender = await (await streamPeer(w, 'sender', { address: SENDER })).connects()
  sender.stream.write(Buffer.from(text, 'latin1'))
  await settled()
  await w.advance(0)
  const heard = sender.received.map((message) => message.text)
  if (typeof outcome === 'object' && 'waits' in outcome) await assertWaits(w, sender, heard, reached)
  else {
    assertOutcome(text, outcome, heard, reached)
    assert.equal(sender.isOpen, !(typeof outcome === 'object' && 'closes' in outcome), 'whether the connection is open')
  }
  if (sender.isOpen) await sender.hangsUp()
  await assertStillWorks(w)
}

async function assertWaits(w: World, sender: StreamPeer, heard: string[], reached: string[]): Promise<void> {
  assert.deepEqual([heard, reached], [[], []])
  assert.equal(sender.isOpen, true)
  await w.advance(30_000)
  assert.equal(sender.isOpen, false)
}

/** A gateway whose functions fork everything to one target, which answers everything: 486 an INVITE, 200 the rest. */
async function opened(options: WorldOptions = {}): Promise<{ w: World; reached: string[] }> {
  const w = await world({ app: forksTo(`sip:target@${TARGET}`), ...options })
  const reached: string[] = []
  for (const address of [TARGET, '2001:db8::10']) await openTarget(w, address, reached)
  return { w, reached }
}

async function openTarget(w: World, address: string, reached: string[]): Promise<void> {
  const local = { address, port: 5060 }
  const socket = await w.network.udp(local, {
    receive: (octets, source, port) => {
      const text = latin1(octets)
      if (text.startsWith('ACK ')) return
      reached.push(text)
      socket.send(Buffer.from(answerTo(text), 'latin1'), source, port)
    },
  })
}

function assertOutcome(text: string, outcome: Outcome, heard: string[], reached: string[]): void {
  const finals = heard.filter((each) => !each.startsWith('SIP/2.0 100 '))
  if (outcome === 'forwarded') {
    assert.equal(reached.length, 1, 'requests that reached the target')
    assertUntouched(text, reached[0]!)
    assert.equal(finals.length, 1, 'answers that reached the sender')
    assert.deepEqual(viaLines(finals[0]!).slice(1), viaLines(text).slice(1))
  } else if ('requests' in outcome) {
    assert.equal(reached.length, outcome.requests)
    assertUntouched(text, reached[0]!)
    assertUntouched(text.slice(text.indexOf('\r\n\r\n') + 4), reached[1]!)
  } else {
    const status = 'status' in outcome ? [outcome.status] : []
    assert.deepEqual(
      finals.map((final) => Number(final.slice(8, 11))),
      status,
    )
    assert.deepEqual(reached, [])
  }
}

/** Every header line that is not the proxy's, in order and octet by octet, and the body. */
function assertUntouched(sent: string, got: string): void {
  const message = sent.replace(/^[\r\n]+/, '')
  assert.deepEqual(others(got), others(message))
  assert.equal(bodyOf(got), bodyOf(message))
  assert.equal(got.slice(0, got.indexOf(' ')), message.slice(0, message.indexOf(' ')))
  assert.deepEqual(viaLines(got).slice(2), viaLines(message).slice(1))
  const [, previous] = viaLines(got)
  if (!/received/.test(viaLines(message)[0]!)) assert.equal(plain(previous!), plain(viaLines(message)[0]!))
}

function plain(via: string): string {
  return via.replace(/;received=[^;,\s]+/, '').replace(/(;rport)=\d+/, '$1')
}

/** Lines that a proxy passes: all but Via, Max-Forwards, Route, and the Record-Route that it adds. */
function others(text: string): string[] {
  return headerLines(text).filter(
    (line) =>
      !isVia(line) &&
      !/^(max-forwards|route)[ \t]*:/i.test(line) &&
      line !== 'Record-Route: <sip:10.0.0.1:5060;lr>' &&
      line !== 'Record-Route: <sip:10.0.0.1:5060;transport=tcp;lr>',
  )
}

function viaLines(text: string): string[] {
  return headerLines(text).filter(isVia)
}

function isVia(line: string): boolean {
  return /^(via|v)[ \t]*:/i.test(line)
}

function headerLines(text: string): string[] {
  const head = text.replace(/^[\r\n]+/, '').split('\r\n\r\n', 1)[0]!
  return head.split(/\r\n(?![ \t])/).slice(1)
}

/** By its Content-Length, else all there is. */
function bodyOf(text: string): string {
  const body = text.slice(text.indexOf('\r\n\r\n') + 4)
  const length = /^(?:content-length|l)[ \t]*:\s*(\d+)/im.exec(text.slice(0, -body.length || undefined))
  return length ? body.slice(0, Number(length[1])) : body
}

/** Copies what a response has to have, as it is written. */
function answerTo(request: string): string {
  const wanted = /^(via|v|from|f|to|t|call-id|i|cseq)[ \t]*:/i
  const lines = headerLines(request).filter((line) => wanted.test(line))
  const tagged = lines.map((line) =>
    /^(to|t)[ \t]*:/i.test(line) && !/;\s*tag\s*=/i.test(line) ? `${line};tag=target` : line,
  )
  const start = request.startsWith('INVITE ') ? 'SIP/2.0 486 Busy Here' : 'SIP/2.0 200 OK'
  return `${[start, ...tagged, 'Content-Length: 0'].join('\r\n')}\r\n\r\n`
}

/** A call between honest phones, and then nothing is left alive. */
async function assertStillWorks(w: World): Promise<void> {
  const caller = await peer(w, 'caller', { address: '10.0.0.78' })
  const invite = caller.request('INVITE')
  await caller.sends(invite)
  const busy: WireMessage = caller.last('486 INVITE')
  await caller.sends(ackOf(invite, busy))
  await caller.sends(caller.request('MESSAGE'))
  caller.last('200 MESSAGE')
  await caller.sends(inDialog(caller, 'BYE', busy, { uri: 'sip:nobody@10.0.0.99' }))
  caller.last('481 BYE')
  await w.assertQuiet()
  await w.stop()
}

function latin1(octets: Uint8Array): string {
  return Buffer.from(octets).toString('latin1')
}
