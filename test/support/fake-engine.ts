import type { LinkEvents, OpenLink } from '../../gateway/media/link.ts'
import { settled } from './fake-clock.ts'

/** What a fake rtpengine was asked, read apart from the gateway's own reader. */
export interface Asked {
  cookie: string
  command: string
  /** `call-id`, `from-tag`, …: texts alone. */
  values: Record<string, string>
  text: string
}

export interface FakeEngineOptions {
  /** IP address: of the ng protocol, and where it takes media. */
  address: string
  /** A command that is no ping has come. */
  onCommand(command: string): void
}

/**
 * An rtpengine without media: it answers offers and answers with its own address and a port for each side, knows which calls it has, and
 * can be away, slow, or in a bad mood.
 */
export class FakeEngine {
  readonly address: string
  readonly asked: Asked[] = []
  /** Calls that it has, by call-id. */
  readonly calls = new Set<string>()
  /** `silent`: nothing comes back. `refusing`: nobody listens there, and the sender is told. */
  state: 'there' | 'silent' | 'refusing' = 'there'
  /** What it answers to offers and answers instead of doing them. */
  refusal: string | undefined
  /** Commands whose answers wait for `releases`. */
  readonly held = new Set<string>()
  readonly #onCommand: (command: string) => void
  readonly #ports = new Map<string, number>()
  #waiting: (() => void)[] = []

  constructor({ address, onCommand }: FakeEngineOptions) {
    this.address = address
    this.#onCommand = onCommand
  }

  /** Forgets every call, as one does that is started anew. */
  restarts(): void {
    this.calls.clear()
    this.state = 'there'
  }

  /** The answers that were held back come now. */
  async releases(): Promise<void> {
    this.held.clear()
    for (const answer of this.#waiting.splice(0)) answer()
    await settled()
  }

  readonly open: OpenLink = (host, _port, events) => {
    let isClosed = false
    return {
      address: host,
      send: (datagram) => queueMicrotask(() => void (isClosed || this.#receive(datagram, events, () => isClosed))),
      close: () => {
        isClosed = true
      },
    }
  }

  #receive(datagram: string, events: LinkEvents, isClosed: () => boolean): void {
    if (this.state === 'refusing') return events.failed('ECONNREFUSED')
    if (this.state === 'silent') return
    const asked = readAsked(datagram)
    const isRepeat = this.asked.some(({ cookie }) => cookie === asked.cookie)
    if (asked.command !== 'ping' && !isRepeat) {
      this.asked.push(asked)
      this.#onCommand(asked.command)
    }
    const text = this.#answer(asked)
    const answer = () => void (isClosed() || events.receive(`${asked.cookie} ${text}`))
    if (!this.held.has(asked.command)) answer()
    else if (!isRepeat) this.#waiting.push(answer)
  }

  #answer({ command, values }: Asked): string {
    const callId = values['call-id'] ?? ''
    if (command === 'ping') return 'd6:result4:ponge'
    if (command === 'delete') {
      this.calls.delete(callId)
      return 'd6:result2:oke'
    }
    if (this.refusal !== undefined && command !== 'query') return refused(this.refusal)
    if (command !== 'offer' && !this.calls.has(callId)) return refused('Unknown call-id')
    if (command === 'query') return 'd6:result2:oke'
    this.calls.add(callId)
    const side = command === 'offer' ? values['from-tag']! : values['to-tag']!
    const sdp = this.#sdp(values.sdp!, `${callId} ${side}`)
    return `d3:sdp${sdp.length}:${sdp}6:result2:oke`
  }

  #sdp(sdp: string, side: string): string {
    const port = this.#ports.get(side) ?? 30_000 + 2 * this.#ports.size
    this.#ports.set(side, port)
    return sdp.replace(/c=IN IP4 \S+/, `c=IN IP4 ${this.address}`).replace(/m=audio \d+/, `m=audio ${port}`)
  }
}

function refused(reason: string): string {
  return `d6:result5:error12:error-reason${reason.length}:${reason}e`
}

/** The texts of a flat dictionary; lists of texts, and numbers, are skipped. */
function readAsked(datagram: string): Asked {
  const cookie = datagram.slice(0, datagram.indexOf(' '))
  const text = datagram.slice(cookie.length + 1)
  const values: Record<string, string> = {}
  let at = 1
  const string = (): string => {
    const [head, length] = /^(\d+):/.exec(text.slice(at))!
    at += head.length + Number(length)
    return text.slice(at - Number(length), at)
  }
  while (text[at] !== 'e') {
    const key = string()
    if (text[at] === 'i') at = text.indexOf('e', at) + 1
    else if (text[at] === 'l') {
      for (at++; text[at] !== 'e'; ) string()
      at++
    } else values[key] = string()
  }
  return { cookie, command: values.command!, values, text }
}
