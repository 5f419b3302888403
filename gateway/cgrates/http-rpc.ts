import type { Clock, Timer } from '../../functions/contract/clock.ts'
import { reasonOf } from '../../functions/contract/reason.ts'
import { type Reply, type Rpc, type RpcEvents, readMessage, requestText } from './rpc.ts'

export interface HttpRpcParts {
  /** POSTs a JSON body and gives the answer's. Rejects when there is none in time, or its status is no 200. */
  post(body: string, timeoutMs: number): Promise<string>
  clock: Clock
  timeoutMs: number
  events: Pick<RpcEvents, 'up' | 'down'>
}

const PING_MS = 5000

/** One HTTP request for each: the other side cannot ask for anything. */
export class HttpRpc implements Rpc {
  readonly #parts: HttpRpcParts
  #nextId = 1
  #isUp = false
  #why = 'not tried yet'
  #timer: Timer | undefined
  #isStopped = false

  constructor(parts: HttpRpcParts) {
    this.#parts = parts
  }

  get health() {
    return { isUp: this.#isUp, text: this.#isUp ? 'connected' : `away: ${this.#why}` }
  }

  start(): void {
    void this.#ping()
  }

  stop(): void {
    this.#isStopped = true
    this.#isUp = false
    this.#why = 'stopped'
    this.#timer?.cancel()
  }

  async call(method: string, param: object): Promise<Reply> {
    if (!this.#isUp) return { kind: 'away', why: this.#why, wasSent: false }
    return this.#ask(method, param)
  }

  async #ask(method: string, param: object): Promise<Reply> {
    try {
      const text = await this.#parts.post(requestText(this.#nextId++, method, param), this.#parts.timeoutMs)
      const message = readMessage(JSON.parse(text))
      if (message?.kind !== 'reply') throw new Error('its answer is no JSON-RPC')
      this.#heard(undefined)
      return message.reply
    } catch (error) {
      const why = reasonOf(error)
      this.#heard(why)
      return { kind: 'away', why, wasSent: true }
    }
  }

  #heard(why: string | undefined): void {
    if (this.#isStopped) return
    const wasUp = this.#isUp
    this.#isUp = why === undefined
    this.#why = why ?? ''
    if (this.#isUp && !wasUp) this.#parts.events.up()
    if (wasUp && why !== undefined) this.#parts.events.down(why)
  }

  async #ping(): Promise<void> {
    await this.#ask('SessionSv1.Ping', {})
    if (!this.#isStopped) this.#timer = this.#parts.clock.after(PING_MS, () => void this.#ping())
  }
}
