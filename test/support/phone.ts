import type { StreamEvents, TransportName } from '../../gateway/transport/types.ts'
import { settled } from './fake-clock.ts'
import type { MemoryNetwork } from './memory-network.ts'
import { uriOf, WireMessage, write } from './wire.ts'

export interface PhoneOptions {
  /** The name in ladders. */
  name: string
  /** User part of its AOR; default the name. */
  user?: string
  domain: string
  address: string
  port?: number
  /** A web page (`ws`) has no address of its own to write down. */
  transport?: TransportName
  gateway: { address: string; port: number }
  network: MemoryNetwork
  /** `+sip.instance`, without brackets; default none. */
  instance?: string
  /** It is in the Contact of its dialogs as well; default only in that of its REGISTER. */
  showsInstance?: boolean
  /** Contact URI parameters such as `pn-provider=fcm;pn-prid=token`. */
  contactParams?: string
  /** 180 as soon as an INVITE comes; default true. */
  rings?: boolean
  /** Called for everything sent and received. */
  onArrow(direction: 'sent' | 'received', message: WireMessage): void
}

export interface IncomingCall {
  invite: WireMessage
  tag: string
  state: 'ringing' | 'answered' | 'ended'
}

export const SDP = 'v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'

let counter = 0

/** A simulated phone on the in-memory network: enough of a user agent to call, ring, answer, decline, cancel and hang up. */
export class Phone {
  readonly options: PhoneOptions
  readonly received: WireMessage[] = []
  readonly sent: WireMessage[] = []
  readonly incoming: IncomingCall[] = []
  /** The call this phone has made. */
  outgoing:
    | { invite: WireMessage; final?: WireMessage; toTag: string; routes: string[]; target: string; cseq: number }
    | undefined
  port: number
  /** What its Contact has besides in requests and responses other than REGISTER, such as `pn-purr=…`. */
  dialogParams = ''
  /** The session description of its INVITEs, '' for none. */
  offer = SDP
  /** What the ACKs to a 2xx have in them. */
  ackBody = ''
  /** Answers to INVITE with a status instead of ringing. */
  autoFinal: number | undefined
  #send: (octets: Buffer) => void = () => {}
  #close: () => void = () => {}
  #buffer = ''
  /** Call-IDs of dialogs that are over. */
  readonly #over = new Set<string>()
  #registerCseq = 0
  readonly #registerCallId: string

  constructor(options: PhoneOptions) {
    this.options = options
    this.port = options.port ?? 5060
    this.#registerCallId = `register-${options.name}-${++counter}`
  }

  get user(): string {
    return this.options.user ?? this.options.name
  }

  get aor(): string {
    return `sip:${this.user}@${this.options.domain}`
  }

  get contact(): string {
    const { contactParams } = this.options
    return `${this.shownContact}${contactParams ? `;${contactParams}` : ''}`
  }

  /** The contact as others see it. */
  get shownContact(): string {
    const { address, transport = 'udp' } = this.options
    if (transport === 'ws') return `sip:${this.user}@${this.options.name}.invalid;transport=ws`
    return `sip:${this.user}@${address}:${this.port}${transport === 'udp' ? '' : `;transport=${transport}`}`
  }

  /** The contact as its dialogs have it. */
  get dialogContact(): string {
    return this.dialogParams === '' ? this.shownContact : `${this.shownContact};${this.dialogParams}`
  }

