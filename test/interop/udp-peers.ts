import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { nextAddress } from './network.ts'
import { eventually } from './program.ts'

/** Many callers and many phones on one socket each, written by hand: what a thousand simulated phones need and no more. */

const T1_MS = 500

interface Message {
  text: string
  first: string
  callId: string
  cseq: string
  /** host:port it came from. */
  from: string
}

class Peer {
  readonly address = nextAddress()
  readonly #socket: Socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })
  /** `host:port` of the gateway that everything is sent to. */
  router: string

  constructor(router: string) {
    this.router = router
    this.#socket.on('message', (octets, { address, port }) =>
      this.hear(read(octets.toString('latin1'), `${address}:${port}`)),
    )
  }

  async open(): Promise<void> {
    this.#socket.bind(5060, this.address)
    await once(this.#socket, 'listening')
  }

  send(text: string, to = this.router): void {
    const [host, port] = to.split(':') as [string, string]
    this.#socket.send(Buffer.from(text, 'latin1'), Number(port), host)
  }

  close(): void {
    this.#socket.close()
  }

  protected hear(_message: Message): void {}
}

/** Calls everybody by name; acknowledges what is answered. */
export class Callers extends Peer {
  /** Statuses each call has heard, 100 left out, repeats included. */
  readonly heard = new Map<string, number[]>()
  readonly trying = new Set<string>()
  /** Whose BYE was answered. */
  readonly over = new Set<string>()
  readonly #answers = new Map<string, string>()
  /** CSeq of each call's INVITE. */
  readonly #tries = new Map<string, number>()

  /** Sends the INVITE; again: the same one is repeated. @param to `host:port` of another gateway than the one for everything */
  invite(user: string, to = this.router): void {
    this.send(this.#request('INVITE', user, `sip:${user}@example.com`, this.#tryOf(user), ''), to)
  }

  /** Calls again who has failed, as after 503. */
  redial(user: string): void {
    this.#tries.set(user, this.#tryOf(user) + 1)
    this.heard.delete(user)
    this.trying.delete(user)
    this.invite(user)
  }

  cancel(user: string): void {
    this.send(this.#request('CANCEL', user, `sip:${user}@example.com`, this.#tryOf(user), ''))
  }

  /** Ends answered calls. */
  async hangUp(users: readonly string[]): Promise<void> {
    await untilAll(
      'every BYE to be answered',
      users,
      (user) => this.over.has(user),
      (user) => this.send(this.#withinDialog('BYE', user, this.#tryOf(user) + 1)),
    )
  }

  #tryOf(user: string): number {
    return this.#tries.get(user) ?? 1
  }

  statusesOf(user: string): number[] {
    return this.heard.get(user) ?? []
  }

  async hears(user: string, status: number): Promise<void> {
    await eventually(`${status} for ${user}`, () => this.statusesOf(user).includes(status) || undefined)
  }

  protected override hear({ text, first, callId, cseq }: Message): void {
    const status = Number(first.split(' ')[1])
    if (cseq.endsWith('BYE')) this.over.add(callId)
    if (cseq !== `${this.#tryOf(callId)} INVITE`) return
    if (status === 100) {
      this.trying.add(callId)
      return
    }
    this.heard.set(callId, [...this.statusesOf(callId), status])
    if (status >= 300)
      this.send(this.#request('ACK', callId, `sip:${callId}@example.com`, this.#tryOf(callId), toTag(text)))
    else if (status >= 200) {
      this.#answers.set(callId, text)
      this.send(this.#withinDialog('ACK', callId, this.#tryOf(callId)))
    }
  }

  #withinDialog(method: string, user: string, cseq: number): string {
    const answer = this.#answers.get(user)!
    const route = header(answer, 'Record-Route')
    const target = /<(.*)>/.exec(header(answer, 'Contact'))![1]!
    return this.#request(method, user, target, cseq, toTag(answer), `Route: ${route}\r\n`, `${method}-`)
  }

  #request(method: string, user: string, uri: string, cseq: number, tag: string, more = '', branch = ''): string {
    return [
      `${method} ${uri} SIP/2.0\r\n`,
      `Via: SIP/2.0/UDP ${this.address}:5060;branch=z9hG4bK-${branch}${user}-${this.#tryOf(user)};rport\r\n`,
      `${more}From: <sip:caller@example.com>;tag=of-${user}\r\nTo: <sip:${user}@example.com>${tag}\r\n`,
      `Call-ID: ${user}\r\nCSeq: ${cseq} ${method}\r\nMax-Forwards: 70\r\n`,
      `Contact: <sip:caller@${this.address}:5060>\r\nContent-Length: 0\r\n\r\n`,
    ].join('')
  }
}

/** Registers anybody, rings, and answers when told to. */
export class Phones extends Peer {
  readonly registered = new Set<string>()
  /** Branches of the INVITEs each user's phone has got: one is one phone that rings once, however often it is repeated. */
  readonly rang = new Map<string, Set<string>>()
  /** Where a load balancer sends what phones answer; undefined: to where the request came from. */
  answersTo: string | undefined
  /** What a phone says to an INVITE. */
  answers: 'ringing' | 'answered' = 'answered'
  readonly #invites = new Map<string, Message>()
  /** Users whose 200 has no ACK yet: it is repeated, as over UDP it has to be (RFC 3261 13.3.1.4). */
  readonly #unacknowledged = new Set<string>()
  readonly #repeating = setInterval(() => {
    for (const user of this.#unacknowledged) this.#respond(this.#invites.get(user)!, '200 OK')
  }, T1_MS)

  override close(): void {
    clearInterval(this.#repeating)
    super.close()
  }

  register(user: string): void {
    this.send(
      [
        'REGISTER sip:example.com SIP/2.0\r\n',
        `Via: SIP/2.0/UDP ${this.address}:5060;branch=z9hG4bK-register-${user};rport\r\n`,
        `From: <sip:${user}@example.com>;tag=r\r\nTo: <sip:${user}@example.com>\r\nCall-ID: register-${user}\r\n`,
        `CSeq: 1 REGISTER\r\nMax-Forwards: 70\r\nContact: <sip:${user}@${this.address}:5060>\r\nContent-Length: 0\r\n\r\n`,
      ].join(''),
    )
  }

  /** The phone that rings is picked up. */
  pickUp(user: string): void {
    this.#unacknowledged.add(user)
    this.#respond(this.#invites.get(user)!, '200 OK')
  }

  protected override hear(message: Message): void {
    const { first, callId } = message
    if (first.startsWith('SIP/2.0 200')) this.registered.add(callId.replace('register-', ''))
    else if (first.startsWith('INVITE ')) this.#ring(message)
    else if (/^(ACK|BYE|CANCEL) /.test(first)) {
      this.#unacknowledged.delete(callId)
      if (!first.startsWith('ACK ')) this.#respond(message, '200 OK')
    }
  }

  #ring(invite: Message): void {
    const { text, callId: user } = invite
    const branch = /branch=([^;\r]+)/.exec(header(text, 'Via'))![1]!
    this.rang.set(user, (this.rang.get(user) ?? new Set()).add(branch))
    this.#invites.set(user, invite)
    if (this.answers === 'answered') this.pickUp(user)
    else this.#respond(invite, '180 Ringing')
  }

  /** Goes to where the request came from, which need not be where the phone registers. */
  #respond({ text, from }: Message, status: string): void {
    this.send(responseTo(text, status, this.address), this.answersTo ?? from)
  }
}

