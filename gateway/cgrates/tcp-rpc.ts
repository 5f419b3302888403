import { type Clock, pauseAfter, type Timer } from '../../functions/contract/clock.ts'
import { reasonOf } from '../../functions/contract/reason.ts'
import { JsonStream } from './json-stream.ts'
import { type Message, type Reply, type Rpc, type RpcEvents, readMessage, replyText, requestText } from './rpc.ts'

/** One connection, as the platform makes it. */
export interface Wire {
  write(text: string): void
  destroy(): void
}
export interface WireEvents {
  opened(): void
  received(chunk: Buffer): void
  /** Once, also when it was never opened. `why` in a few words. */
  closed(why: string): void
}
export type Connect = (events: WireEvents) => Wire

export interface TcpRpcParts {
  connect: Connect
  clock: Clock
  /** From 0 to 1. */
  random(): number
  /** How long an answer is waited for, milliseconds. */
  timeoutMs: number
  events: RpcEvents
}

/** A connection that is not there after this is given up. */
const CONNECT_MS = 3000
const BACKOFF_MS = [250, 500, 1000, 2000, 5000]
/** A connection that is idle is asked so often whether it still is one. */
const PING_MS = 10_000
/** So many requests wait for their answer at most. */
const MAX_PENDING = 20_000

interface Pending {
  resolve(reply: Reply): void
  timer: Timer
}

/** One connection that both sides ask over, made anew for as long as it is not stopped. */
export class TcpRpc implements Rpc {
  readonly #parts: TcpRpcParts
  readonly #pending = new Map<number, Pending>()
  #wire: Wire | undefined
  #stream = new JsonStream()
  #nextId = 1
  #isUp = false
  #why = 'not tried yet'
  #failures = 0
  #timer: Timer | undefined
  #isStopped = false

  constructor(parts: TcpRpcParts) {
    this.#parts = parts
  }

  get health() {
    return { isUp: this.#isUp, text: this.#isUp ? 'connected' : `away: ${this.#why}` }
  }

  start(): void {
    const wire: Wire = this.#parts.connect({
      opened: () => this.#opened(),
      received: (chunk) => this.#received(chunk),
      closed: (why) => this.#closed(why),
    })
    this.#wire = wire
    this.#timer = this.#parts.clock.after(CONNECT_MS, () => this.#giveUp('no connection in time'))
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#wire?.destroy()
    this.#drop('stopped')
  }

  call(method: string, param: object): Promise<Reply> {
    if (!this.#isUp || !this.#wire) return Promise.resolve({ kind: 'away', why: this.#why, wasSent: false })
    if (this.#pending.size >= MAX_PENDING)
      return Promise.resolve({ kind: 'away', why: 'too many requests wait', wasSent: false })
    const id = this.#nextId++
    this.#wire.write(requestText(id, method, param))
    return new Promise((resolve) => {
      const timer = this.#parts.clock.after(this.#parts.timeoutMs, () => {
        this.#settle(id, { kind: 'away', why: 'no answer in time', wasSent: true })
      })
      this.#pending.set(id, { resolve, timer })
    })
  }

  #settle(id: number, reply: Reply): void {
    const pending = this.#pending.get(id)
    if (!pending) return
    this.#pending.delete(id)
    pending.timer.cancel()
    pending.resolve(reply)
  }

  #opened(): void {
    this.#isUp = true
    this.#failures = 0
    this.#stream = new JsonStream()
    this.#pingLater()
    this.#parts.events.up()
  }

  #received(chunk: Buffer): void {
    try {
      for (const json of this.#stream.push(chunk)) {
        const message = readMessage(json)
        if (message) this.#take(message)
      }
    } catch (error) {
      this.#giveUp(reasonOf(error))
    }
  }

  #take(message: Message): void {
    if (message.kind === 'reply') this.#settle(message.id, message.reply)
    else this.#wire?.write(replyText(message.id, this.#answer(message.method, message.param)))
  }

  #answer(method: string, param: unknown): { result: unknown } | { error: string } {
    try {
      return { result: this.#parts.events.request(method, param) }
    } catch (error) {
      return { error: reasonOf(error) }
    }
  }

  #closed(why: string): void {
    if (!this.#wire) return
    this.#drop(why)
    if (this.#isStopped) return
    const ms = pauseAfter(this.#failures++, BACKOFF_MS)
    this.#timer?.cancel()
    this.#timer = this.#parts.clock.after(ms * (0.75 + this.#parts.random() / 2), () => this.start())
  }

  #drop(why: string): void {
    const wasUp = this.#isUp
    this.#wire = undefined
    this.#isUp = false
    this.#why = why
    if (wasUp) this.#parts.events.down(why)
    for (const id of [...this.#pending.keys()]) this.#settle(id, { kind: 'away', why, wasSent: true })
  }

  #pingLater(): void {
    this.#timer?.cancel()
    this.#timer = this.#parts.clock.after(PING_MS, () => void this.#ping())
  }

  async #ping(): Promise<void> {
    const wire = this.#wire
    const reply = await this.call('SessionSv1.Ping', {})
    if (wire !== this.#wire || this.#isStopped) return
    if (reply.kind !== 'away') return this.#pingLater()
    this.#giveUp('it does not answer')
  }

  #giveUp(why: string): void {
    this.#wire?.destroy()
    this.#closed(why)
  }
}
