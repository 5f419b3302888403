import assert from 'node:assert/strict'
import { readMessage, type SipMessage } from '../../../gateway/sip/message.ts'
import { createTransactionLayer, type ServingTransactionLayer } from '../../../gateway/transaction/layer.ts'
import { createTimerQueue, type TimerQueue } from '../../../gateway/transaction/timer-queue.ts'
import type {
  ClientTransaction,
  ClientUser,
  ServerTransaction,
  ServerUser,
} from '../../../gateway/transaction/types.ts'
import type {
  Destination,
  Flow,
  Listener,
  OnTransportFailure,
  TransportFailure,
  TransportLayer,
} from '../../../gateway/transport/types.ts'
import { CountingIds, FakeClock } from '../../support/fake-clock.ts'

const udp: Listener = {
  transport: 'udp',
  address: '198.51.100.1',
  port: 5060,
  advertisedHost: 'gw.example.com',
  advertisedPort: 5060,
}
const tcp: Listener = { ...udp, transport: 'tcp' }

/** Where alice's requests come from, unless a test says otherwise. */
export const aliceUdp: Flow = {
  transport: 'udp',
  remoteAddress: '192.0.2.1',
  remotePort: 5060,
  listener: udp,
  connection: 0,
}
export const aliceTcp: Flow = { ...aliceUdp, transport: 'tcp', remotePort: 40_001, listener: tcp, connection: 7 }
export const bobUdp: Flow = { ...aliceUdp, remoteAddress: '192.0.2.2' }
export const bobTcp: Flow = { ...bobUdp, transport: 'tcp', listener: tcp, connection: 8 }

/** A transaction layer between a transport and a user that only write down what reaches them, in virtual time. */
export class Rig {
  readonly clock = new FakeClock()
  readonly timers: TimerQueue = createTimerQueue(this.clock)
  readonly transport = new RecordingTransport((line) => this.note(line))
  readonly layer: ServingTransactionLayer
  /** Server transactions in the order of their requests. */
  readonly served: ServerTransaction[] = []
  #lines: string[] = []

  constructor(server?: Partial<ServerUser>) {
    this.layer = createTransactionLayer({
      transport: this.transport,
      timers: this.timers,
      times: { t1: 500, t2: 4000, t4: 5000 },
      ids: new CountingIds(),
      server: { ...this.#recordingServer(), ...server },
    })
  }

  note(line: string): void {
    this.#lines.push(`${this.clock.now()} ${line}`)
  }

  advance(ms: number): void {
    this.clock.advanceSync(ms)
  }

  /** A request comes in; what the user or the transport gets of it is written down. */
  receive(text: string, flow: Flow = aliceUdp): void {
    this.layer.receiveRequest(message(text), flow)
  }

  /** A response comes in; returns whether it belonged to a client transaction. */
  hear(text: string, flow: Flow = bobUdp): boolean {
    return this.layer.receiveResponse(message(text), flow)
  }

  /** Starts a client transaction whose user writes down what it hears. */
  send(
    method: string,
    destination: Destination = bobUdp,
    branch = 'z9hG4bK-out',
    user?: Partial<ClientUser>,
  ): ClientTransaction {
    const text = outgoing(method, branch, destination)
    const outgoingRequest = { text, method, branch, destination, context: undefined }
    return this.layer.request(outgoingRequest, { ...this.#recordingClient(), ...user })
  }

  /** Compares what was written down since the last time, line by line: `<ms> <what>`. */
  assertLadder(expected: string): void {
    const lines = expected.split('\n').map((line) => line.trim().replaceAll(/ +/g, ' '))
    assert.deepEqual(
      this.#lines,
      lines.filter((line) => line !== ''),
    )
    this.#lines = []
  }

  /** Nothing is alive, no timer runs, and no surprises but these were counted. */
  assertOver(surprises: Record<string, number> = {}): void {
    assert.deepEqual(this.layer.counts, { server: 0, client: 0, timers: 0 })
    assert.equal(this.timers.size, 0)
    assert.equal(this.clock.pending, 0)
    assert.deepEqual(Object.fromEntries(this.layer.surprises), surprises)
  }

  #recordingServer(): ServerUser {
    return {
      onRequest: (request, transaction) => {
        this.served.push(transaction)
        this.note(`user: ${request.method}`)
      },
      onAck: () => this.note('user: ACK'),
      onCancel: (_cancel, invite) => this.note(`user: CANCEL of ${invite.method}`),
      onServerEnd: (transaction) => this.note(`user: end of ${transaction.method}`),
    }
  }

  #recordingClient(): ClientUser {
    return {
      onResponse: (response) => this.note(`user: ${response.status} ${response.method}`),
      onTimeout: (transaction) => this.note(`user: timeout of ${transaction.method}`),
      onTransportFailure: (transaction) => this.note(`user: failure of ${transaction.method}`),
    }
  }
}

/** Writes down what is sent, and fails where a test says so. */
export class RecordingTransport implements TransportLayer {
  readonly listeners = [udp, tcp]
  readonly sent: { text: string; destination: Destination }[] = []
  /** Destinations that fail, as written down, and how; `later` does so when `failLater` is called. */
  readonly broken = new Map<string, TransportFailure>()
  readonly #note: (line: string) => void
  #later: (() => void)[] = []

