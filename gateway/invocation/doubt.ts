import type { Dialog, Party } from '../dialog/dialog.ts'
import type { Goodbyes } from '../dialog/goodbyes.ts'
import { type HangupParts, probe } from '../dialog/hangup.ts'
import type { TimerHandle, TimerQueue } from '../transaction/timer-queue.ts'

export interface DoubtParts {
  timers: TimerQueue
  goodbyes: Goodbyes | undefined
  hangup: HangupParts
  onBug(error: unknown): void
}

/** A call that is talked on, as far as anybody knows. */
export interface Doubted {
  readonly dialogs: readonly Dialog[]
  /** Who has followed it has not come back: it is this process's for good. */
  settled(): void
  /** One of its ends has said BYE. @param at when, milliseconds since the epoch */
  endLeft(dialog: Dialog, party: Party, at: number): void
  /** One of its ends does not know the dialog any more. */
  endGone(dialog: Dialog, party: Party): void
  /** No end of it has answered, however often it was asked. */
  unheard(): void
  /** An end has answered: it goes on. */
  certain(): void
}

/** What another gateway is about to note has been noted by then. Milliseconds. */
const LOOK_MS = 5000
/** A gateway that was only frozen, or cut off, is back by then, and goes on with its calls; what was under way has been repeated. Milliseconds. */
const DOUBT_MS = 60_000
/** How many calls are asked for at once, and how long after them the next ones: thousands may have been taken up. */
const AT_ONCE = 25
const NEXT_MS = 250
/** How often the ends are asked, and the pause in between. Milliseconds. */
const TRIES = 3
const PAUSE_MS = 300_000
/** What is said in place of an end that cannot be reached. */
const NO_ANSWER = new Set([404, 408, 410, 430, 480, 502, 503, 504])
const GONE = 481

/**
 * An answered call that another process has followed until a moment ago: what has passed since, its BYE perhaps, nobody has seen who would
 * know. Other gateways are asked, and then both ends whether they still know the dialog.
 */
export class Doubt {
  /** When it was certainly talked on last, milliseconds since the epoch. */
  readonly since: number
  readonly #call: Doubted
  readonly #parts: DoubtParts
  #timer: TimerHandle | undefined
  /** How long after it is settled the ends are asked. */
  readonly #askMs: number
  #step: 'look' | 'settle' | 'ask' = 'look'
  #tries = 0
  #isHeard = false
  #isSettled: boolean
  #isOver = false

  /**
   * @param at.isSettled see Doubted.settled, which is not called then
   * @param at.order     how many calls were taken up before it
   */
  constructor(
    call: Doubted,
    parts: DoubtParts,
    { since, isSettled, order }: { since: number; isSettled: boolean; order: number },
  ) {
    this.#call = call
    this.#parts = parts
    this.since = since
    this.#isSettled = isSettled
    this.#look().catch(parts.onBug)
    this.#askMs = Math.floor(order / AT_ONCE) * NEXT_MS
    this.#start(LOOK_MS)
  }

  /** See Doubted.settled. */
  get isSettled(): boolean {
    return this.#isSettled
  }

  /** A request of it has passed. */
  heard(): void {
    this.#isHeard = true
  }

  stop(): void {
    this.#parts.timers.stop(this.#timer)
    this.#isOver = true
  }

  onTimer(): void {
    this.#timer = undefined
    if (this.#step === 'look') this.#lookAgain()
    else if (this.#step === 'settle') this.#settle()
    else this.#ask().catch(this.#parts.onBug)
  }

  #lookAgain(): void {
    this.#step = 'settle'
    this.#start(DOUBT_MS - LOOK_MS)
    this.#look().catch(this.#parts.onBug)
  }

  #settle(): void {
    this.#step = 'ask'
    this.#start(this.#askMs)
    if (this.#isSettled) return
    this.#isSettled = true
    this.#call.settled()
  }

  /** A BYE may have passed by another gateway. */
  async #look(): Promise<void> {
    for (const dialog of [...this.#call.dialogs]) {
      const goodbye = await this.#parts.goodbyes?.of(dialog)
      if (!goodbye || this.#isOver || !this.#call.dialogs.includes(dialog)) continue
      this.#call.endLeft(dialog, goodbye.from === dialog.caller.tag ? dialog.caller : dialog.callee, goodbye.at)
    }
  }

  async #ask(): Promise<void> {
    this.#tries++
    const ends = this.#call.dialogs.flatMap((dialog) => [
      { dialog, party: dialog.caller },
      { dialog, party: dialog.callee },
    ])
    const answers = await Promise.all(ends.map(({ dialog, party }) => probe(dialog, party, this.#parts.hangup)))
    if (this.#isOver) return
    ends.forEach(({ dialog, party }, at) => {
      if (answers[at] === GONE && this.#call.dialogs.includes(dialog)) this.#call.endGone(dialog, party)
      else if (!NO_ANSWER.has(answers[at]!)) this.#isHeard = true
    })
    if (this.#call.dialogs.length === 0) return
    if (this.#isHeard) this.#call.certain()
    else if (this.#tries < TRIES) this.#start(PAUSE_MS)
    else this.#call.unheard()
  }

  #start(ms: number): void {
    this.#timer = this.#parts.timers.start(ms, this, 'doubt')
  }
}