  get #dialogInstance(): string {
    const { instance, showsInstance } = this.options
    return showsInstance && instance ? `;+sip.instance="<${instance}>"` : ''
  }

  async connect(): Promise<this> {
    const { network, address, gateway, transport = 'udp' } = this.options
    if (transport !== 'udp') {
      const events: StreamEvents = { opened() {}, receive: (octets) => this.#stream(octets), closed: () => {} }
      const stream = network.connect(gateway, address, events)
      this.#send = (octets) => stream.write(octets)
      this.#close = () => stream.destroy()
    } else {
      const socket = await network.udp(
        { address, port: this.port },
        { receive: (octets) => this.#receive(Buffer.from(octets).toString('latin1')) },
      )
      this.#send = (octets) => socket.send(octets, gateway.address, gateway.port)
      this.#close = () => socket.close()
    }
    await settled()
    return this
  }

  /** Off the network, without a word. */
  async vanish(): Promise<void> {
    this.#close()
    await settled()
  }

  /** Comes back from another port. */
  async moveTo(port: number): Promise<void> {
    this.#close()
    this.port = port
    await this.connect()
  }

  /** Wakes as phones do that were started anew: at another port, with a REGISTER. */
  async wakes(): Promise<WireMessage> {
    await this.moveTo(this.port + 10)
    return this.registers()
  }

  send(text: string): void {
    const message = new WireMessage(text)
    this.sent.push(message)
    this.options.onArrow('sent', message)
    this.#send(Buffer.from(text, 'latin1'))
  }

  async registers(
    options: { expires?: number; headers?: [string, string][]; contact?: string; q?: number } = {},
  ): Promise<WireMessage> {
    const instance = this.options.instance ? `;+sip.instance="<${this.options.instance}>"` : ''
    const q = options.q === undefined ? '' : `;q=${options.q}`
    this.#registerCseq++
    this.send(
      write({
        start: `REGISTER sip:${this.options.domain} SIP/2.0`,
        headers: [
          this.#via(),
          ['Max-Forwards', '70'],
          ['From', `<${this.aor}>;tag=reg${++counter}`],
          ['To', `<${this.aor}>`],
          ['Call-ID', this.#registerCallId],
          ['CSeq', `${this.#registerCseq} REGISTER`],
          ['Contact', options.contact ?? `<${this.contact}>${instance}${q};expires=${options.expires ?? 3600}`],
          ...(options.headers ?? []),
        ],
      }),
    )
    await settled()
    return this.last((message) => message.method === 'REGISTER')
  }

  async invites(
    user: string,
    options: { headers?: [string, string][]; domain?: string; uri?: string; callId?: string } = {},
  ): Promise<void> {
    const uri = options.uri ?? `sip:${user}@${options.domain ?? this.options.domain}`
    const invite = write({
      start: `INVITE ${uri} SIP/2.0`,
      headers: [
        this.#via(),
        ['Max-Forwards', '70'],
        ['From', `"${this.user}" <${this.aor}>;tag=from${++counter}`],
        ['To', `<${uri}>`],
        ['Call-ID', options.callId ?? `call-${this.options.name}-${++counter}`],
        ['CSeq', '1 INVITE'],
        ['Contact', `<${this.dialogContact}>${this.#dialogInstance}`],
        ...(options.headers ?? []),
        ...(this.offer === '' ? [] : [['Content-Type', 'application/sdp'] as [string, string]]),
      ],
      body: this.offer,
    })
    this.outgoing = { invite: new WireMessage(invite), toTag: '', routes: [], target: uri, cseq: 1 }
    this.send(invite)
    await settled()
  }

  async retransmits(): Promise<void> {
    this.send(this.outgoing!.invite.text)
    await settled()
  }

  async cancels(headers: [string, string][] = []): Promise<void> {
    const { invite } = this.outgoing!
    this.send(
      write({
        start: `CANCEL ${invite.uri} SIP/2.0`,
        headers: [
          ['Via', invite.header('Via')],
          ['Max-Forwards', '70'],
          ['From', invite.header('From')],
          ['To', invite.header('To')],
          ['Call-ID', invite.header('Call-ID')],
          ['CSeq', `${invite.cseq} CANCEL`],
          ...headers,
        ],
      }),
    )
    await settled()
  }

  get ringing(): IncomingCall {
    const call = this.incoming.findLast(({ state }) => state === 'ringing')
    if (!call) throw new Error(`${this.options.name} does not ring`)
    return call
  }

  async answers(headers: [string, string][] = []): Promise<void> {
    const call = this.ringing
    call.state = 'answered'
    this.respond(call.invite, 200, { tag: call.tag, body: SDP, headers })
    await settled()
  }

  async declines(status = 486): Promise<void> {
    const call = this.ringing
    call.state = 'ended'
    this.respond(call.invite, status, { tag: call.tag })
    await settled()
  }

  respond(
    request: WireMessage,
    status: number,
    options: { tag?: string; body?: string; headers?: [string, string][]; recordRoute?: string } = {},
  ): void {
    const to = request.header('To')
    this.send(
      write({
        start: `SIP/2.0 ${status} ${status < 200 ? 'Ringing' : status < 300 ? 'OK' : 'Failed'}`,
        headers: [
          ...request.headers('Via').map((via): [string, string] => ['Via', via]),
          ...(options.recordRoute ? [['Record-Route', options.recordRoute] as [string, string]] : []),
          ...request.headers('Record-Route').map((route): [string, string] => ['Record-Route', route]),
          ['From', request.header('From')],
          ['To', options.tag && !to.includes(';tag=') ? `${to};tag=${options.tag}` : to],
          ['Call-ID', request.header('Call-ID')],
          ['CSeq', request.header('CSeq')],
          ['Contact', `<${this.dialogContact}>${this.#dialogInstance}`],
          ...(options.headers ?? []),
          ...(options.body ? [['Content-Type', 'application/sdp'] as [string, string]] : []),
        ],
        body: options.body ?? '',
      }),
    )
  }

  /** A request in the dialog of the call this phone made or answered. */
  async sendsInDialog(method: string, options: { headers?: [string, string][]; body?: string } = {}): Promise<void> {
    const side = this.#dialogSide()
    if (method === 'BYE') this.#over.add(side.callId)
    this.send(
      write({
        start: `${method} ${side.target} SIP/2.0`,
        headers: [
          this.#via(),
          ['Max-Forwards', '70'],
          ...side.routes.map((route): [string, string] => ['Route', route]),
          ['From', side.from],
          ['To', side.to],
          ['Call-ID', side.callId],
          ['CSeq', `${side.cseq} ${method}`],
          ['Contact', `<${this.dialogContact}>${this.#dialogInstance}`],
          ...(options.headers ?? []),
        ],
        body: options.body ?? '',
      }),
    )
    await settled()
  }

  async hangsUp(): Promise<void> {
    await this.sendsInDialog('BYE')
  }

  async presses(digit: string): Promise<void> {
    await this.sendsInDialog('INFO', {
      headers: [['Content-Type', 'application/dtmf-relay']],
      body: `Signal=${digit}\r\nDuration=160\r\n`,
    })
  }

  async messages(user: string, text: string, { domain = this.options.domain } = {}): Promise<void> {
    await this.requests('MESSAGE', `sip:${user}@${domain}`, { headers: [['Content-Type', 'text/plain']], body: text })
  }

  /** A request outside of any dialog. */
  async requests(
    method: string,
    uri: string,
    { headers = [], body = '' }: { headers?: [string, string][]; body?: string } = {},
  ): Promise<void> {
    this.send(
      write({
        start: `${method} ${uri} SIP/2.0`,
        headers: [
          this.#via(),
          ['Max-Forwards', '70'],
          ['From', `<${this.aor}>;tag=req${++counter}`],
          ['To', `<${uri}>`],
          ['Call-ID', `request-${++counter}`],
          ['CSeq', `1 ${method}`],
          ['Contact', `<${this.dialogContact}>${this.#dialogInstance}`],
          ...headers,
        ],
        body,
      }),
    )
    await settled()
  }

  /** The last message received that `matches`. */
  last(matches: (message: WireMessage) => boolean): WireMessage {
    const found = this.received.findLast(matches)
    if (!found) throw new Error(`${this.options.name} has received no such message`)
    return found
  }

  /** The last final status of its own INVITE; 0 before one. */
  get finalStatus(): number {
    return this.outgoing?.final?.status ?? 0
  }

  #via(): [string, string] {
    const { address, transport = 'udp' } = this.options
    return [
      'Via',
      `SIP/2.0/${transport.toUpperCase()} ${address}:${this.port};branch=z9hG4bK-${this.options.name}-${++counter};rport`,
    ]
  }

  #dialogSide() {
    if (this.outgoing?.final) {
      const { invite, final, routes, target } = this.outgoing
      this.outgoing.cseq++
      return {
        target,
        routes,
        from: invite.header('From'),
        to: final.header('To'),
        callId: invite.header('Call-ID'),
        cseq: this.outgoing.cseq,
      }
    }
    const call = this.incoming.findLast(({ state }) => state === 'answered')
    if (!call) throw new Error(`${this.options.name} has no call`)
    const { invite, tag } = call
    return {
      target: uriOf(invite.header('Contact')),
      routes: invite.headers('Record-Route'),
      from: `${invite.header('To')};tag=${tag}`,
      to: invite.header('From'),
      callId: invite.header('Call-ID'),
      cseq: ++counter,
    }
  }

  #stream(octets: Uint8Array): void {
    this.#buffer += Buffer.from(octets).toString('latin1')
    for (;;) {
      const end = this.#buffer.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/\r\nContent-Length: *(\d+)/i.exec(this.#buffer)?.[1] ?? 0)
      if (this.#buffer.length < end + 4 + length) return
      const text = this.#buffer.slice(0, end + 4 + length)
      this.#buffer = this.#buffer.slice(text.length)
      this.#receive(text)
    }
  }

  #receive(text: string): void {
    const message = new WireMessage(text)
    this.options.onArrow('received', message)
    this.received.push(message)
    if (message.isRequest) this.#onRequest(message)
    else if (message.method === 'INVITE') this.#onInviteResponse(message)
  }

  #onRequest(request: WireMessage): void {
    if (request.method === 'INVITE') return this.#onInvite(request)
    if (request.method === 'CANCEL') return this.#onCancel(request)
    if (request.method === 'ACK') return
    const callId = request.header('Call-ID')
    // RFC 3261 12.2.2
    if (request.method !== 'BYE' && this.#over.has(callId)) return this.respond(request, 481)
    if (request.method === 'BYE') this.#over.add(callId)
    if (request.method === 'BYE')
      for (const call of this.incoming) if (call.invite.header('Call-ID') === callId) call.state = 'ended'
    this.respond(request, 200)
  }

  #onInvite(invite: WireMessage): void {
    const known = this.incoming.find((call) => call.invite.branch === invite.branch)
    // RFC 3261 17.2.1: a repeat gets the last provisional response again.
    if (known?.state === 'ringing' && (this.options.rings ?? true)) this.respond(invite, 180, { tag: known.tag })
    if (known) return
    const tag = `${this.options.name}${++counter}`
    const call: IncomingCall = { invite, tag, state: 'ringing' }
    this.incoming.push(call)
    if (this.autoFinal !== undefined) {
      call.state = 'ended'
      this.respond(invite, this.autoFinal, { tag })
    } else if (this.options.rings ?? true) this.respond(invite, 180, { tag })
  }

  #onCancel(cancel: WireMessage): void {
    this.respond(cancel, 200)
    const call = this.incoming.find((each) => each.invite.branch === cancel.branch)
    if (call?.state !== 'ringing') return
    call.state = 'ended'
    this.respond(call.invite, 487, { tag: call.tag })
  }

  #onInviteResponse(response: WireMessage): void {
    const call = this.outgoing
    if (!call || response.header('Call-ID') !== call.invite.header('Call-ID') || response.status < 200) return
    if (response.status >= 300) {
      call.final ??= response
      this.#ack(call.invite.uri, [['Via', call.invite.header('Via')]], [], response)
      return
    }
    call.final ??= response
    // RFC 3261 12.2.1.2: a re-INVITE does not change the route set, and the answer to it has none.
    const recorded = response.headers('Record-Route').reverse()
    if (recorded.length > 0) call.routes = recorded
    call.target = uriOf(response.header('Contact'))
    this.#ack(call.target, [this.#via()], call.routes, response, this.ackBody)
  }

  #ack(uri: string, via: [string, string][], routes: string[], response: WireMessage, body = ''): void {
    const { invite } = this.outgoing!
    this.send(
      write({
        start: `ACK ${uri} SIP/2.0`,
        headers: [
          ...via,
          ['Max-Forwards', '70'],
          ...routes.map((route): [string, string] => ['Route', route]),
          ['From', invite.header('From')],
          ['To', response.header('To')],
          ['Call-ID', invite.header('Call-ID')],
          ['CSeq', `${invite.cseq} ACK`],
          ...(body === '' ? [] : [['Content-Type', 'application/sdp'] as [string, string]]),
        ],
        body,
      }),
    )
  }
}