  constructor(note: (line: string) => void) {
    this.#note = note
  }

  async start(): Promise<void> {}

  send(text: string, destination: Destination, failed?: OnTransportFailure): void {
    const to = addressOf(destination)
    this.sent.push({ text, destination })
    this.#note(`-> ${to} ${summary(text)}`)
    const failure = this.broken.get(to)
    if (failure) failed?.(failure)
    else if (failed) this.#later.push(() => failed('closed'))
  }

  /** Everything sent so far turns out not to have gone out. */
  failLater(): void {
    const later = this.#later
    this.#later = []
    for (const fail of later) fail()
  }

  isAlive(): boolean {
    return true
  }

  listenerFor(destination: Destination): Listener | undefined {
    return destination.transport === 'udp' ? udp : tcp
  }

  async stop(): Promise<void> {}
}

/** `udp 192.0.2.1:5060`, and `#7` for a connection. */
function addressOf(destination: Destination): string {
  const connection = destination.connection ? `#${destination.connection}` : ''
  return `${destination.transport} ${destination.remoteAddress}:${destination.remotePort}${connection}`
}

function summary(text: string): string {
  const { isRequest, method, status } = message(text)
  return isRequest ? method : `${status} ${method}`
}

export function message(text: string): SipMessage {
  const read = readMessage(text)
  return read.ok ? read.message : assert.fail(`${read.why}: ${text}`)
}

export interface RequestParts {
  /** Value of the top Via. */
  via?: string
  uri?: string
  toTag?: string
  fromTag?: string
  callId?: string
  cseq?: number
}

/** A request of alice's to the gateway. */
export function request(method: string, parts: RequestParts = {}): string {
  const { via = 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-in', uri = 'sip:bob@example.com', fromTag = 'a' } = parts
  return lines(
    `${method} ${uri} SIP/2.0`,
    `Via: ${via}`,
    'Max-Forwards: 70',
    `From: <sip:alice@example.com>;tag=${fromTag}`,
    `To: <sip:bob@example.com>${parts.toTag ? `;tag=${parts.toTag}` : ''}`,
    `Call-ID: ${parts.callId ?? 'call-1'}`,
    `CSeq: ${parts.cseq ?? 1} ${method}`,
    'Content-Length: 0',
  )
}

/** A response of the gateway's user to one of alice's requests. */
export function reply(status: number, method: string, toTag = 'b'): string {
  return response(status, method, 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-in', toTag)
}

/** What the gateway sends on to bob. */
export function outgoing(method: string, branch: string, destination: Destination): string {
  return lines(
    `${method} sip:bob@192.0.2.2 SIP/2.0`,
    `Via: SIP/2.0/${destination.transport.toUpperCase()} gw.example.com:5060;branch=${branch}`,
    'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-in',
    'Route: <sip:edge.example.com;lr>',
    'Max-Forwards: 69',
    'From: <sip:alice@example.com>;tag=a',
    'To: <sip:bob@example.com>',
    'Call-ID: call-1',
    `CSeq: 1 ${method}`,
    'Content-Length: 0',
  )
}

/** Bob's response to what the gateway sent. */
export function answer(status: number, method: string, branch = 'z9hG4bK-out', sentBy = 'gw.example.com:5060'): string {
  return response(status, method, `SIP/2.0/UDP ${sentBy};branch=${branch}`, 'b')
}

export function response(status: number, method: string, via: string, toTag: string): string {
  return lines(
    `SIP/2.0 ${status} Whatever`,
    `Via: ${via}`,
    'From: <sip:alice@example.com>;tag=a',
    `To: <sip:bob@example.com>${status > 100 ? `;tag=${toTag}` : ''}`,
    'Call-ID: call-1',
    `CSeq: 1 ${method}`,
    'Content-Length: 0',
  )
}

function lines(...all: string[]): string {
  return `${all.join('\r\n')}\r\n\r\n`
}
