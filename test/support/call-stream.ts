import type { Clock } from '../../functions/contract/clock.ts'
import type { MemoryNetwork } from './memory-network.ts'
import { DOMAIN } from './world.ts'

const GATEWAY = { address: '10.0.0.1', port: 5060 }
const CALLER = { address: '10.0.9.8', port: 5060 }
/** Answers every INVITE at once; who forks to it may name it as he likes: `sip:<name>@10.0.9.9`. */
export const CALLEE = { address: '10.0.9.9', port: 5060 }

/** What became of one call. Times in milliseconds since the epoch. */
export interface CallOutcome {
  user: string
  begunAt: number
  endedAt: number
  /** Of the final response; 0: none has come. */
  status: number
  /** The name under which the callee was called. */
  servedBy: string
  isCancelled: boolean
}

export interface StreamOptions {
  network: MemoryNetwork
  clock: Clock
  random: () => number
  /** Milliseconds between two calls, on average. */
  everyMs: number
  /** The share of callers who give up within two seconds. */
  cancels?: number
  /** Who is called; default everybody once. */
  user?: (nth: number) => string
}

/** One call after another, by chance; an answered one ends at once. Nothing is sent twice: what the gateway does not answer stays open. */
export class CallStream {
  readonly calls = new Map<string, CallOutcome>()
  readonly #options: StreamOptions
  #send: (text: string) => void = () => {}

  constructor(options: StreamOptions) {
    this.#options = options
  }

  async start(forMs: number): Promise<void> {
    const { network, clock } = this.#options
    const caller = await network.udp(CALLER, { receive: (octets) => this.#callerHears(textOf(octets)) })
    this.#send = (text) => caller.send(Buffer.from(text, 'latin1'), GATEWAY.address, GATEWAY.port)
    const callee = await network.udp(CALLEE, {
      receive: (octets) => {
        const request = textOf(octets)
        if (request.startsWith('INVITE ')) this.#served(request)
        if (!request.startsWith('ACK '))
          callee.send(Buffer.from(okTo(request), 'latin1'), GATEWAY.address, GATEWAY.port)
      },
    })
    this.#next(clock.now() + forMs)
  }

  #next(until: number): void {
    const { clock, random, everyMs, cancels = 0, user = (nth) => `user-${nth}` } = this.#options
    clock.after(Math.ceil(random() * 2 * everyMs), () => {
      if (clock.now() >= until) return
      const id = `call-${this.calls.size}`
      const outcome = {
        user: user(this.calls.size),
        begunAt: clock.now(),
        endedAt: 0,
        status: 0,
        servedBy: '',
        isCancelled: false,
      }
      this.calls.set(id, outcome)
      this.#send(request('INVITE', id, outcome.user))
      if (random() < cancels) clock.after(random() * 2000, () => this.#cancel(id))
      this.#next(until)
    })
  }

  #cancel(id: string): void {
    const call = this.calls.get(id)!
    if (call.status > 0) return
    call.isCancelled = true
    this.#send(request('CANCEL', id, call.user))
  }

  #callerHears(response: string): void {
    const status = Number(response.slice(8, 11))
    const id = header(response, 'Call-ID')
    const call = this.calls.get(id)!
    if (status < 200 || header(response, 'CSeq') !== '1 INVITE') return
    const isRepeated = call.status > 0
    if (!isRepeated) Object.assign(call, { status, endedAt: this.#options.clock.now() })
    const toTag = /;tag=[^;\r]+/.exec(header(response, 'To'))?.[0] ?? ''
    if (status >= 300) return this.#send(request('ACK', id, call.user, toTag))
    this.#send(request('ACK', id, call.user, toTag, response))
    if (!isRepeated) this.#send(request('BYE', id, call.user, toTag, response))
  }

  #served(invite: string): void {
    this.calls.get(header(invite, 'Call-ID'))!.servedBy = /^INVITE sip:([^@]+)@/.exec(invite)![1]!
  }
}

function request(method: string, id: string, user: string, toTag = '', answer = ''): string {
  const aor = `sip:${user}@${DOMAIN}`
  const target = answer === '' ? aor : /<(.*)>/.exec(header(answer, 'Contact'))![1]!
  const route = answer === '' ? '' : `Route: ${header(answer, 'Record-Route')}\r\n`
  const branch = answer === '' ? '' : `-${method}`
  return [
    `${method} ${target} SIP/2.0\r\nVia: SIP/2.0/UDP ${CALLER.address}:5060;branch=z9hG4bK-${id}${branch}\r\n${route}`,
    `From: <sip:caller@${DOMAIN}>;tag=of-${id}\r\nTo: <${aor}>${toTag}\r\nCall-ID: ${id}\r\nMax-Forwards: 70\r\n`,
    `CSeq: ${method === 'BYE' ? 2 : 1} ${method}\r\nContact: <sip:caller@${CALLER.address}>\r\nContent-Length: 0\r\n\r\n`,
  ].join('')
}

function okTo(request: string): string {
  const copied = request.split('\r\n').filter((line) => /^(Via|Record-Route|From|Call-ID|CSeq):/i.test(line))
  const to = header(request, 'To')
  const tagged = to.includes(';tag=') ? to : `${to};tag=callee`
  return `SIP/2.0 200 OK\r\n${copied.join('\r\n')}\r\nTo: ${tagged}\r\nContact: <sip:callee@${CALLEE.address}>\r\nContent-Length: 0\r\n\r\n`
}

function header(text: string, name: string): string {
  return new RegExp(`^${name}: *(.*)\\r$`, 'mi').exec(text)?.[1] ?? ''
}

function textOf(octets: Uint8Array): string {
  return Buffer.from(octets).toString('latin1')
}
