import { type Clock, pause } from '../../../functions/contract/clock.ts'
import { formatHost } from '../../../functions/contract/uri/sip-uri.ts'
import type { SipMessage } from '../../sip/message.ts'
import type { Address } from '../../transport/types.ts'
import { Phone, type PhoneOptions } from './phone.ts'
import type { PhonePlan } from './plan.ts'

/** How a phone ends: as its process's exit status. */
export const ANSWERED = 0
export const NOT_ANSWERED = 1
export const NOT_REGISTERED = 3

/** Milliseconds after which a router that has said nothing is perhaps not there. */
const SILENCE_MS = 3000
/** A phone that was woken and is not called goes back to sleep. Milliseconds. */
const AWAKE_MS = 10_000
/** Somebody who has just answered needs a moment to press a digit. Milliseconds. */
const FIRST_DIGIT_MS = 300

export interface PerformanceOptions {
  plan: PhonePlan
  phone: Omit<PhoneOptions, 'onRing' | 'onEnded' | 'user' | 'domain' | 'clock'>
  clock: Clock
  /** One sentence of what happens. */
  tell(sentence: string): void
}

/** A phone that does what its plan says. */
export class Performance {
  readonly #plan: PhonePlan
  readonly #clock: Clock
  readonly #phone: Phone
  readonly #tell: (sentence: string) => void
  readonly #server: Address
  /** Of the call that goes on. */
  #over = Promise.withResolvers<number>()
  #isStopped = false
  #isInCall = false
  #wasAnswered = false
  /** One change from sleeping to being awake, or back, at a time. */
  #changing: Promise<unknown> = Promise.resolve()

