import { type Clock, type IdSource, pause, type Timer } from '../../functions/contract/clock.ts'
import { type Counters, series } from '../observe/counters.ts'
import type { Log } from '../observe/log.ts'
import type { Candidate } from './choose.ts'
import type { Link, OpenLink } from './link.ts'
import { type Command, type Outcome, readAnswer, writeCommand } from './ng.ts'
import { engineKey } from './session-name.ts'
import type { EngineSetting } from './settings.ts'

export interface EngineParts {
  clock: Clock
  ids: IdSource
  counters: Counters
  log: Log
  openLink: OpenLink
  /** How long an answer is waited for, milliseconds. */
  timeoutMs: number
  /** How often it is asked whether it is there, milliseconds. */
  pingMs: number
}

/** A datagram may be lost: it is sent again after this, then after twice as long, and so on. Milliseconds. */
const REPEAT_MS = 100
/** How often it is looked whether everything was answered. Milliseconds. */
const STOP_STEP_MS = 20
/** Octets: what a datagram takes, and a socket sends. */
const MAX_DATAGRAM = 60_000

interface Exchange {
  end(outcome: Outcome): void
}

/** One rtpengine: asks it things over its ng protocol, and knows whether it is there. */
export class Engine implements Candidate {
  /** `127.0.0.1:22222` */
  readonly name: string
  readonly key: string
  readonly weight: number
  isUp: boolean | undefined
  readonly #parts: EngineParts
  readonly #at: EngineSetting
  readonly #exchanges = new Map<string, Exchange>()
  readonly #series = new Map<string, string>()
  #link: Link | undefined
  #address: string | undefined
  #why = 'not heard of yet'
  #pinging: Timer | undefined
  #isStopped = false

  constructor(at: EngineSetting, parts: EngineParts) {
    this.#at = at
    this.#parts = parts
    this.name = at.name
    this.key = engineKey(at.name)
    this.weight = at.weight
    parts.counters.gauge(series('rtpengine_up', { engine: this.name }), () => (this.isUp ? 1 : 0))
  }

  /** How it is, in a few words. */
  get text(): string {
    return this.isUp ? 'connected' : this.#why
  }

  /** IP address; undefined as long as its name could not be looked up. */
  get address(): string | undefined {
    return this.#address
  }

  /** From now on asks again and again whether it is there. */
  start(): void {
    void this.#ping()
  }

  async #ping(): Promise<void> {
    const { kind } = await this.ask({ command: 'ping' })
    if (this.#isStopped) return
    // Its name may stand for another address by now.
    if (kind === 'away' && this.#exchanges.size === 0) this.#unlink()
    this.#pinging = this.#parts.clock.after(this.#parts.pingMs, () => void this.#ping())
  }

  /** Never rejects, and is settled within the time-out. */
  ask(command: Command): Promise<Outcome> {
    const { clock, ids, counters, timeoutMs } = this.#parts
    if (this.#isStopped) return Promise.resolve({ kind: 'away' })
    const cookie = ids.next('cookie')
    const datagram = writeCommand(cookie, command)
    if (datagram.length > MAX_DATAGRAM) return Promise.resolve({ kind: 'refused', reason: 'too long for a datagram' })
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    const begun = clock.now()
    let repeating: Timer | undefined
    const repeat = (inMs: number) => {
      this.#send(datagram)
      repeating = clock.after(inMs, () => repeat(2 * inMs))
    }
    const limit = clock.after(timeoutMs, () => {
      this.#isAway('no answer')
      exchange.end({ kind: 'away' })
    })
    const exchange: Exchange = {
      end: (outcome) => {
        this.#exchanges.delete(cookie)
        repeating?.cancel()
        limit.cancel()
        counters.count(this.#seriesOf(command.command, outcome.kind))
        counters.observe('rtpengine_answer_seconds', (clock.now() - begun) / 1000)
        resolve(outcome)
      },
    }
    this.#exchanges.set(cookie, exchange)
    repeat(REPEAT_MS)
    return promise
  }

  #send(datagram: string): void {
    const { host, port } = this.#at
    this.#link ??= this.#parts.openLink(host, port, {
      receive: (answer) => this.#receive(answer),
      failed: (why) => this.#failed(why),
    })
    this.#link.send(datagram)
  }

  #receive(datagram: string): void {
    const read = readAnswer(datagram)
    // An answer to what was repeated comes once more, and one that is late finds nobody.
    const exchange = read && this.#exchanges.get(read.cookie)
    if (!exchange) return this.#parts.counters.count('rtpengine answers to nothing')
    this.#address = this.#link?.address ?? this.#address
    this.#isBack()
    exchange.end(read.outcome)
  }

  #failed(why: string): void {
    this.#isAway(why)
    this.#unlink()
    for (const exchange of [...this.#exchanges.values()]) exchange.end({ kind: 'away' })
  }

  #isBack(): void {
    if (this.isUp) return
    this.isUp = true
    this.#parts.log.info('rtpengine is there', { engine: this.name })
  }

  #isAway(why: string): void {
    this.#why = `away: ${why}`
    if (this.isUp === false) return
    this.isUp = false
    this.#parts.log.warn('rtpengine is away', { engine: this.name, why })
  }

  #unlink(): void {
    this.#link?.close()
    this.#link = undefined
  }

  #seriesOf(command: string, outcome: string): string {
    const key = `${command} ${outcome}`
    let name = this.#series.get(key)
    if (name === undefined) {
      name = series('rtpengine_commands', { engine: this.name, command, outcome })
      this.#series.set(key, name)
    }
    return name
  }

  /** Waits for what is still to be answered. */
  async stop(): Promise<void> {
    this.#pinging?.cancel()
    const { clock, timeoutMs } = this.#parts
    const deadline = clock.now() + timeoutMs
    this.#isStopped = true
    while (this.#exchanges.size > 0 && clock.now() < deadline) await pause(clock, STOP_STEP_MS)
    this.#unlink()
  }
}
