import type { Clock, Timer } from '../../functions/contract/clock.ts'
import { reasonOf } from '../../functions/contract/reason.ts'
import type { Network, Stream } from '../transport/types.ts'
import { type Frame, FrameReader } from './frames.ts'
import type { EslServer } from './settings.ts'

export interface ConnectionParts {
  server: EslServer
  /** What it wants to hear of, as the command `event` takes it: `json DTMF CUSTOM a::b`. */
  events: string
  network: Network
  /** An address of a name. */
  resolve(host: string): Promise<string>
  clock: Clock
  /** From 0 to 1. */
  random(): number
  /** It is logged in and hears events; undefined: it is away, and why. */
  told(trouble: string | undefined): void
  /** An event has come. */
  heard(frame: Frame): void
}

const BACKOFF_MS = [500, 1000, 2000, 5000, 10_000, 30_000]
/** Who is refused tries again after this: a password does not become right by itself. Milliseconds. */
const REFUSED_MS = 30_000
/** Milliseconds until it is logged in, and until a command is answered. */
const LOGIN_MS = 5000
const ANSWER_MS = 2000
/** FreeSWITCH says HEARTBEAT every 20 s; silence for longer is a connection that only looks alive. Milliseconds. */
const SILENCE_MS = 65_000
/** Commands that wait for their answers. */
const MAX_COMMANDS = 1000

type Answer = (reply: string | undefined) => void

/**
 * A long-lived connection to one event socket: logs in, subscribes, gives commands, and is there again by itself.
 * @see https://developer.signalwire.com/freeswitch/FreeSWITCH-Explained/Modules/mod_event_socket_1048924/
 */
export class EslConnection {
  readonly #parts: ConnectionParts
  #stream: Stream | undefined
  #reader = new FrameReader()
  #state: 'away' | 'greeting' | 'login' | 'subscribing' | 'ready' = 'away'
  /** In the order in which their commands were given: answers have no other name. */
  #answers: Answer[] = []
  #attempts = 0
  #patience: Timer | undefined
  #timer: Timer | undefined
  #isOver = false
  #why = 'closed'

  constructor(parts: ConnectionParts) {
    this.#parts = parts
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  start(): void {
    void this.#reach()
  }

  stop(): void {
    this.#isOver = true
    this.#timer?.cancel()
    this.#patience?.cancel()
    this.#stream?.end()
    this.#settleAll()
  }

  /**
   * An API command without line ends.
   * @returns what FreeSWITCH answers, such as `+OK`; undefined when it does not in time, or is away
   */
  api(command: string): Promise<string | undefined> {
    if (this.#state !== 'ready' || this.#answers.length >= MAX_COMMANDS) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const late = this.#parts.clock.after(ANSWER_MS, () => resolve(undefined))
      this.#command(`api ${command}`, (reply) => {
        late.cancel()
        resolve(reply)
      })
    })
  }

  async #reach(): Promise<void> {
    const { server, network, resolve } = this.#parts
    try {
      const address = /^[\d.]+$|:/.test(server.host) ? server.host : await resolve(server.host)
      if (this.#isOver) return
      this.#reader = new FrameReader()
      this.#why = 'closed'
      this.#state = 'greeting'
      this.#expect(LOGIN_MS, 'it does not let anybody in')
      const stream: Stream = network.connect({ address, port: server.port }, '', {
        opened: () => {},
        receive: (octets) => this.#received(octets),
        closed: (failure) => this.#closed(failure ?? this.#why),
      })
      this.#stream = stream
    } catch (error) {
      this.#closed(reasonOf(error))
    }
  }

  #received(octets: Uint8Array): void {
    try {
      for (const frame of this.#reader.push(octets)) this.#take(frame)
    } catch (error) {
      this.#giveUp(reasonOf(error))
    }
    if (this.#state === 'ready') this.#expect(SILENCE_MS, 'it has fallen silent')
  }

  #take(frame: Frame): void {
    switch (frame.headers.get('Content-Type')) {
      case 'auth/request':
        return this.#login()
      case 'command/reply':
        return this.#answers.shift()?.(frame.headers.get('Reply-Text') ?? '')
      case 'api/response':
        return this.#answers.shift()?.(frame.body.trim())
      case 'text/disconnect-notice':
        // With linger it goes on for a while, for who wants the last events of one channel.
        if (frame.headers.get('Content-Disposition') !== 'linger') this.#giveUp('it has said good-bye')
        return
      case 'text/rude-rejection':
        this.#attempts = BACKOFF_MS.length
        return this.#giveUp('it refuses connections from here (its ACL)')
      case 'text/event-plain':
      case 'text/event-json':
        return this.#parts.heard(frame)
    }
  }

  #login(): void {
    if (this.#state !== 'greeting') return
    this.#state = 'login'
    const { user, password } = this.#parts.server
    this.#command(user === undefined ? `auth ${password}` : `userauth ${user}:${password}`, (reply) => {
      if (reply === undefined) return
      if (reply.startsWith('+OK')) return this.#subscribe()
      this.#attempts = BACKOFF_MS.length
      this.#giveUp('it refuses the password')
    })
  }

  #subscribe(): void {
    this.#state = 'subscribing'
    this.#command(`event ${this.#parts.events}`, (reply) => {
      if (reply === undefined) return
      if (!reply.startsWith('+OK')) return this.#giveUp(`it does not take these events: ${reply.slice(0, 100)}`)
      this.#state = 'ready'
      this.#attempts = 0
      this.#expect(SILENCE_MS, 'it has fallen silent')
      this.#parts.told(undefined)
    })
  }

  #command(command: string, answer: Answer): void {
    this.#answers.push(answer)
    this.#stream?.write(Buffer.from(`${command}\n\n`))
  }

  #expect(ms: number, why: string): void {
    this.#patience?.cancel()
    this.#patience = this.#parts.clock.after(ms, () => this.#giveUp(why))
  }

  /** Its stream says when it is closed. */
  #giveUp(why: string): void {
    this.#why = why
    const stream = this.#stream
    if (stream) {
      this.#stream = undefined
      stream.destroy()
    }
    this.#closed(why)
  }

  #closed(why: string): void {
    if (this.#state === 'away') return
    this.#state = 'away'
    this.#stream = undefined
    this.#patience?.cancel()
    this.#settleAll()
    if (this.#isOver) return
    const { clock, random, told } = this.#parts
    told(why)
    const pauseMs = BACKOFF_MS[this.#attempts++] ?? REFUSED_MS
    this.#timer?.cancel()
    this.#timer = clock.after(pauseMs * (0.75 + random() / 2), () => void this.#reach())
  }

  #settleAll(): void {
    for (const answer of this.#answers.splice(0)) answer(undefined)
  }
}
