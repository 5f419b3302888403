import type { ForkOptions, Targets } from '../../functions/sdk/actions.ts'
import { SipRouter } from '../../functions/sdk/index.ts'
import type { Stream, StreamEvents } from '../../gateway/transport/types.ts'
import { settled } from '../support/fake-clock.ts'
import { uriOf, WireMessage, write } from '../support/wire.ts'
import type { World } from '../support/world.ts'

export interface PeerOptions {
  /** Default 10.0.0.50 and upwards, in the order of the peers of a world. */
  address?: string
  port?: number
  /** What it does by itself with what it receives; default nothing. */
  reacts?: (message: WireMessage, peer: Peer) => void
}

/** What a request differs in from an initial one of this peer's to `sip:bob@example.com`. */
export interface RequestParts {
  uri?: string
  /** Branch of the Via; default a new one. `''`: none. */
  branch?: string
  /** The whole Via value. */
  via?: string
  fromTag?: string
  toTag?: string
  callId?: string
  cseq?: number
  /** null: no such header. */
  maxForwards?: number | null
  /** Value of Contact, `''`: none. */
  contact?: string
  headers?: [string, string][]
  body?: string
}

export interface ResponseParts {
  tag?: string
  reason?: string
  headers?: [string, string][]
  body?: string
}

const GATEWAY = { address: '10.0.0.1', port: 5060 }
let count = 0

/** A far end that says exactly what a test tells it to, over datagrams; every arrow is in the world's ladder. */
export class Peer {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly received: WireMessage[] = []
  readonly #world: World
  readonly #reacts: (message: WireMessage, peer: Peer) => void
  #write: (octets: Buffer) => void = () => {}
  #close: () => void = () => {}

  constructor(world: World, name: string, options: PeerOptions) {
    this.name = name
    this.address = options.address ?? `10.0.0.${50 + (count++ % 150)}`
    this.port = options.port ?? 5060
    this.#world = world
    this.#reacts = options.reacts ?? (() => {})
  }

  async open(): Promise<this> {
    const { address, port } = this
    const socket = await this.#world.network.udp(
      { address, port },
      { receive: (octets) => this.heard(Buffer.from(octets).toString('latin1')) },
    )
    this.#write = (octets) => socket.send(octets, GATEWAY.address, GATEWAY.port)
    this.#close = () => socket.close()
    return this
  }

  close(): void {
    this.#close()
  }

  /** Where requests for it go. */
  get uri(): string {
    return `sip:${this.name}@${this.address}:${this.port}`
  }

  /** Latin1 text, whole messages or not; nothing else is sent with it. */
  async sends(...texts: string[]): Promise<void> {
    for (const text of texts) {
      this.#world.ladder.add(this.name, 'gw', labelOf(text))
      this.#write(Buffer.from(text, 'latin1'))
    }
    await settled()
  }

  async answers(request: WireMessage, status: number, parts: ResponseParts = {}): Promise<void> {
    await this.sends(this.response(request, status, parts))
  }

  request(method: string, parts: RequestParts = {}): string {
    return requestOf(`SIP/2.0/UDP ${this.address}:${this.port}`, this, method, parts)
  }

  response(request: WireMessage, status: number, parts: ResponseParts = {}): string {
    return responseOf(this, request, status, parts)
  }

  /** The last message whose label, as in ladders, is this. */
  last(label: string): WireMessage {
    const found = this.received.findLast((message) => labelOf(message.text) === label)
    if (!found) throw new Error(`${this.name} has received no ${label}`)
    return found
  }

  all(label: string): WireMessage[] {
    return this.received.filter((message) => labelOf(message.text) === label)
  }

  heard(text: string): void {
    const message = new WireMessage(text)
    this.#world.ladder.add('gw', this.name, labelOf(text))
    this.received.push(message)
    this.#reacts(message, this)
  }
}

export async function peer(world: World, name: string, options: PeerOptions = {}): Promise<Peer> {
  return new Peer(world, name, options).open()
}

