import type { Clock, Timer } from '../../functions/contract/clock.ts'
import { isWebSocket } from './addresses.ts'
import { fail } from './failure.ts'
import { type Frame, StreamFramer } from './framing.ts'
import { octetsOf } from './octets.ts'
import type { CountTransport, TransportOptions } from './options.ts'
import type { Ends, Tap } from './tap.ts'
import type {
  Flow,
  OnTransportFailure,
  ReceiveBroken,
  ReceiveMessage,
  Stream,
  StreamEvents,
  TransportFailure,
} from './types.ts'
import { WebSocketFramer } from './websocket-framing.ts'

/** What every connection shares with its table. */
export interface ConnectionOwner {
  readonly clock: Clock
  readonly options: TransportOptions
  readonly count: CountTransport
  /** Sees what comes and goes. */
  readonly tap: Tap | undefined
  readonly receive: ReceiveMessage
  readonly broken: ReceiveBroken
  /** A message or keep-alive went over it. */
  used(connection: Connection): void
  /** It carries no more messages, though a last answer may still be on its way out. */
  ended(connection: Connection): void
  /** Its stream is gone. */
  closed(connection: Connection): void
}

type State = 'connecting' | 'open' | 'ending' | 'closed'

/** How many messages, sent since the peer was last heard, are told when the connection fails. */
const MAX_UNHEARD = 256

const PONG = octetsOf('\r\n')

/** One stream: its framing, its bounded queue and its one timer. Its table keeps the idle time. */
export class Connection implements StreamEvents {
  readonly flow: Flow
  /** What its peer's certificate has named, see Destination; the remote address of one that was accepted, or is not encrypted. */
  readonly serverName: string
  /** Milliseconds since the epoch; kept by the table. */
  usedAt: number
  readonly #owner: ConnectionOwner
  readonly #framer: StreamFramer | WebSocketFramer
  readonly #stream: Stream
  #state: State
  /** Opening, one message in pieces, or the peer's side of the close: only one of them is waited for at a time. */
  #timer: Timer | undefined
  /** Told when the connection fails before the peer is heard again: what it was sent is then lost. */
  #unheard: OnTransportFailure[] = []
  /** Written while it is being opened, to be told to the tap when it is open. */
  #untold: string[] = []
  #ends: Ends | undefined

  /** @param open makes the stream, which does not call back before it has returned */
  constructor(
    owner: ConnectionOwner,
    flow: Flow,
    serverName: string,
    state: 'connecting' | 'open',
    open: (events: StreamEvents) => Stream,
  ) {
    this.flow = flow
    this.serverName = serverName
    this.usedAt = owner.clock.now()
    this.#owner = owner
    const Framer = isWebSocket(flow.transport) ? WebSocketFramer : StreamFramer
    this.#framer = new Framer(owner.options)
    this.#state = state
    if (state === 'connecting') this.#wait(owner.options.connectMs, () => this.destroy('unreachable'))
    this.#stream = open(this)
  }

  get isUsable(): boolean {
    return this.#state === 'connecting' || this.#state === 'open'
  }

  send(text: string, failed?: OnTransportFailure): void {
    if (!this.isUsable) return fail(failed, 'closed')
    if (failed) this.#remember(failed)
    if (!this.#write(octetsOf(text))) return
    if (this.#owner.tap) this.#tellSent(text, this.#owner.tap)
    this.#owner.used(this)
  }

  opened(): void {
    if (this.#state !== 'connecting') return
    this.#state = 'open'
    this.#stopWaiting()
    for (const text of this.#untold.splice(0)) this.#owner.tap?.sent(text, this.#between)
  }

  receive(octets: Uint8Array): void {
    if (this.#state !== 'open') return
    this.#unheard.length = 0
    this.#framer.push(octets)
    let frames = 0
    for (let frame = this.#framer.next(); frame; frame = this.#framer.next()) {
      frames++
      this.#take(frame)
      if (this.#state !== 'open') return
    }
    if (frames > 0) this.#owner.used(this)
    this.#watchMessage(frames > 0)
  }

  closed(failure?: TransportFailure): void {
    if (this.#state === 'closed') return
    const wasUsable = this.isUsable
    this.#state = 'closed'
    this.#stopWaiting()
    if (failure) this.#tellUnheard(failure)
    if (wasUsable) this.#owner.ended(this)
    this.#owner.closed(this)
  }

  /** Sends what is queued and closes; input is thrown away meanwhile, and the peer gets `lingerMs` to close as well. */
  end(): void {
    if (!this.isUsable) return
    this.#state = 'ending'
    this.#owner.ended(this)
    this.#wait(this.#owner.options.lingerMs, () => this.destroy())
    this.#stream.end()
  }

  /** Closes at once. `failure` is told to the senders of what may not have reached the peer. */
  destroy(failure?: TransportFailure): void {
    this.closed(failure)
    this.#stream.destroy()
  }

  get queued(): number {
    return this.#stream.queued
  }

  #take(frame: Frame): void {
    if (frame.kind === 'message') {
      this.#owner.count('tcp.received')
      this.#owner.tap?.received(frame.text, this.#between)
      this.#owner.receive(frame.text, this.flow)
    } else if (frame.kind === 'keep-alive') {
      this.#owner.count('keep-alive')
      this.#write(PONG)
    } else {
      this.#owner.count('tcp.broken')
      this.#owner.tap?.received(frame.text, this.#between)
      this.#owner.broken(frame.text, this.flow, frame.status, frame.reason)
      this.end()
    }
  }

  /** False when the peer takes too little and the connection was given up. One message always has room, whatever its size. */
  #write(octets: Uint8Array): boolean {
    const queued = this.#stream.queued
    if (queued > 0 && queued + octets.length > this.#owner.options.maxQueuedBytes) {
      this.#owner.count('tcp.queue full')
      this.destroy('queue full')
      return false
    }
    this.#stream.write(octets)
    return true
  }

  #tellSent(text: string, tap: Tap): void {
    if (this.#state === 'connecting') this.#untold.push(text)
    else tap.sent(text, this.#between)
  }

  /** The same for as long as it lives. */
  get #between(): Ends {
    const { transport, remoteAddress, remotePort } = this.flow
    this.#ends ??= { transport, local: this.#stream.local, remote: { address: remoteAddress, port: remotePort } }
    return this.#ends
  }

  #remember(failed: OnTransportFailure): void {
    if (this.#unheard.length >= MAX_UNHEARD) this.#unheard.shift()
    this.#unheard.push(failed)
  }

  #tellUnheard(failure: TransportFailure): void {
    for (const failed of this.#unheard.splice(0)) fail(failed, failure)
  }

  /** A message that was begun has to come to its end in time, however steadily it drips. */
  #watchMessage(another: boolean): void {
    if (another || !this.#framer.partial) this.#stopWaiting()
    if (this.#framer.partial && !this.#timer) this.#wait(this.#owner.options.messageMs, this.#tooSlow)
  }

  readonly #tooSlow = (): void => {
    this.#owner.count('tcp.slow')
    this.destroy('closed')
  }

  #wait(ms: number, action: () => void): void {
    this.#stopWaiting()
    this.#timer = this.#owner.clock.after(ms, action)
  }

  #stopWaiting(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