/** `prefix-0`, `prefix-1`, … */
export function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`)
}

/** Repeats `send` for everybody who is not done yet, as SIP over UDP does, until nobody is left. */
export async function untilAll(
  what: string,
  users: readonly string[],
  isDone: (user: string) => boolean,
  send: (user: string) => void,
): Promise<void> {
  const round = async () => {
    const left = users.filter((user) => !isDone(user))
    for (const [index, user] of left.entries()) {
      send(user)
      if (index % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await new Promise((resolve) => setTimeout(resolve, 400))
    return users.every(isDone) || undefined
  }
  await eventually(what, round, 30_000)
}

function read(text: string, from: string): Message {
  const first = text.slice(0, text.indexOf('\r'))
  return { text, first, callId: header(text, 'Call-ID'), cseq: header(text, 'CSeq'), from }
}

function header(text: string, name: string): string {
  return new RegExp(`^${name}: *(.*)\\r$`, 'mi').exec(text)?.[1] ?? ''
}

function toTag(text: string): string {
  return /;tag=[^;\r]+/.exec(header(text, 'To'))?.[0] ?? ''
}

function responseTo(request: string, status: string, address: string): string {
  const copied = request
    .split('\r\n')
    .filter((line) => /^(Via|Record-Route|From|Call-ID|CSeq):/i.test(line))
    .join('\r\n')
  const to = header(request, 'To')
  const user = header(request, 'Call-ID')
  const tagged = to.includes(';tag=') ? to : `${to};tag=phone-${user}`
  return `SIP/2.0 ${status}\r\n${copied}\r\nTo: ${tagged}\r\nContact: <sip:${user}@${address}:5060>\r\nContent-Length: 0\r\n\r\n`
}