/** The same over connections: one to the gateway, and those that the gateway makes to it. */
export class StreamPeer {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly received: WireMessage[] = []
  /** Everything it heard, latin1. */
  text = ''
  /** Connections that were made to it. */
  accepted = 0
  isOpen = false
  readonly #world: World
  readonly #reacts: (message: WireMessage, peer: StreamPeer) => void
  #stream: Stream | undefined
  #buffer = ''

  constructor(
    world: World,
    name: string,
    options: { address: string; port?: number; reacts?: (message: WireMessage, peer: StreamPeer) => void },
  ) {
    this.name = name
    this.address = options.address
    this.port = options.port ?? 5060
    this.#world = world
    this.#reacts = options.reacts ?? (() => {})
  }

  get uri(): string {
    return `sip:${this.name}@${this.address}:${this.port};transport=tcp`
  }

  async connects(): Promise<this> {
    this.#stream = this.#world.network.connect(GATEWAY, this.address, this.#events())
    await settled()
    return this
  }

  async listens(): Promise<this> {
    await this.#world.network.listen(this, (stream) => {
      this.accepted++
      this.isOpen = true
      this.#stream = stream
      return this.#events()
    })
    return this
  }

  /** The last connection, either way. */
  get stream(): Stream {
    if (!this.#stream) throw new Error(`${this.name} has no connection`)
    return this.#stream
  }

  async sends(...texts: string[]): Promise<void> {
    for (const text of texts) {
      this.#world.ladder.add(this.name, 'gw', labelOf(text))
      this.stream.write(Buffer.from(text, 'latin1'))
    }
    await settled()
  }

  async hangsUp(): Promise<void> {
    this.stream.destroy()
    await settled()
  }

  async answers(request: WireMessage, status: number, parts: ResponseParts = {}): Promise<void> {
    await this.sends(responseOf(this, request, status, parts))
  }

  request(method: string, parts: RequestParts = {}): string {
    return requestOf(`SIP/2.0/TCP ${this.address}:${this.port}`, this, method, parts)
  }

  last(label: string): WireMessage {
    const found = this.received.findLast((message) => labelOf(message.text) === label)
    if (!found) throw new Error(`${this.name} has received no ${label}`)
    return found
  }

  #events(): StreamEvents {
    return {
      opened: () => {
        this.isOpen = true
      },
      closed: () => {
        this.isOpen = false
        this.#buffer = ''
      },
      receive: (octets) => this.#receive(Buffer.from(octets).toString('latin1')),
    }
  }

  #receive(text: string): void {
    this.text += text
    this.#buffer += text
    for (;;) {
      const end = this.#buffer.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/\r\nContent-Length: *(\d+)/i.exec(this.#buffer)?.[1] ?? 0)
      if (this.#buffer.length < end + 4 + length) return
      const whole = this.#buffer.slice(0, end + 4 + length)
      this.#buffer = this.#buffer.slice(whole.length)
      this.#heard(whole)
    }
  }

  #heard(text: string): void {
    const message = new WireMessage(text)
    this.#world.ladder.add('gw', this.name, labelOf(text))
    this.received.push(message)
    this.#reacts(message, this)
  }
}

export async function streamPeer(
  world: World,
  name: string,
  options: { address?: string; port?: number; reacts?: (message: WireMessage, peer: StreamPeer) => void } = {},
): Promise<StreamPeer> {
  return new StreamPeer(world, name, { address: `10.0.0.${50 + (count++ % 150)}`, ...options })
}

/** Functions that fork every initial request to the same targets. */
export function forksTo(targets: Targets, options?: ForkOptions): SipRouter {
  return new SipRouter().all('/*', (call) => call.fork(targets, options))
}

/** The ACK of a non-2xx: in the INVITE's transaction (RFC 3261 17.1.1.3). */
export function ackOf(invite: string, final: WireMessage): string {
  const sent = new WireMessage(invite)
  return inTransaction(sent, 'ACK', final.header('To'), [])
}