  constructor({ plan, phone, clock, tell }: PerformanceOptions) {
    this.#plan = plan
    this.#clock = clock
    this.#tell = tell
    this.#server = phone.server
    this.#phone = new Phone({
      ...phone,
      user: plan.user,
      domain: plan.domain,
      clock,
      onRing: (from) => this.#onRing(from),
      onEnded: (why) => this.#callIsOver(why),
    })
  }

  /** Resolves with the exit status when it is done; `stop` ends it sooner. */
  async play(stop: Promise<void>): Promise<number> {
    const plan = this.#plan
    await this.#phone.wake()
    if (plan.registers && !(await this.#register())) return NOT_REGISTERED
    const stopped = stop.then(() => this.#stop())
    const status = plan.call === undefined ? await this.#takeCalls(stopped) : await this.#makeCall(plan.call)
    await this.#changing
    await this.#leave()
    return status
  }

  /** A push has come. */
  wakeUp(): void {
    this.#change(async () => {
      if (this.#phone.hostPort !== undefined) return
      this.#tell('a push wakes it')
      if (this.#plan.wakeAfterMs > 0) await pause(this.#clock, this.#plan.wakeAfterMs)
      await this.#phone.wake()
      await this.#register()
      this.#clock.after(AWAKE_MS, () => this.#sleepAgain())
    })
  }

  async #takeCalls(stopped: Promise<void>): Promise<number> {
    if (this.#plan.sleeps) {
      await this.#phone.sleep()
      this.#tell('it sleeps; Ctrl-C ends it')
    } else this.#tell('it waits for calls; Ctrl-C ends it')
    const done = this.#plan.once ? this.#over.promise : new Promise<number>(() => {})
    return Promise.race([done, stopped.then(() => ANSWERED)])
  }

  async #makeCall(uri: string): Promise<number> {
    this.#isInCall = true
    this.#tell(`calls ${uri}`)
    const { cancelAfterMs } = this.#plan
    const givingUp =
      cancelAfterMs === undefined ? undefined : this.#clock.after(cancelAfterMs, () => void this.#phone.hangUp())
    const final = await this.#untilHeard((heard) => this.#phone.call(uri, heard))
    givingUp?.cancel()
    if (final === undefined) this.#tell('the router does not answer')
    else if (final.status >= 300) this.#tell(`the call was not answered: ${described(final)}`)
    if (final === undefined || final.status >= 300) return NOT_ANSWERED
    this.#tell('the call is answered')
    // Ctrl-C came while the answer was on its way.
    if (this.#isStopped) await this.#phone.hangUp()
    else await this.#talk()
    return ANSWERED
  }

  #onRing(from: string): void {
    this.#isInCall = true
    const { decline, answerAfterMs } = this.#plan
    this.#tell(`it rings: ${from} calls`)
    if (decline !== undefined) {
      this.#phone.decline(decline)
      this.#wasAnswered = true
      this.#callIsOver(`declined with ${decline}`)
    } else if (answerAfterMs !== undefined) {
      const ringing = this.#over
      this.#clock.after(answerAfterMs, () => {
        if (ringing === this.#over && this.#isInCall) void this.#answer()
      })
    }
  }

  async #answer(): Promise<void> {
    this.#phone.answer()
    this.#wasAnswered = true
    this.#tell('it answers')
    await this.#talk()
  }

  /** From the answer to the end of the call, whoever ends it. */
  async #talk(): Promise<void> {
    this.#wasAnswered = true
    const { digits, hangUpAfterMs } = this.#plan
    const over = this.#over.promise
    if (digits !== '') {
      await pause(this.#clock, FIRST_DIGIT_MS)
      this.#tell(`presses ${digits}`)
      await this.#phone.press(digits)
    }
    if (hangUpAfterMs !== undefined) {
      await Promise.race([over, pause(this.#clock, hangUpAfterMs)])
      if (this.#isInCall) {
        await this.#phone.hangUp()
        this.#callIsOver('it hangs up')
      }
    }
    await over
  }

  #callIsOver(why: string): void {
    this.#tell(why)
    this.#over.resolve(this.#wasAnswered ? ANSWERED : NOT_ANSWERED)
    this.#over = Promise.withResolvers()
    this.#isInCall = false
    this.#wasAnswered = false
    this.#sleepAgain()
  }

  #sleepAgain(): void {
    this.#change(async () => {
      if (!this.#plan.sleeps || this.#plan.once || this.#isInCall || this.#phone.hostPort === undefined) return
      await this.#phone.sleep()
      this.#tell('it sleeps again')
    })
  }

  #change(work: () => Promise<void>): void {
    this.#changing = this.#changing.then(() => (this.#isStopped ? undefined : work()))
  }

  async #register(): Promise<boolean> {
    const final = await this.#untilHeard(() => this.#phone.register(this.#plan.expiresSeconds))
    if (final?.status === 200) this.#tell(`${this.#phone.aor} is registered at ${this.#phone.hostPort}`)
    else this.#tell(`not registered: ${final ? described(final) : 'the router does not answer'}`)
    return final?.status === 200
  }

  /** Whoever has started no router yet need not wait half a minute to be told. */
  #untilHeard<T>(ask: (heard: () => void) => Promise<T>): Promise<T> {
    const { address, port } = this.#server
    const hint = this.#clock.after(SILENCE_MS, () =>
      this.#tell(
        `nothing answers at ${formatHost(address)}:${port} so far; is a router there? npx rouse dev starts one`,
      ),
    )
    const heard = () => hint.cancel()
    return ask(heard).finally(heard)
  }

  async #stop(): Promise<void> {
    this.#isStopped = true
    await this.#phone.hangUp()
    if (this.#isInCall && this.#wasAnswered) this.#callIsOver('it hangs up')
  }

  /** What it has registered is taken out, also when it sleeps. */
  async #leave(): Promise<void> {
    if (this.#plan.registers) {
      await this.#phone.wake()
      await this.#phone.register(0)
    }
    await this.#phone.sleep()
  }
}

function described({ status, reason }: SipMessage): string {
  return `${status} ${reason}`
}
