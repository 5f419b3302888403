import { bounded } from '../../functions/contract/bounded.ts'
import { type Clock, pauseAfter, type Timer } from '../../functions/contract/clock.ts'
import type { Frame } from './frames.ts'
import { Link, type LinkEnd } from './link.ts'
import type { EslServer } from './settings.ts'
import type { Connect } from './wire.ts'

export interface ConnectionParts {
  server: EslServer
  /** Events that it wants to hear of, as the command `event` takes them: `DTMF`, `CUSTOM a::b`. */
  wanted: readonly string[]
  /** Those that it can do without. */
  useful: readonly string[]
  connect: Connect
  clock: Clock
  /** From 0 to 1. */
  random(): number
  /** `state` is another one. */
  told(): void
  /** An event has come. */
  heard(frame: Frame): void
}

/** How it is with one FreeSWITCH; `trouble` is for people. */
export type ConnectionState =
  | { isUp: true; refused: readonly string[] }
  /** `refused`: it is there, and wants nobody like us. */
  | { isUp: false; trouble: string }

const BACKOFF_MS = [500, 1000, 2000, 5000, 10_000, 30_000]
/** Who is refused tries again after this: a password does not become right by itself. Milliseconds. */
const REFUSED_MS = 60_000
/** A connection that has lasted for so long was a good one. Milliseconds. */
const LASTING_MS = 10_000
/** After so long a silence it is asked something: a connection may only look alive. Milliseconds. */
const SILENCE_MS = 20_000
/** Always answered, if only by a refusal. */
const PROBE = 'api version'

/** A long-lived connection to one event socket, which is there again by itself. */
export class EslConnection {
  readonly #parts: ConnectionParts
  #state: ConnectionState = { isUp: false, trouble: 'not reached yet' }
  #link: Link | undefined
  #tries = 0
  #upSince = 0
  #timer: Timer | undefined
  #isPaused = false

  constructor(parts: ConnectionParts) {
    this.#parts = parts
  }

  get state(): ConnectionState {
    return this.#state
  }

  start(): void {
    this.#link = new Link({
      ...this.#parts,
      opened: () => void this.#subscribe(),
      closed: (end) => this.#closed(end),
    })
  }

  stop(): void {
    this.#timer?.cancel()
    this.#link?.leave()
    this.#link = undefined
    this.#state = { isUp: false, trouble: 'stopped' }
  }

  /**
   * An API command in one line.
   * @param withinMs absent: as long as it has something to say, and while nothing is heard since `pause`
   * @returns what FreeSWITCH answers, such as `+OK`; undefined when it is away, or does not in time
   */
  async api(command: string, withinMs?: number): Promise<string | undefined> {
    const answered = this.#link?.command(`api ${command}`)
    if (!answered || withinMs === undefined) return answered
    return bounded(this.#parts.clock, withinMs, () => answered).catch(() => undefined)
  }

  /** Nothing is heard until `resume`; FreeSWITCH keeps it meanwhile. */
  pause(): void {
    this.#isPaused = true
    if (this.#state.isUp) this.#link?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#link?.resume()
  }

  /** One by one: FreeSWITCH passes over names that it does not know when there are others, and a user may be denied some. */
  async #subscribe(): Promise<void> {
    const link = this.#link
    if (!link) return
    const { wanted, useful, server, clock, told } = this.#parts
    const subscribe = (event: string) => link.command(`event ${server.format} ${event}`)
    const [replies] = await Promise.all([Promise.all(wanted.map(subscribe)), Promise.all(useful.map(subscribe))])
    if (this.#link !== link) return
    const refused = wanted.flatMap((event, index) => {
      const reply = replies[index] ?? ''
      return reply.startsWith('+OK') ? [] : [`${event} (${reply.slice(0, 100)})`]
    })
    this.#state = { isUp: true, refused }
    this.#upSince = clock.now()
    if (this.#isPaused) link.pause()
    this.#watch(link)
    told()
  }

  #watch(link: Link): void {
    const { clock } = this.#parts
    const silentMs = link.isPaused ? 0 : clock.now() - link.heardAt
    if (silentMs >= SILENCE_MS) void link.command(PROBE)
    this.#timer = clock.after(silentMs >= SILENCE_MS ? SILENCE_MS : SILENCE_MS - silentMs, () => this.#watch(link))
  }

  #closed({ why, isRefused }: LinkEnd): void {
    const { clock, random, told } = this.#parts
    this.#timer?.cancel()
    this.#link = undefined
    if (this.#state.isUp && clock.now() - this.#upSince >= LASTING_MS) this.#tries = 0
    const pauseMs = isRefused ? REFUSED_MS : pauseAfter(this.#tries++, BACKOFF_MS)
    this.#timer = clock.after(pauseMs * (0.75 + random() / 2), () => this.start())
    this.#state = { isUp: false, trouble: why }
    told()
  }
}