/** RFC 3261 9.1. */
export function cancelOf(invite: string, headers: [string, string][] = []): string {
  const sent = new WireMessage(invite)
  return inTransaction(sent, 'CANCEL', sent.header('To'), headers)
}

function inTransaction(sent: WireMessage, method: string, to: string, headers: [string, string][]): string {
  return write({
    start: `${method} ${sent.uri} SIP/2.0`,
    headers: [
      ['Via', sent.header('Via')],
      ['Max-Forwards', '70'],
      ['From', sent.header('From')],
      ['To', to],
      ['Call-ID', sent.header('Call-ID')],
      ['CSeq', `${sent.cseq} ${method}`],
      ...headers,
    ],
  })
}

/** A request of the caller's in the dialog that a 2xx has made: its route set, target and tags (RFC 3261 12.2.1.1). */
export function inDialog(caller: Peer | StreamPeer, method: string, ok: WireMessage, parts: RequestParts = {}): string {
  const routes = ok.headers('Record-Route').reverse()
  return caller.request(method, {
    uri: uriOf(ok.header('Contact')),
    fromTag: ok.tag('From'),
    toTag: ok.tag('To'),
    callId: ok.header('Call-ID'),
    cseq: method === 'ACK' ? ok.cseq : ok.cseq + 1,
    ...parts,
    headers: [...routes.map((route): [string, string] => ['Route', route]), ...(parts.headers ?? [])],
  })
}

/** `INVITE`, `100`, `180`, `200 INVITE`; `noise` for what has no start line of SIP. */
export function labelOf(text: string): string {
  const message = new WireMessage(text)
  const isMessage = message.isRequest ? message.start.endsWith(' SIP/2.0') : message.status > 0
  if (!isMessage) return 'noise'
  if (message.isRequest) return message.method
  return message.status < 200 ? String(message.status) : `${message.status} ${message.method}`
}

interface Named {
  name: string
  address: string
  port: number
}

function requestOf(sentBy: string, { name, address, port }: Named, method: string, parts: RequestParts): string {
  count++
  const { uri = 'sip:bob@example.com', branch = `z9hG4bK-${name}-${count}`, maxForwards = 70 } = parts
  const { contact = `<sip:${name}@${address}:${port}>` } = parts
  const via = parts.via ?? `${sentBy}${branch === '' ? '' : `;branch=${branch}`}`
  return write({
    start: `${method} ${uri} SIP/2.0`,
    headers: [
      ['Via', via],
      ...(maxForwards === null ? [] : [['Max-Forwards', String(maxForwards)] as [string, string]]),
      ['From', `<sip:${name}@example.com>;tag=${parts.fromTag ?? `from-${name}`}`],
      ['To', `<sip:bob@example.com>${parts.toTag ? `;tag=${parts.toTag}` : ''}`],
      ['Call-ID', parts.callId ?? `call-${count}`],
      ['CSeq', `${parts.cseq ?? 1} ${method}`],
      ...(contact === '' ? [] : [['Contact', contact] as [string, string]]),
      ...(parts.headers ?? []),
    ],
    body: parts.body ?? '',
  })
}

function responseOf(from: Named, request: WireMessage, status: number, parts: ResponseParts): string {
  const to = request.header('To')
  const tag = status === 100 || to.includes(';tag=') ? '' : `;tag=${parts.tag ?? `to-${from.name}`}`
  return write({
    start: `SIP/2.0 ${status} ${parts.reason ?? 'Whatever'}`,
    headers: [
      ...request.headers('Via').map((via): [string, string] => ['Via', via]),
      ...request.headers('Record-Route').map((route): [string, string] => ['Record-Route', route]),
      ['From', request.header('From')],
      ['To', `${to}${tag}`],
      ['Call-ID', request.header('Call-ID')],
      ['CSeq', request.header('CSeq')],
      ['Contact', `<sip:${from.name}@${from.address}:${from.port}>`],
      ...(parts.headers ?? []),
    ],
    body: parts.body ?? '',
  })
}
