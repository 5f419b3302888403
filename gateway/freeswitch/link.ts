import type { Clock, Timer } from '../../functions/contract/clock.ts'
import { type Frame, FrameReader } from './frames.ts'
import type { EslServer } from './settings.ts'
import type { Connect, Wire } from './wire.ts'

export interface LinkParts {
  server: EslServer
  connect: Connect
  clock: Clock
  /** It is logged in. */
  opened(): void
  /** An event has come. */
  heard(frame: Frame): void
  /** It is over, by itself. */
  closed(end: LinkEnd): void
}

/** Why a connection is over, for people. */
export interface LinkEnd {
  why: string
  /** The other side wants nobody like us: it will not think otherwise in a moment. */
  isRefused: boolean
}

/** Milliseconds until it is logged in. */
const LOGIN_MS = 5000
/** Milliseconds in which nothing at all comes, though a command is to be answered. */
const ANSWER_MS = 5000
/** Commands that wait for their answers. */
const MAX_COMMANDS = 1000
/** Milliseconds in which the other side may close what we have taken leave of. */
const LEAVE_MS = 1000
/** Whatever would end a command, or be none. */
const CONTROL = /[\u0000-\u001f\u007f]/

interface Command {
  answer(reply: string | undefined): void
  late: Timer
}

/**
 * One connection to an event socket, from its opening to its end: logs in, gives commands, tells their answers and events apart.
 * @see https://developer.signalwire.com/freeswitch/FreeSWITCH-Explained/Modules/mod_event_socket_1048924/
 */
export class Link {
  /** When the other side was last heard, milliseconds since the epoch. */
  heardAt: number
  readonly #parts: LinkParts
  readonly #wire: Wire
  readonly #reader = new FrameReader()
  #patience: Timer
  /** In the order in which they were given: answers have no other name. */
  #commands: Command[] = []
  #state: 'greeting' | 'login' | 'open' | 'leaving' | 'over' = 'greeting'
  #isPaused = false

  constructor(parts: LinkParts) {
    const { server, connect, clock } = parts
    this.#parts = parts
    this.heardAt = clock.now()
    this.#patience = clock.after(LOGIN_MS, () => this.#end('it does not let anybody in'))
    this.#wire = connect(server.host, server.port, {
      received: (octets) => this.#received(octets),
      closed: (why) => this.#end(why),
    })
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /**
   * A command in one line.
   * @returns what FreeSWITCH answers, such as `+OK`; undefined when no answer will come
   */
  command(text: string): Promise<string | undefined> {
    if (this.#state !== 'open' || this.#commands.length >= MAX_COMMANDS || CONTROL.test(text))
      return Promise.resolve(undefined)
    return new Promise((answer) => this.#give(text, answer))
  }

  pause(): void {
    this.#isPaused = true
    this.#wire.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.heardAt = this.#parts.clock.now()
    this.#wire.resume()
  }

  /** Takes leave. */
  leave(): void {
    if (this.#state !== 'open') {
      this.#close('over')
      return this.#wire.destroy()
    }
    this.#wire.write('exit\n\n')
    this.#wire.end()
    this.#close('leaving')
    this.#patience = this.#parts.clock.after(LEAVE_MS, () => this.#end('left'))
  }

  #received(octets: Uint8Array): void {
    this.heardAt = this.#parts.clock.now()
    const { frames, fault } = this.#reader.push(octets)
    for (const frame of frames) this.#take(frame)
    if (fault !== undefined) this.#end(`it sends ${fault}`)
  }

  #take(frame: Frame): void {
    if (this.#state === 'leaving' || this.#state === 'over') return
    switch (frame.headers.get('content-type')) {
      case 'auth/request':
        return this.#logIn()
      case 'command/reply':
        return this.#answered(frame.headers.get('reply-text') ?? '')
      case 'api/response':
        return this.#answered(frame.body.trim())
      case 'text/event-plain':
      case 'text/event-json':
        return this.#parts.heard(frame)
      case 'text/disconnect-notice':
        // With linger it goes on for a while, for who wants the last events of one channel.
        if (frame.headers.get('content-disposition') !== 'linger') this.#end('it has said good-bye')
        return
      // As old versions have it.
      case 'rude/rejection':
      case 'text/rude-rejection':
        return this.#end('it refuses connections from here (its ACL)', true)
    }
  }

  #logIn(): void {
    if (this.#state !== 'greeting') return
    this.#state = 'login'
    const { user, password } = this.#parts.server
    // At once: who is refused is shown out in the next message.
    this.#give(user === undefined ? `auth ${password}` : `userauth ${user}:${password}`, (reply) => {
      if (reply === undefined) return
      if (!reply.startsWith('+OK')) return this.#end('it refuses the password', true)
      this.#patience.cancel()
      this.#state = 'open'
      this.#parts.opened()
    })
  }

  #give(text: string, answer: Command['answer']): void {
    const command: Command = { answer, late: this.#parts.clock.after(ANSWER_MS, () => this.#late(command)) }
    this.#commands.push(command)
    this.#wire.write(`${text}\n\n`)
  }

  #answered(reply: string): void {
    const command = this.#commands.shift()
    if (!command) return this.#end('it answers what it was not asked')
    command.late.cancel()
    command.answer(reply)
  }

  /** FreeSWITCH tells all events that it has queued before it reads a command, and who reads nothing hears no answer. */
  #late(command: Command): void {
    const { clock } = this.#parts
    const silentMs = this.#isPaused ? 0 : clock.now() - this.heardAt
    if (silentMs >= ANSWER_MS) return this.#end('it does not answer')
    command.late = clock.after(ANSWER_MS - silentMs, () => this.#late(command))
  }

  #end(why: string, isRefused = false): void {
    if (this.#state === 'over') return
    const isLeaving = this.#state === 'leaving'
    this.#close('over')
    this.#wire.destroy()
    if (!isLeaving) this.#parts.closed({ why, isRefused })
  }

  #close(state: 'leaving' | 'over'): void {
    this.#state = state
    this.#patience.cancel()
    for (const { late, answer } of this.#commands.splice(0)) {
      late.cancel()
      answer(undefined)
    }
  }
}
