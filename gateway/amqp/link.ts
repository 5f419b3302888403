import type { ChannelModel } from 'amqplib'
import { bounded } from '../../functions/contract/bounded.ts'
import { type Clock, pauseAfter, type Timer } from '../../functions/contract/clock.ts'
import { reasonOf } from '../../functions/contract/reason.ts'
import type { Connect, Direction } from './connect.ts'

export interface LinkParts {
  direction: Direction
  connect: Connect
  clock: Clock
  /** From 0 to 1. */
  random(): number
  /** There is a connection; rejects when nothing can be done with it, and another one is made. */
  opened(connection: ChannelModel): Promise<void>
  /** It is there, or away and why; `blocked`: it takes nothing for now. */
  told(trouble: string | undefined): void
}

const BACKOFF_MS = [500, 1000, 2000, 5000, 10_000, 30_000]
/** Milliseconds a farewell may take. */
const CLOSE_MS = 2000

/** A connection to the broker that is there again by itself, at the next of several servers. */
export class Link {
  readonly #parts: LinkParts
  #connection: ChannelModel | undefined
  #attempts = 0
  #number = 0
  #timer: Timer | undefined
  #isOver = false

  constructor(parts: LinkParts) {
    this.#parts = parts
  }

  start(): void {
    void this.#reach()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    this.#timer?.cancel()
    const connection = this.#connection
    this.#connection = undefined
    if (!connection) return
    await bounded(this.#parts.clock, CLOSE_MS, () => connection.close()).catch(() => {})
  }

  /** It is of no use as it is: makes another one. */
  renew(why: string): void {
    const connection = this.#connection
    this.#connection = undefined
    connection?.close().catch(() => {})
    if (connection) this.#away(why)
  }

  async #reach(): Promise<void> {
    const { connect, direction, opened, told } = this.#parts
    let why = 'closed'
    try {
      const connection = await connect(direction, this.#number++)
      if (this.#isOver) return void connection.close().catch(() => {})
      this.#connection = connection
      connection.on('error', (error: Error) => {
        why = error.message
      })
      connection.on('close', () => {
        if (this.#connection !== connection) return
        this.#connection = undefined
        this.#away(why)
      })
      connection.on('blocked', (reason: string) => told(`blocked: ${reason}`))
      connection.on('unblocked', () => told(undefined))
      await opened(connection)
      if (this.#connection !== connection) return
      this.#attempts = 0
      told(undefined)
    } catch (error) {
      why = reasonOf(error)
      const connection = this.#connection
      this.#connection = undefined
      connection?.close().catch(() => {})
      this.#away(why)
    }
  }

  #away(why: string): void {
    if (this.#isOver) return
    const { clock, random, told } = this.#parts
    told(why)
    const pauseMs = pauseAfter(this.#attempts++, BACKOFF_MS)
    this.#timer?.cancel()
    this.#timer = clock.after(pauseMs * (0.75 + random() / 2), () => void this.#reach())
  }
}
