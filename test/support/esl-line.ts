import type { Wire, WireEvents } from '../../gateway/freeswitch/wire.ts'
import { settled } from './fake-clock.ts'

/** The other side of a connection to an event socket, in virtual time: what was said to it, and what the test says. */
export class Line implements Wire {
  readonly address: string
  readonly said: string[] = []
  isDestroyed = false
  isEnded = false
  isPaused = false
  readonly #events: WireEvents

  constructor(address: string, events: WireEvents) {
    this.address = address
    this.#events = events
  }

  write(text: string): void {
    this.said.push(text)
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  end(): void {
    this.isEnded = true
  }

  destroy(): void {
    this.isDestroyed = true
  }

  async says(text: string): Promise<void> {
    this.#events.received(Buffer.from(text))
    await settled()
  }

  async closes(why = 'it has closed the connection'): Promise<void> {
    this.#events.closed(why)
    await settled()
  }

  /** Lets the client in and answers whatever it subscribes to. */
  async isGood(): Promise<void> {
    await this.says('Content-Type: auth/request\n\n')
    await this.says(reply('+OK accepted'))
    const subscribed = this.said.filter((command) => command.startsWith('event ')).length
    await this.says(reply('+OK event listener enabled json').repeat(subscribed))
  }

  /** An event, as JSON. */
  async raises(headers: Record<string, string>): Promise<void> {
    const body = JSON.stringify(headers)
    await this.says(`Content-Length: ${Buffer.byteLength(body)}\nContent-Type: text/event-json\n\n${body}`)
  }
}

export const reply = (text: string) => `Content-Type: command/reply\nReply-Text: ${text}\n\n`
export const answer = (body: string) => `Content-Type: api/response\nContent-Length: ${body.length}\n\n${body}`
